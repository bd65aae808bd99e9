package deploy_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"trefoil/overcloud/stack"
)

// fakeCeph is the monitors of a Ceph: they know on which machine each OSD ran last.
type fakeCeph struct {
	mu    sync.Mutex
	hosts []string // by number of the OSD; "": it has never run
	says  string   // instead of what follows from hosts
	down  bool
	asked []string // "MACHINE: COMMAND"
	limit time.Duration
}

func (f *fakeCeph) Ceph(_ context.Context, n stack.Node, command string, limit time.Duration) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked, f.limit = append(f.asked, n.Name+": "+command), limit
	if f.down {
		return nil, errors.New("[errno 110] RADOS timed out (error connecting to the cluster)")
	}
	if command != "osd metadata --format json-pretty" {
		return nil, nil
	}
	if f.says != "" {
		return []byte(f.says), nil
	}
	var list []string
	for id, host := range f.hosts {
		o := fmt.Sprintf(`{"id": %d}`, id)
		if host != "" {
			o = fmt.Sprintf(`{"id": %d, "arch": "x86_64", "hostname": %q}`, id, host)
		}
		list = append(list, o)
	}
	return []byte("[" + strings.Join(list, ",\n") + "]\n"), nil
}

// A storage machine goes when Ceph says that no OSD of it is left, and not before.
func TestMachineWithOSDsGoesWhenTheyAreOutOfCeph(t *testing.T) {
	w, _ := scaled(t)
	refused := func(why, cure string) {
		t.Helper()
		w.deletes(deletion(false, "overcloud-cephstorage-0"))
		if f := w.run("UPDATE_FAILED").Failures[0]; f.Node != "overcloud-cephstorage-0" || !strings.Contains(f.Error, why) || !strings.Contains(f.Hint, cure) || len(w.cloud.deployed) != 4 {
			t.Errorf("%+v", f)
		}
	}
	refused("there is no machine with a monitor of Ceph to ask", "--force overcloud-cephstorage-0")
	ceph := &fakeCeph{hosts: []string{"overcloud-cephstorage-0", "", "overcloud-cephstorage-0.localdomain", "overcloud-cephstorage-10"}}
	w.engine.Ceph = ceph
	refused("its OSDs hold data: osd.0, osd.2;", "ceph osd purge ID --yes-i-really-mean-it")
	ceph.down = true
	refused("Ceph did not say which it has: overcloud-controller-0: [errno 110]", "sudo ceph -s")
	w.told("asks the monitors of Ceph: ceph osd metadata --format json-pretty; where they do not answer, that takes up to 5 minutes for each of overcloud-controller-0")
	ceph.down = false
	for answer, why := range map[string]string{
		`null`:                                "the answer to ceph osd metadata is null",
		`[null]`:                              "item 1 of 1 has no id of an OSD",
		`[{}]`:                                "item 1 of 1 has no id of an OSD",
		`{}`:                                  "read the answer to ceph osd metadata: ",
		`[{"id":0`:                            "read the answer to ceph osd metadata: ",
		`[{"id":0,"hostname":"a"},{"id":-1}]`: "item 2 of 2 has no id of an OSD",
		`[{"id":4,"hostname":"Overcloud-CephStorage-0.Lan"}]`: "its OSDs hold data: osd.4;",
		`[{"id":5,"hostname":null},{"id":6,"hostname":" "}]`:  "Ceph does not tell on which machine osd.5, osd.6 ran",
	} {
		ceph.says = answer
		refused(why, "--force overcloud-cephstorage-0")
	}
	ceph.says, ceph.hosts = "", []string{"", "overcloud-cephstorage-10"}
	refused("Ceph does not tell on which machine osd.0 ran", "ceph osd purge ID --yes-i-really-mean-it")
	ceph.hosts = []string{"overcloud-cephstorage-10"}
	w.deletes(deletion(false, "overcloud-cephstorage-0"))
	w.run("UPDATE_COMPLETE")
	if w.cloud.deployed["uuid-storage-1"] != "" {
		t.Errorf("%v", w.cloud.deployed)
	}
	if slices.ContainsFunc(ceph.asked, func(q string) bool { return strings.Contains(q, "mon rm") }) {
		t.Errorf("asked %q; the machine has no monitor", ceph.asked)
	}
}

// Forced, a Ceph that is dead is not waited for.
func TestForcedRemovalDoesNotAskCephForOSDs(t *testing.T) {
	w, _ := scaled(t)
	ceph := &fakeCeph{down: true}
	w.engine.Ceph = ceph
	w.deletes(deletion(true, "overcloud-cephstorage-0"))
	w.run("UPDATE_COMPLETE")
	if len(ceph.asked) > 0 || w.cloud.deployed["uuid-storage-1"] != "" {
		t.Errorf("asked %q, deployed %v", ceph.asked, w.cloud.deployed)
	}
	w.told("forced: overcloud-cephstorage-0: removal: ceph_osd: its OSDs may hold data; Ceph was not asked which it has, since the removal is forced")
}

// told looks for an event of exactly that reason.
func (w *world) told(reason string) {
	w.t.Helper()
	evs, err := w.db.Events(w.t.Context(), "id", 0, 0)
	if err != nil || !slices.ContainsFunc(evs, func(e stack.Event) bool { return e.Reason == reason }) {
		w.t.Errorf("no event tells %q: %v", reason, err)
	}
}

// A monitor that nobody takes out of Ceph's map keeps the machine in the stack: the next
// run goes on there. Forced, it is told.
func TestMonitorThatLeavesIsTakenOutOfCeph(t *testing.T) {
	w := threeControllers(t)
	f := &fakeOvercloud{w: w, servers: map[string][]string{}, at: "http://192.168.255.9:5000/"}
	ceph := &fakeCeph{down: true}
	w.engine.Overcloud, w.engine.Ceph = f.open, ceph
	w.run("CREATE_COMPLETE")
	w.deletes(deletion(false, "overcloud-controller-2"))
	s := w.run("UPDATE_FAILED")
	if e := s.Failures[0].Error; !strings.Contains(e, "take it out of Ceph's map of monitors: ceph mon rm overcloud-controller-2: overcloud-controller-0: [errno 110]") || !strings.Contains(w.names(), "controller-2") {
		t.Errorf("%s; left %s", e, w.names())
	}
	if want := "overcloud-controller-0: mon rm overcloud-controller-2; overcloud-controller-1: mon rm overcloud-controller-2"; strings.Join(ceph.asked, "; ") != want {
		t.Errorf("asked %q", ceph.asked)
	}
	ceph.down, ceph.asked = false, nil
	w.deletes(deletion(false, "overcloud-controller-2"))
	w.run("UPDATE_COMPLETE")
	if got := strings.Join(ceph.asked, "; "); got != "overcloud-controller-0: mon rm overcloud-controller-2" || strings.Contains(w.names(), "controller-2") {
		t.Errorf("asked %q, left %s", got, w.names())
	}
	ceph.down = true
	w.deletes(deletion(true, "overcloud-controller-1"))
	w.run("UPDATE_COMPLETE")
	evs, err := w.db.Events(t.Context(), "id", 0, 0)
	if err != nil || !slices.ContainsFunc(evs, func(e stack.Event) bool {
		return strings.HasPrefix(e.Reason, "Ceph's map of monitors may still name it; once Ceph answers, on a machine with a monitor: sudo ceph mon rm overcloud-controller-1. It said: ceph mon rm overcloud-controller-1: overcloud-controller-0: [errno 110]")
	}) {
		t.Errorf("nobody was told: %v", err)
	}
	if unforced := 5 * time.Minute; ceph.limit == 0 || ceph.limit >= unforced {
		t.Errorf("forced, a Ceph that is dead was given %s", ceph.limit)
	}
	w.told("asks the monitors of Ceph: ceph mon rm overcloud-controller-1; where they do not answer, that takes up to 2 minutes for each of overcloud-controller-0")
}

func TestCephIsAskedOnANode(t *testing.T) {
	n, remote := newSSHNode(t)
	if out, err := remote.Ceph(t.Context(), n.Node, "osd metadata", 5*time.Minute); err != nil || string(out) != "[\n]\n" || strings.Join(n.commands, "|") != "osd metadata" {
		t.Errorf("%q %q %v", out, n.commands, err)
	}
	n.old = true
	if _, err := remote.Ceph(t.Context(), n.Node, "mon rm x", 5*time.Minute); err == nil || !strings.Contains(err.Error(), "RADOS timed out") {
		t.Errorf("monitors that do not answer: %v", err)
	}
}
