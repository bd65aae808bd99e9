package api

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// What a provision request may hold by version; newer versions than the service
// offers are looked at, too, so that raising the offer is all that is left to do.
func TestMembersOfAProvisionRequest(t *testing.T) {
	for _, c := range []struct {
		name    string
		version int
		body    string
		want    string // of the refusal; empty: taken
	}{
		{"service", 87, `{"target":"service","service_steps":[{"interface":"deploy","step":"reboot"}]}`, ""},
		{"service before its steps existed", 86, `{"target":"service","service_steps":[{"interface":"deploy","step":"reboot"}]}`, "not acceptable"},
		{"service without steps", 87, `{"target":"service"}`, `"service_steps" is required when setting target provision state to service`},
		{"service with no step", 87, `{"target":"service","service_steps":[]}`, `"service_steps" is required`},
		{"service steps with another verb", 87, `{"target":"manage","service_steps":[{"interface":"deploy","step":"x"}]}`, `"service_steps" is only valid when setting target provision state to service`},
		{"service step that is none", 87, `{"target":"service","service_steps":[{"interface":"moon","step":"x"}]}`, `Invalid service_steps: 'moon' is not one of ['vendor', 'power'`},
		{"service without a ramdisk", 108, `{"target":"service","service_steps":[{"interface":"bios","step":"x"}],"disable_ramdisk":true}`, ""},
		{"service without a ramdisk, too early", 107, `{"target":"service","service_steps":[{"interface":"bios","step":"x"}],"disable_ramdisk":true}`, "disable_ramdisk is supported only with manual cleaning"},
		{"disable_ramdisk with another verb", 70, `{"target":"manage","disable_ramdisk":false}`, "disable_ramdisk is supported only with manual cleaning"},
		{"clean with no step", 15, `{"target":"clean","clean_steps":[]}`, `"clean_steps" is required when setting target provision state to clean`},
		{"clean steps that are no list", 15, `{"target":"clean","clean_steps":{}}`, "Invalid clean_steps: it is not of type 'array'"},
		{"deploy steps", 69, `{"target":"active","deploy_steps":[{"interface":"deploy","step":"x","args":{},"priority":90}]}`, ""},
		{"deploy steps without arguments", 69, `{"target":"active","deploy_steps":[{"interface":"deploy","step":"x","priority":90}]}`, "Invalid deploy_steps: 'args' is a required property"},
		{"deploy steps with another verb", 69, `{"target":"manage","deploy_steps":[]}`, `"deploy_steps" is only valid when setting target provision state to active or rebuild`},
		{"rescue", 38, `{"target":"rescue","rescue_password":"geheim"}`, ""},
		{"rescue before it existed", 37, `{"target":"rescue","rescue_password":"geheim"}`, "not acceptable"},
		{"rescue without a password", 38, `{"target":"rescue"}`, `A non-empty "rescue_password" is required when setting target provision state to rescue`},
		{"rescue with a blank password", 38, `{"target":"rescue","rescue_password":" "}`, `A non-empty "rescue_password" is required`},
		{"rescue password with another verb", 38, `{"target":"manage","rescue_password":"geheim"}`, `"rescue_password" is only valid when setting target provision state to rescue`},
		{"rescue password that is no text", 38, `{"target":"rescue","rescue_password":["geheim"]}`, "rescue_password is not of type 'string'"},
		{"runbook", 92, `{"target":"clean","runbook":"CUSTOM_X"}`, ""},
		{"runbook to service with", 92, `{"target":"service","runbook":"CUSTOM_X"}`, ""},
		{"runbook and steps to clean with", 92, `{"target":"clean","runbook":"CUSTOM_X","clean_steps":[{"interface":"deploy","step":"x"}]}`, `Please provide either "clean_steps" or a runbook, but not both.`},
		{"runbook and steps to service with", 92, `{"target":"service","runbook":"CUSTOM_X","service_steps":[{"interface":"deploy","step":"x"}]}`, `Please provide either "service_steps" or a runbook, but not both.`},
		{"runbook and disable_ramdisk", 92, `{"target":"clean","runbook":"CUSTOM_X","disable_ramdisk":true}`, `Please provide either "disable_ramdisk" or a runbook, but not both.`},
		{"runbook that is no text", 92, `{"target":"clean","runbook":7}`, `is not of type 'string'`},
		{"runbook before it existed", 91, `{"target":"clean","runbook":"CUSTOM_X"}`, "not acceptable"},
		{"runbook with another verb", 92, `{"target":"manage","runbook":"CUSTOM_X"}`, `"runbook" is only valid when setting target provision state to clean or service`},
		{"null is absent", 92, `{"target":"manage","runbook":null,"service_steps":null,"rescue_password":null,"clean_steps":null,"disable_ramdisk":null}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest("PUT", "/v1/nodes/n/states/provision", strings.NewReader(c.body))
			req, err := (&call{r: r, w: httptest.NewRecorder(), version: c.version}).provisionRequest()
			if err == nil {
				err = req.fits(c.version)
			}
			switch {
			case c.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.want == "":
				if req.Target == "" {
					t.Error("the target is lost")
				}
			case err == nil || !strings.Contains(err.Error(), c.want):
				t.Errorf("got %v, want %s", err, c.want)
			case strings.Contains(err.Error(), "geheim"):
				t.Errorf("the password shows: %v", err)
			}
		})
	}
}
