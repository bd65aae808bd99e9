package conductor_test

import (
	"bufio"
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"trefoil/ironic/agentapi"
	"trefoil/ironic/conductor"
)

// traced is one command that Debian's Ironic sent to a recorded agent.
type traced struct {
	Dir, Req string
	Body     agentapi.Command
}

func readTrace(t *testing.T, name string) []agentapi.Command {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []agentapi.Command
	for sc := bufio.NewScanner(f); sc.Scan(); {
		var line traced
		if err := json.Unmarshal(sc.Bytes(), &line); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if line.Dir == "ironic->ipa" && strings.HasPrefix(line.Req, "POST") {
			out = append(out, line.Body)
		}
	}
	if len(out) == 0 {
		t.Fatalf("%s holds no command", name)
	}
	return out
}

// An agent that announces what the recorded one announced is sent what the real
// Ironic sent that one: the same commands in the same order, with the same
// parameters, and each step word for word.
func TestAutomatedCleaningIsThatOfTheTrace(t *testing.T) {
	w := newWorld(t, func(c *conductor.Config) { c.CleanOnProvide = true })
	w.node("manageable")
	offer := func(name string, priority int) any {
		return map[string]any{"step": name, "priority": priority, "interface": "deploy", "reboot_requested": false, "abortable": true}
	}
	w.offers = map[string][]any{"clean_steps": {offer("erase_devices", 10), offer("erase_devices_metadata", 99), offer("create_configuration", 0)}}
	w.provision("provide")
	n := w.await("available")
	if n.PowerState != "power off" || len(n.CleanStep) > 0 || len(n.DriverInternalInfo) > 0 {
		t.Errorf("power %q, step %v, %v", n.PowerState, n.CleanStep, n.DriverInternalInfo)
	}
	want := readTrace(t, "ipa-trace-clean.jsonl")
	if len(w.sent) != len(want) {
		t.Fatalf("%d commands were sent, the trace has %d", len(w.sent), len(want))
	}
	for i, got := range w.sent {
		if got.Name != want[i].Name {
			t.Errorf("command %d is %s, want %s", i, got.Name, want[i].Name)
		}
		keys := func(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }
		if !slices.Equal(keys(got.Params), keys(want[i].Params)) {
			t.Errorf("%s has the parameters %v, want %v", got.Name, keys(got.Params), keys(want[i].Params))
		}
		for _, k := range []string{"step", "clean_version"} {
			if !reflect.DeepEqual(got.Params[k], want[i].Params[k]) {
				t.Errorf("%s %s is %v, want %v", got.Name, k, got.Params[k], want[i].Params[k])
			}
		}
	}
}
