package stack_test

import (
	"reflect"
	"slices"
	"testing"

	"trefoil/overcloud/stack"
)

func TestExported(t *testing.T) {
	passwords := map[string]string{"AdminPassword": "a", "CephClientKey": "c", "CephxKey": "x"}
	outputs := map[string]any{"EndpointMap": map[string]any{"k": "v"}, "HostsEntry": []any{"1.2.3.4 a"}, "KeystoneURL": "http://x"}
	got, missing := stack.Exported("overcloud", passwords, outputs, false)
	want := map[string]any{"parameter_defaults": map[string]any{"AdminPassword": "a", "AddVipsToEtcHosts": false, "AuthCloudName": "overcloud",
		"EndpointMapOverride": map[string]any{"k": "v"}, "ExtraHostFileEntries": []any{"1.2.3.4 a"}}}
	if !reflect.DeepEqual(got, want) || !slices.Equal(missing, []string{"GlobalConfigExtraMapData", "AllNodesExtraMapData"}) {
		t.Errorf("%v\n%v", got, missing)
	}
	outputs["AuthCloudName"], outputs["GlobalConfig"], outputs["AllNodesConfig"] = "central", map[string]any{}, map[string]any{}
	got, missing = stack.Exported("overcloud", passwords, outputs, true)
	if p := got["parameter_defaults"].(map[string]any); p["CephClientKey"] != "c" || p["AuthCloudName"] != "central" || len(missing) != 0 {
		t.Errorf("%v %v", got, missing)
	}
}
