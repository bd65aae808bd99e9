package api_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/ironic/api/apitest"
)

// able is the stand-in with every part that a conductor may have.
type able struct {
	*apitest.Conductor
	did     []string
	console map[string]any
}

func (a *able) do(format string, args ...any) error {
	a.did = append(a.did, fmt.Sprintf(format, args...))
	return nil
}

func (a *able) InjectNMI(context.Context, string) error { return a.do("nmi") }
func (a *able) SetBootMode(_ context.Context, _, mode string) error {
	return a.do("boot mode %s", mode)
}
func (a *able) SetSecureBoot(_ context.Context, _ string, on bool) error {
	return a.do("secure boot %t", on)
}
func (a *able) SetConsole(_ context.Context, _ string, on bool) error   { return a.do("console %t", on) }
func (a *able) Console(context.Context, string) (map[string]any, error) { return a.console, nil }
func (a *able) AttachMedia(_ context.Context, _ string, m api.Media) error {
	return a.do("attach %s %s %s", m.Device, m.URL, m.Source)
}
func (a *able) DetachMedia(_ context.Context, _ string, devices []string) error {
	return a.do("detach %v", devices)
}
func (a *able) Media(context.Context, string) ([]api.Media, error) {
	return []api.Media{{Device: "cdrom", URL: "http://me:hunter2@h/x.iso"}}, nil
}

func (a *able) VendorMethods(context.Context, string) (map[string]ironic.VendorMethod, error) {
	return map[string]ironic.VendorMethod{"send_raw": {Verbs: []string{"POST"}, Description: "Bytes."}, "boil": {Verbs: []string{"PUT", "GET"}}}, nil
}
func (a *able) CallVendor(_ context.Context, _, method, verb string, args map[string]any) error {
	return a.do("%s %s %v", verb, method, args)
}

func newAbleRig(t *testing.T) (*rig, *able) {
	r := newRig(t)
	a := &able{Conductor: r.conductor}
	r.handler = api.New(api.Config{Store: r.store, Conductor: a})
	r.url = serve(t, r.handler)
	r.add(ironic.Node{Name: "n"})
	r.add(ironic.Node{Name: "busy", ProvisionState: "deploying"})
	return r, a
}

func TestHardwareIsAskedForWhatTheRequestSays(t *testing.T) {
	for _, tc := range []struct {
		method, path, version, body string
		status                      int
		fault, did                  string
	}{
		{"PUT", "n/management/inject_nmi", "1.28", `{}`, 404, "", ""},
		{"PUT", "n/management/inject_nmi", "1.29", `{}`, 204, "", "nmi"},
		{"PUT", "nobody/management/inject_nmi", "1.29", `{}`, 404, "could not be found", ""},
		{"PUT", "n/states/boot_mode", "1.75", `{"target":"uefi"}`, 404, "", ""},
		{"PUT", "n/states/boot_mode", "1.76", `{"target":"uefi"}`, 202, "", "boot mode uefi"},
		{"PUT", "n/states/boot_mode", "1.76", `{"target":"dos"}`, 400, "Invalid boot mode dos", ""},
		{"PUT", "n/states/boot_mode", "1.76", `{}`, 400, "'target' is a required", ""},
		{"PUT", "busy/states/boot_mode", "1.76", `{"target":"bios"}`, 409, "deploying", ""},
		{"PUT", "n/states/secure_boot", "1.76", `{"target":"True"}`, 202, "", "secure boot true"},
		{"PUT", "n/states/secure_boot", "1.76", `{"target":false}`, 202, "", "secure boot false"},
		{"PUT", "n/states/secure_boot", "1.76", `{"target":null}`, 400, "Invalid secure_boot", ""},
		{"PUT", "busy/states/secure_boot", "1.76", `{"target":true}`, 409, "deploying", ""},
		{"PUT", "n/states/console", "1.1", `{"enabled":true}`, 202, "", "console true"},
		{"PUT", "n/states/console", "1.1", `{"enabled":"maybe"}`, 400, "boolean", ""},
		{"POST", "n/vendor_passthru/send_raw", "1.1", `{"raw_bytes":"0x06 0x01"}`, 202, "", "POST send_raw map[raw_bytes:0x06 0x01]"},
		{"POST", "n/vendor_passthru?method=send_raw", "1.1", `{"raw_bytes":"6 1"}`, 202, "", "POST send_raw map[raw_bytes:6 1]"},
		{"PUT", "n/vendor_passthru/boil", "1.1", ``, 202, "", "PUT boil map[]"},
		{"GET", "n/vendor_passthru/boil", "1.1", ``, 202, "", "GET boil map[]"},
		{"POST", "n/vendor_passthru/send_raw", "1.1", `["6","1"]`, 400, "expected a JSON object", ""},
		{"POST", "n/vendor_passthru", "1.1", `{}`, 400, "Method not specified", ""},
		{"POST", "nobody/vendor_passthru/send_raw", "1.1", `{}`, 404, "could not be found", ""},
		{"POST", "n/vmedia", "1.88", `{"device_type":"cdrom","image_url":"http://h/x.iso"}`, 404, "", ""},
		{"POST", "n/vmedia", "1.89", `{"device_type":"cdrom","image_url":"http://h/x.iso"}`, 204, "", "attach cdrom http://h/x.iso local"},
		{"POST", "n/vmedia", "1.89", `{"device_type":"disk","image_url":"https://h/x","image_download_source":"http"}`, 204, "", "attach disk https://h/x http"},
		{"POST", "n/vmedia", "1.89", `{"device_type":"tape","image_url":"http://h/x"}`, 400, "tape", ""},
		{"POST", "n/vmedia", "1.89", `{"device_type":"cdrom","image_url":"/etc/passwd"}`, 400, "missing URL scheme", ""},
		{"POST", "n/vmedia", "1.89", `{"device_type":"cdrom","image_url":"file:///etc/passwd"}`, 400, "URL scheme: file", ""},
		{"POST", "n/vmedia", "1.89", `{"device_type":"cdrom"}`, 400, "'image_url' is a required", ""},
		{"POST", "n/vmedia", "1.89", `{"device_type":"cdrom","image_url":"http://h/x","image_download_source":"ftp"}`, 400, "ftp", ""},
		{"POST", "n/vmedia", "1.89", `{"device_type":"cdrom","image_url":"http://h/x","username":"me"}`, 400, "'username' was unexpected", ""},
		{"DELETE", "n/vmedia", "1.89", ``, 204, "", "detach []"},
		{"DELETE", "n/vmedia?device_types=cdrom,floppy", "1.89", ``, 204, "", "detach [cdrom floppy]"},
		{"DELETE", "n/vmedia?device_types=tape", "1.89", ``, 400, "Invalid device type(s) tape", ""},
		{"DELETE", "n/vmedia?device=cdrom", "1.89", ``, 400, "Unexpected arguments", ""},
		{"GET", "n/vmedia", "1.92", ``, 404, "", ""},
	} {
		t.Run(tc.method+" "+tc.path+" "+tc.body, func(t *testing.T) {
			r, a := newAbleRig(t)
			got := r.do(tc.method, "/v1/nodes/"+tc.path, tc.version, tc.body)
			got.want(t, tc.status, tc.fault)
			if want := slices.DeleteFunc([]string{tc.did}, func(s string) bool { return s == "" }); !slices.Equal(a.did, want) {
				t.Errorf("the conductor did %q, want %q", a.did, want)
			}
			located := !strings.Contains(tc.path, "vendor_passthru") // Ironic sends none with those
			if tc.status == 202 && (got.body != "" || (got.header.Get("Location") != "") != located) {
				t.Errorf("body %q, Location %q", got.body, got.header.Get("Location"))
			}
		})
	}
}

func TestMediaAndConsoleAreShown(t *testing.T) {
	r, a := newAbleRig(t)
	want := `[{"media_types":["CD"],"inserted":true,"image":"http://me:xxxxx@h/x.iso"}]`
	if got := r.do("GET", "/v1/nodes/n/vmedia", "1.93", "").body; got != want {
		t.Errorf("media %s, want %s", got, want)
	}
	if got := r.do("GET", "/v1/nodes/n/states/console", "1.1", "").body; got != `{"console_enabled":false,"console_info":null}` {
		t.Errorf("console %s", got)
	}
	a.console = map[string]any{"type": "tcp"}
	if got := r.do("GET", "/v1/nodes/n/states/console", "1.1", "").body; got != `{"console_enabled":true,"console_info":{"type":"tcp"}}` {
		t.Errorf("console %s", got)
	}
}

func TestVendorMethodsAreListedAsIronicDoes(t *testing.T) {
	r, _ := newAbleRig(t)
	const more = `"attach":false,"require_exclusive_lock":true}`
	want := `{"boil":{"http_methods":["PUT","GET"],"async":true,"description":"",` + more +
		`,"send_raw":{"http_methods":["POST"],"async":true,"description":"Bytes.",` + more + `}`
	if got := r.do("GET", "/v1/nodes/n/vendor_passthru/methods", "1.1", "").body; got != want {
		t.Errorf("methods %s, want %s", got, want)
	}
}

func TestFirmwareIsAnEmptyListOfANode(t *testing.T) {
	r := newRig(t)
	r.add(ironic.Node{Name: "n"})
	r.do("GET", "/v1/nodes/n/firmware", "1.85", "").want(t, 404, "")
	for _, query := range []string{"", "?detail=true", "?fields=component,current_version"} {
		if got := r.do("GET", "/v1/nodes/n/firmware"+query, "1.86", "").body; got != `{"firmware":[]}` {
			t.Errorf("%s: %s", query, got)
		}
	}
	r.do("GET", "/v1/nodes/n/firmware?fields=color", "1.86", "").want(t, 400, "color")
	r.do("GET", "/v1/nodes/nobody/firmware", "1.86", "").want(t, 404, "could not be found")
}

func TestValidationNamesTheFirmwareFromItsVersionOn(t *testing.T) {
	r := newRig(t)
	r.add(ironic.Node{Name: "n"})
	for version, want := range map[string]bool{"1.1": false, "1.85": false, "1.86": true} {
		rows := r.do("GET", "/v1/nodes/n/validate", version, "").object(t)
		if _, there := rows["firmware"]; there != want || rows["power"] == nil || rows["bios"] == nil {
			t.Errorf("%s: %v", version, rows)
		}
	}
}
