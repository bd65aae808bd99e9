package e2e

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestTheSmallCloudIsTheRolesOfTheTest: the environment and the roles file, which
// the image is built by, list the same services.
func TestTheSmallCloudIsTheRolesOfTheTest(t *testing.T) {
	services := func(file string) map[string][]string {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out, role := map[string][]string{}, ""
		for line := range strings.Lines(string(data)) {
			line = strings.TrimSpace(line)
			if name, ok := strings.CutPrefix(line, "- name: "); ok {
				role = name
			} else if name, ok := strings.CutSuffix(line, "Services:"); ok && name != "" {
				role = name
			} else if strings.HasPrefix(line, "- OS::TripleO::Services::") {
				out[role] = append(out[role], line)
			}
		}
		return out
	}
	roles := services("roles.yaml")
	for role, list := range services("../../examples/small-cloud.yaml") {
		if !slices.Equal(list, roles[role]) {
			t.Errorf("%s: %q, and in roles.yaml %q", role, list, roles[role])
		}
	}
}
