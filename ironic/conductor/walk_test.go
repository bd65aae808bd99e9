package conductor_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/ironic/conductor"
	"trefoil/ironic/fsm"
)

// rested waits until nobody works on the node and returns it.
func (w *world) rested(walk []string) *ironic.Node {
	w.t.Helper()
	for deadline := time.Now().Add(awaitLimit); ; time.Sleep(time.Millisecond) {
		n, err := w.db.Node(context.Background(), "control-1")
		if err != nil {
			w.t.Fatal(err)
		}
		if !conductor.HasJob(n) && n.Reservation == "" {
			if fsm.Busy(fsm.State(n.ProvisionState)) {
				w.t.Fatalf("%v: the node is %q, and nobody works on it: %s", walk, n.ProvisionState, n.LastError)
			}
			return n
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%v: the node does not come to rest: %q, %s", walk, n.ProvisionState, n.LastError)
		}
	}
}

// verbs names what may be asked for in a state; adopting leads nowhere else.
func verbs(s fsm.State) []string {
	var out []string
	for _, v := range fsm.Verbs() {
		if slices.Contains(fsm.Events(s), v.Event) {
			out = append(out, v.Name)
		}
	}
	return out
}

// request makes a request of a verb, with steps where it takes some.
func request(r *rand.Rand, verb string) api.ProvisionRequest {
	req := api.ProvisionRequest{Target: verb}
	some := func() []map[string]any {
		all := []string{"erase_devices_metadata", "hold", "reboot", "bios.factory_reset", "wait", "power_off", "nothing"}
		r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		return list(all[:1+r.IntN(3)]...)
	}
	switch verb {
	case "clean":
		req.CleanSteps = some()
	case "service":
		req.ServiceSteps = some()
	case "active", "deploy", "rebuild":
		if r.IntN(3) == 0 {
			deploySteps("hold", 30+10*r.IntN(7))(&req)
		}
	case "rescue":
		password := "geheim"
		req.RescuePassword = &password
	}
	return req
}

// home is the verb that leads towards available from each state where a node may rest.
func home(s fsm.State) string {
	return map[fsm.State]string{
		fsm.Enroll: "manage", fsm.Manageable: "provide", fsm.InspectFailed: "manage", fsm.CleanFailed: "manage", fsm.CleanHold: "abort",
		fsm.DeployHold: "abort", fsm.DeployFailed: "deleted", fsm.Active: "deleted", fsm.Error: "deleted", fsm.AdoptFailed: "manage",
		fsm.Rescue: "deleted", fsm.RescueFailed: "deleted", fsm.UnrescueFailed: "deleted", fsm.ServiceFailed: "deleted", fsm.ServiceHold: "unhold",
	}[s]
}

// Whatever is asked for, whatever goes wrong and whenever the service is started
// anew: a node comes to rest, and finds its way to available once things go well.
func TestNoWalkOfANodeGetsStuck(t *testing.T) {
	w := newWorld(t, func(c *conductor.Config) { c.CleanOnProvide = true })
	w.node("enroll")
	eraser(w, false)
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 6))
		var walk []string
		for range 8 {
			n := w.rested(walk)
			choice := verbs(fsm.State(n.ProvisionState))
			if len(choice) == 0 {
				t.Fatalf("%v: nothing can be asked for in %q", walk, n.ProvisionState)
			}
			verb, trouble := choice[r.IntN(len(choice))], []string{"", "", "fail"}[r.IntN(3)]
			w.say(trouble)
			w.set(func(n *ironic.Node) {
				n.Maintenance, n.Fault = false, ""
				n.InstanceInfo = map[string]any{"image_source": "overcloud-full"}
			})
			err := w.c.Provision(t.Context(), "control-1", request(r, verb))
			walk = append(walk, fmt.Sprintf("%s: %s(%s)", n.ProvisionState, verb, trouble))
			if err != nil {
				walk = append(walk, err.Error())
			}
			if r.IntN(3) == 0 {
				w.stop()
				w.start()
			}
		}
		w.say("")
		for range 6 {
			n := w.rested(walk)
			if n.ProvisionState == "available" {
				break
			}
			w.set(func(n *ironic.Node) { n.Maintenance, n.Fault = false, "" })
			walk = append(walk, "home: "+n.ProvisionState)
			w.provision(home(fsm.State(n.ProvisionState)))
		}
		if n := w.rested(walk); n.ProvisionState != "available" {
			t.Fatalf("%v: it ends in %q: %s", walk, n.ProvisionState, n.LastError)
		}
	}
}
