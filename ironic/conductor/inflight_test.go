package conductor_test

import (
	"fmt"
	"strings"
	"testing"

	"trefoil/ironic"
	"trefoil/ironic/fsm"
)

// Jobs that a version without lists of steps began are brought to their end.
func TestJobsOfBeforeThereWereListsGoOn(t *testing.T) {
	for i, c := range []struct {
		from   string
		state  fsm.State
		kind   string
		to     string
		ran    string
		change func(*ironic.Node)
	}{
		{"manageable", fsm.Cleaning, "clean", "available", "execute_clean_step", func(*ironic.Node) {}},
		{"manageable", fsm.Cleaning, "clean", "manageable", "execute_clean_step execute_clean_step", func(n *ironic.Node) {
			n.DriverInternalInfo = map[string]any{"clean_steps": list("erase_devices", "erase_devices_metadata")}
		}},
		{"manageable", fsm.Cleaning, "clean", "manageable", "execute_clean_step execute_clean_step", func(n *ironic.Node) {
			asked := list("erase_devices", "erase_devices_metadata")
			asked[0]["priority"], asked[1]["priority"] = 1.0, "99"
			n.DriverInternalInfo = map[string]any{"clean_steps": asked}
		}},
		{"available", fsm.Deploying, "deploy", "active", "execute_deploy_step install_bootloader", func(*ironic.Node) {}},
		{"active", fsm.Deleting, "delete", "available", "execute_clean_step", func(*ironic.Node) {}},
	} {
		t.Run(fmt.Sprintf("%s to %s %d", c.kind, c.to, i), func(t *testing.T) {
			w := newWorld(t, nil)
			w.node(c.from)
			eraser(w, true)
			w.set(func(n *ironic.Node) {
				c.change(n)
				w.c.Job(n, c.state, c.kind)
			})
			w.stop()
			w.start()
			n := w.await(c.to)
			if got := strings.Join(w.ran, " "); n.LastError != "" || got != c.ran {
				t.Errorf("error %q, agents ran %q, want %q", n.LastError, got, c.ran)
			}
			if c.to == "manageable" && w.steps() != "erase_devices erase_devices_metadata" {
				t.Errorf("agents ran %s", w.steps())
			}
		})
	}
}
