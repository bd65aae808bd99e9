package rules

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/ironic"
)

func TestShownActionsHaveNoSecret(t *testing.T) {
	for given, want := range map[string]string{
		`"op":"set-attribute","args":{"path":"/driver_info/ipmi_password","value":"hunter2"}`:                             "",
		`"op":"set-attribute","args":{"path":"driver_info.ipmi_password","value":"hunter2"}`:                              "",
		`"op":"set-attribute","args":["/driver_info/redfish_password","hunter2"]`:                                         "",
		`"op":"set-attribute","args":["/driver_info/ipmi_password",["hunter2"]]`:                                          "",
		`"op":"set-port-attribute","args":["p1","/extra/api_key","hunter2"]`:                                              "",
		`"op":"extend-attribute","args":["/extra/tokens","hunter2",true]`:                                                 "",
		`"op":"set-plugin-data","args":["bmc.password","hunter2"]`:                                                        "",
		`"op":"set-attribute","args":["/driver_info",{"ipmi_password":"hunter2","a":"seen"}]`:                             "seen",
		`"op":"set-attribute","args":["/driver_info/ipmi_password","{item}"],"loop":["hunter2"]`:                          "",
		`"op":"set-attribute","args":["/driver_info/{item[k]}","{item[v]}"],"loop":[{"k":"ipmi_password","v":"hunter2"}]`: "",
		`"op":"set-attribute","args":["/driver_info/ipmi_username","admin"],"loop":[{"password":"hunter2"}]`:              "admin",
		`"action":"set-attribute","path":"driver_info/ipmi_password","value":"hunter2"`:                                   "driver_info/ipmi_password",
		`"action":"set-attribute","path":"driver_info","value":{"ipmi_password":"hunter2"}`:                               "ipmi_password",
		`"action":"set-attribute","path":"driver_info/ipmi_username","value":"admin"`:                                     "admin",
		`"op":"del-attribute","args":["/driver_info/ipmi_password"]`:                                                      "/driver_info/ipmi_password",
		`"op":"fail","args":["no"]`: "no",
	} {
		all := []map[string]any{object(t, "{"+given+"}")}
		before := fmt.Sprint(all)
		b, err := json.Marshal(Shown(all))
		if err != nil || strings.Contains(string(b), "hunter2") || !strings.Contains(string(b), want) || fmt.Sprint(all) != before {
			t.Errorf("%s is shown as %s, %v", given, b, err)
		}
		if fmt.Sprint(Kept(Shown(all), all)) != before {
			t.Errorf("%s comes back as %v", given, Kept(Shown(all), all))
		}
		r := &ironic.InspectionRule{Actions: Shown(all)}
		if err := CheckStars(r); errs.Is(err, errs.Invalid) != strings.Contains(given, "hunter2") {
			t.Errorf("%s imported as shown: %v", given, err)
		}
	}
}

func TestStarsAreKeptAtTheirPlaceOnly(t *testing.T) {
	stored := []map[string]any{
		object(t, `{"op":"set-attribute","args":{"path":"/driver_info/ipmi_username","value":"admin"}}`),
		object(t, `{"op":"set-attribute","args":{"path":"/driver_info/ipmi_password","value":"hunter2"}}`),
		object(t, `{"op":"set-attribute","args":{"path":"/driver_info","value":{"password":"hunter3","a":"b"}}}`)}
	for sent, want := range map[string]string{
		`{"op":"set-attribute","args":{"path":"/driver_info/ipmi_password","value":"******"}}`:        "hunter2",
		`{"op":"set-attribute","args":{"path":"/driver_info/ipmi_password","value":"new"}}`:           "new",
		`{"op":"set-attribute","args":{"path":"/driver_info/redfish_password","value":"******"}}`:     "******",
		`{"op":"set-attribute","args":{"path":"/extra/seen","value":"******"}}`:                       "******",
		`{"op":"set-plugin-data","args":{"path":"/driver_info/ipmi_password","value":"******"}}`:      "******",
		`{"op":"set-attribute","args":{"path":"/driver_info","value":{"password":"******","a":"c"}}}`: "map[a:c password:hunter3]",
		`{"op":"set-attribute","args":{"path":"/driver_info","value":{"seen":"******","a":"c"}}}`:     "map[a:c seen:******]",
	} {
		got := Kept([]map[string]any{object(t, sent)}, stored)
		if v := fmt.Sprint(got[0]["args"].(map[string]any)["value"]); v != want {
			t.Errorf("%s becomes %s", sent, v)
		}
	}
}

// What rules say is for everybody to read.
func TestRulesSayNoSecret(t *testing.T) {
	for _, c := range []struct{ dialect, actions string }{
		{"ironic", `{"op":"set-attribute","args":["/driver_info/ipmi_password","a{hunter2!}b"]}`},
		{"ironic", `{"op":"log","args":["saw {item}"],"loop":[{"password":"hunter2"}]}`},
		{"ironic", `{"op":"fail","args":["saw {item[password]}"],"loop":[{"password":"hunter2"}]}`},
		{"ironic", `{"op":"set-attribute","args":["/driver_info/ipmi_username/password","hunter2"]}`},
		{"ironic", `{"op":"fail","args":["saw {item[passwords]}"],"loop":[{"passwords":["hunter2"]}]}`},
		{"ironic", `{"op":"fail","args":["saw {item[password]}"],"loop":[{"password":{"a":"hunter2"}}]}`},
		{"inspector", `{"action":"set-attribute","path":"driver_info/ipmi_password","value":"{data[hunter2]}"}`},
	} {
		m := machine(t)
		m.Node.DriverInfo["ipmi_username"] = "admin"
		notes, err := try(t, m, rule(t, c.dialect, `{"Actions":[`+c.actions+`]}`))
		if len(notes) == 0 && err == nil || strings.Contains(fmt.Sprint(notes, err), "hunter2") {
			t.Errorf("%s: %v, %v", c.actions, notes, err)
		}
	}
}
