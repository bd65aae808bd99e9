//go:build e2e

package conductor_test

import (
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trefoil/internal/openstackclient"
	inspectapi "trefoil/ironic/inspect/api"
)

const inspectorRules = `[
 {"uuid": "aaaaaaaa-0000-4000-8000-000000000001", "description": "rack", "conditions": [{"op": "ge", "field": "memory_mb", "value": 4096}],
  "actions": [{"action": "set-attribute", "path": "/extra/rack", "value": "b7"}]},
 {"conditions": [], "actions": [{"action": "set-capability", "name": "seen", "value": "yes"}]}]`

// TestRealInspectorClient takes the real client of introspection through all its commands,
// with an agent that reports.
func TestRealInspectorClient(t *testing.T) {
	openstackclient.NeedsIntrospection(t)
	client := openstackclient.Start(t)
	w := newWorld(t, nil)
	n := w.node("manageable")
	server := httptest.NewServer(inspectapi.New(inspectapi.Config{Store: w.db, Conductor: w.c, Log: slog.New(slog.DiscardHandler)}))
	defer server.Close()
	if err := os.WriteFile(filepath.Join(client.Home, "rules.json"), []byte(inspectorRules), 0o600); err != nil {
		t.Fatal(err)
	}
	type row struct {
		command, says string
		exit          int
	}
	run := func(rows ...row) {
		t.Helper()
		for _, r := range rows {
			args := append([]string{"--inspector-url", server.URL, "baremetal", "introspection"}, strings.Fields(r.command)...)
			got, exit := client.Combined(t, []string{"OS_AUTH_TYPE=none", "OS_ENDPOINT=" + server.URL}, args...)
			if exit != r.exit || !strings.Contains(got, r.says) {
				t.Errorf("%s: exit code %d, want %d with %q:\n%s", r.command, exit, r.exit, r.says, got)
			}
		}
	}
	const rule = "aaaaaaaa-0000-4000-8000-000000000001"
	run(row{"rule import rules.json", rule + " | rack", 0},
		row{"rule list -f value", rule + " rack", 0},
		row{"rule show " + rule, "'path': '/extra/rack'", 0},
		row{"start control-1 --wait --check-errors -f value", "control-1 None", 0},
		row{"status control-1 -f value -c error -c finished -c state", "None\nTrue\nfinished", 0},
		row{"list -f value -c UUID -c Error", n.UUID + " None", 0},
		row{"data save control-1", `"memory_mb": 8192`, 0},
		row{"data save --unprocessed --file data.json control-1", "", 0},
		row{"interface list control-1 -f value", "eth0 52:54:00:00:00:01", 0},
		row{"interface show control-1 eth0", "52:54:00:00:00:01", 0},
		row{"interface show control-1 eth9", "was not found", 1},
		row{"status nobody", "was not found", 1})
	if data, err := os.ReadFile(filepath.Join(client.Home, "data.json")); err != nil || !strings.Contains(string(data), `"inventory"`) {
		t.Errorf("unprocessed data: %v\n%s", err, data)
	}
	if got := w.row(); got.Extra["rack"] != "b7" || !strings.Contains(got.Properties["capabilities"].(string), "seen:yes") {
		t.Errorf("the rules changed %v, %v", got.Extra, got.Properties)
	}
	run(row{"reprocess control-1", "", 0})
	w.await("manageable")
	w.say("dead")
	run(row{"start control-1", "", 0}, row{"abort control-1", "", 0})
	w.await("inspect failed")
	run(row{"status control-1 -f value -c error -c state", "error", 0},
		row{"rule delete " + rule, "", 0},
		row{"rule delete " + rule, "was not found", 1},
		row{"rule purge", "", 0},
		row{"rule list -f value", "", 0})
}
