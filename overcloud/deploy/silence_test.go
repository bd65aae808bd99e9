package deploy_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"trefoil/overcloud/resource"
	"trefoil/overcloud/stack"
)

// A machine that says nothing any more is told of each minute, with what is under way on it.
func TestSilenceIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.begin(stack.Create, 1)
		w.nodes.waits = func(_ context.Context, n stack.Node, doc resource.Document, tell func(resource.Event)) error {
			if n.Role == "Controller" && doc.Step == 4 {
				tell(resource.Event{Event: "start", Key: "unit:nova-api"})
				time.Sleep(5*time.Minute + time.Second)
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
			if strings.Contains(e.Reason, "has said nothing") {
				told = append(told, e.Reason)
			}
		}
		if len(told) != 4 || !strings.HasPrefix(told[0], "has said nothing for 120 s; under way: unit:nova-api; is it busy? ssh heat-admin@192.168.255.") {
			t.Errorf("told %q", told)
		}
	})
}
