package conductor_test

import (
	"testing"
	"time"

	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/ironic/conductor"
	"trefoil/ironic/driver/fake"
)

func oneAtATime(c *conductor.Config) { c.Concurrency = 1 }

// second makes another node and deploys it until its machine boots the ramdisk. No agent calls.
func (w *world) second() {
	w.t.Helper()
	w.deploySecond()
	w.secondBoots()
}

const secondNode = "00000000-0000-4000-8000-000000000002"

func (w *world) deploySecond() {
	w.t.Helper()
	n := &ironic.Node{UUID: secondNode, Name: "compute-1", Driver: fake.Name, ProvisionState: "available",
		Interfaces:   map[string]string{"boot": "ipxe", "deploy": "direct", "inspect": "agent"},
		InstanceInfo: map[string]any{"image_source": "overcloud-full"}}
	if err := w.c.CheckCreate(w.t.Context(), n); err != nil {
		w.t.Fatal(err)
	}
	if err := w.db.CreateNode(w.t.Context(), n, &ironic.Port{UUID: "p2", Address: "52:54:00:00:00:02", PXEEnabled: true}); err != nil {
		w.t.Fatal(err)
	}
	if err := w.c.Provision(w.t.Context(), n.UUID, api.ProvisionRequest{Target: "active"}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) secondBoots() {
	w.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(2 * time.Millisecond) {
		got, err := w.db.Node(w.t.Context(), secondNode)
		if err == nil && got.ProvisionState == "wait call-back" {
			return
		}
		if err != nil || time.Now().After(deadline) {
			w.t.Fatalf("node %+v, %v; %d nodes boot", got, err, w.c.Booting())
		}
	}
}

func waitAnHour(r *api.ProvisionRequest) {
	r.CleanSteps = list("erase_devices_metadata", "wait")
	r.CleanSteps[1]["args"] = map[string]any{"seconds": 3600.0}
}

func TestANodeWhoseAgentHasCalledKeepsNobodyFromBooting(t *testing.T) {
	for name, restart := range map[string]bool{"at once": false, "over a restart": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, oneAtATime)
			w.node("manageable")
			w.provision("clean", waitAnHour)
			w.running("clean wait", "wait")
			if restart {
				w.stop()
				w.start()
				w.running("clean wait", "wait")
			}
			w.second()
			w.provision("abort")
			w.await("clean failed")
		})
	}
}

func TestANodeThatBootsHasAPlace(t *testing.T) {
	for name, begin := range map[string]func(*world){
		"inspected": func(w *world) { w.say("dead"); w.provision("inspect"); w.await("inspect wait") },
		"cleaned":   func(w *world) { w.say("dead"); w.provision("clean", waitAnHour); w.await("clean wait") },
		"again": func(w *world) {
			eraser(w, true)
			w.say("hang flash")
			w.provision("clean", cleanSteps("flash", "erase_devices"))
			w.running("clean wait", "flash")
			if b := w.c.Booting(); b != 0 {
				w.t.Errorf("%d places are taken while a step runs", b)
			}
			w.say("dead")
			w.finishLast(false)
			w.bootsAgain()
		},
		"over a restart": func(w *world) {
			w.say("dead")
			w.provision("clean", waitAnHour)
			w.await("clean wait")
			w.stop()
			w.start()
			for deadline := time.Now().Add(time.Minute); w.c.Booting() == 0; time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					w.t.Fatal("the job did not go on within a minute of the restart")
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, oneAtATime)
			w.node("manageable")
			begin(w)
			if b := w.c.Booting(); b != 1 {
				t.Errorf("%d places are taken", b)
			}
			w.provision("abort")
			w.await(map[bool]string{true: "inspect failed", false: "clean failed"}[name == "inspected"])
			w.say("")
			w.second()
			if b := w.c.Booting(); b != 1 {
				t.Errorf("%d places are taken by the second node", b)
			}
		})
	}
}

// bootsAgain waits until the machine starts the second time.
func (w *world) bootsAgain() {
	w.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		w.mu.Lock()
		boots := w.boots
		w.mu.Unlock()
		n, err := w.db.Node(w.t.Context(), "control-1")
		if err == nil && boots == 2 && n.ProvisionState == "clean wait" && n.Reservation == "" {
			return
		}
		if err != nil || time.Now().After(deadline) {
			w.t.Fatalf("%d boots, node %+v, %v", boots, n, err)
		}
	}
}

func TestWhoBootsWaitsForAPlace(t *testing.T) {
	w := newWorld(t, oneAtATime)
	w.node("manageable")
	w.say("dead")
	w.provision("clean", waitAnHour)
	w.await("clean wait")
	w.deploySecond()
	for deadline := time.Now().Add(time.Minute); !w.waitsForAPlace(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the second node did not come to wait for a place within a minute")
		}
	}
	w.provision("abort")
	w.await("clean failed")
	w.secondBoots()
}

func (w *world) waitsForAPlace() bool {
	h, err := w.db.History(w.t.Context(), secondNode)
	for _, e := range h {
		if err == nil && e.Event == "waits: 1 other nodes boot a ramdisk already" {
			return true
		}
	}
	return false
}
