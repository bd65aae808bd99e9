package deploy_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"trefoil/overcloud/resource"
	"trefoil/overcloud/stack"
)

// What a machine tells that is no failure is an event of the stack, once.
func TestWhatAMachineTellsIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.begin(stack.Create, 1)
		w.nodes.waits = func(_ context.Context, n stack.Node, doc resource.Document, tell func(resource.Event)) error {
			if n.Role == "Controller" && doc.Step == 1 {
				tell(resource.Event{Event: "told", Key: "network_config:node", Told: "nic2 is another card"})
			}
			return nil
		}
		w.run("CREATE_COMPLETE")
		evs, err := w.db.Events(t.Context(), "id", 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		var told []string
		for _, e := range evs {
			if e.Reason == "nic2 is another card" {
				told = append(told, e.Resource+" "+e.Status)
			}
		}
		if len(told) != 1 || !strings.HasPrefix(told[0], stack.StepPath("Controller", "1", 0)) || !strings.HasSuffix(told[0], " CREATE_IN_PROGRESS") {
			t.Errorf("told %q", told)
		}
	})
}
