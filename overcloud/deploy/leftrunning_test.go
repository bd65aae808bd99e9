package deploy_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"trefoil/overcloud/placement"
	"trefoil/overcloud/resource"
	"trefoil/overcloud/stack"
)

// deadAgent observes machines one of whose units has ended.
type deadAgent struct{}

func (deadAgent) Health(_ context.Context, n stack.Node, checks []resource.Check) ([]resource.Health, error) {
	return []resource.Health{{Service: checks[0].Service, Detail: "unit is failed", Ended: true}}, nil
}

// A controller is left out, since an agent of it that another one waits for has ended, while
// it waits itself: there is a document for it all the same.
func TestAMachineThatIsLeftOutGoesOnByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for _, n := range []string{"control-2", "control-3"} {
			w.cloud.nodes = append(w.cloud.nodes, placement.Node{UUID: "uuid-" + n, Name: n, State: "available", PowerState: "power off",
				ResourceClass: "baremetal", Capabilities: map[string]string{"profile": "control"}})
		}
		w.begin(stack.Create, 1)
		if _, err := w.db.UpdateStack(t.Context(), "id", func(s *stack.Stack) error {
			s.TimeoutMins = 0
			s.Input.Counts["Controller"] = 3
			s.Input.Parameters = map[string]any{"ControllerMaxFailPercentage": 34, "NtpServer": []any{"192.0.2.1"}}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		w.engine.Observer = deadAgent{}
		w.nodes.waits = func(ctx context.Context, n stack.Node, doc resource.Document, tell func(resource.Event)) error {
			has := func(name string) bool {
				return slices.ContainsFunc(doc.Resources, func(x resource.Resource) bool {
					return x.Wait != nil && x.Wait.Name == name && strings.Contains(x.Wait.SQL, "overcloud-controller-2")
				})
			}
			key, missing, long := "", "", time.Duration(0)
			switch {
			case n.Name == "overcloud-controller-0" && has("network_agents"):
				key, missing, long = "wait:network_agents", "missing: neutron-l3-agent on overcloud-controller-2.localdomain", 10*time.Minute
			case n.Name == "overcloud-controller-2" && has("cinder_scheduler"):
				key, missing, long = "wait:cinder_scheduler", "missing: overcloud-controller-2.localdomain", 5*time.Minute
			default:
				return nil
			}
			for so := 5 * time.Second; so < long; so += 5 * time.Second {
				tell(resource.Event{Event: "waiting", Key: key, MS: so.Milliseconds(), Missing: missing})
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(5 * time.Second):
				}
			}
			if n.Name == "overcloud-controller-2" {
				return nil
			}
			return errors.New("gave up")
		}
		s := w.run("CREATE_COMPLETE")
		if got := fmt.Sprint(s.Summary.LeftOut); !strings.Contains(got, "overcloud-controller-2") {
			t.Errorf("left out: %s", got)
		}
	})
}
