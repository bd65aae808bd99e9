package stack

import (
	"strings"
)

// exportedOutputs are the outputs that another stack needs of this one, by the
// parameter that takes each. Source: tripleoclient, Wallaby.
func exportedOutputs() [][2]string {
	return [][2]string{{"EndpointMap", "EndpointMapOverride"}, {"HostsEntry", "ExtraHostFileEntries"}, {"GlobalConfig", "GlobalConfigExtraMapData"},
		{"AllNodesConfig", "AllNodesExtraMapData"}}
}

// ExportedOutputs names the outputs that Exported looks for.
func ExportedOutputs() []string {
	out := []string{"AuthCloudName"}
	for _, e := range exportedOutputs() {
		out = append(out, e[0])
	}
	return out
}

// Exported is the environment with which another stack, a cell for example, is
// deployed beside the stack of that name. Passwords of Ceph are left out, because
// the other has a cluster of its own, unless all are asked for. The strings name
// parameters for which there is no data.
func Exported(name string, passwords map[string]string, outputs map[string]any, all bool) (map[string]any, []string) {
	params := map[string]any{"AddVipsToEtcHosts": false, "AuthCloudName": name}
	for k, v := range passwords {
		if all || !strings.HasPrefix(strings.ToLower(k), "ceph") {
			params[k] = v
		}
	}
	var missing []string
	for _, e := range exportedOutputs() {
		if v := outputs[e[0]]; v != nil {
			params[e[1]] = v
		} else {
			missing = append(missing, e[1])
		}
	}
	if v := outputs["AuthCloudName"]; v != nil && v != "" {
		params["AuthCloudName"] = v
	}
	return map[string]any{"parameter_defaults": params}, missing
}
