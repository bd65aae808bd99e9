package apply

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"trefoil/overcloud/resource"
)

// observed is a node that is looked at from several sides at once.
type observed struct {
	fake
	mu      sync.Mutex
	refused string // TCP addresses that do not answer
	journal string
}

func (o *observed) Run(ctx context.Context, c Command) (string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if c.Args[0] == "journalctl" {
		return o.journal, nil
	}
	return o.fake.Run(ctx, c)
}

func (o *observed) Probe(_ context.Context, w resource.Wait) error {
	if strings.Contains(o.refused, w.TCP) {
		return errors.New("connection refused")
	}
	return nil
}

// Who asks for health listens to no events: a query that takes long is told to nobody.
func TestHealthOfASlowDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &observed{fake: fake{look: "scheduler\n", onRun: func([]string) { time.Sleep(7 * time.Second) }}}
		e := &Engine{Root: t.TempDir(), System: o, Now: time.Now}
		got, err := e.Health(t.Context(), []resource.Check{{Service: "nova_scheduler", Waits: []resource.Wait{{Name: "rows", SQL: "SELECT 1"}}}})
		if err != nil || len(got) != 1 || got[0].Detail != "rows: missing: scheduler" {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestHealthNamesWhatIsWrongWithEachService(t *testing.T) {
	o := &observed{refused: "a:5000", journal: "ERROR cannot log in with password = s3cret-password\nnova-api.service: Main process exited\nStopped nova-api.service\n",
		fake: fake{units: map[string]string{"mariadb.service": "active", "nova-api.service": "failed", "slow.service": "activating", "keystone.service": "active"}, look: "scheduler\n"}}
	e := &Engine{Root: t.TempDir(), System: o, Now: time.Now}
	got, err := e.Health(t.Context(), []resource.Check{
		{Service: "mysql", Units: []string{"mariadb"}, Waits: []resource.Wait{{Name: "mysql", TCP: "a:3306"}}},
		{Service: "nova_api", Units: []string{"nova-api"}},
		{Service: "keystone", Units: []string{"keystone"}, Waits: []resource.Wait{{Name: "keystone", TCP: "a:5000"}}},
		{Service: "slow", Units: []string{"slow", "gone"}},
		{Service: "nova_scheduler", Waits: []resource.Wait{{Name: "nova-scheduler", SQL: "SELECT who is missing"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []resource.Health{
		{Service: "mysql", OK: true},
		{Service: "nova_api", Detail: "unit nova-api is failed: ERROR cannot log in with password = ******"},
		{Service: "keystone", Detail: "keystone: connection refused"},
		{Service: "slow", Detail: "unit slow is activating: nova-api.service: Main process exited; unit gone is not-found"},
		{Service: "nova_scheduler", Detail: "nova-scheduler: missing: scheduler"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for _, ran := range o.ran {
		if !strings.HasPrefix(ran, "systemctl show ") && !strings.HasPrefix(ran, "mysql ") {
			t.Errorf("a look ran %s", ran)
		}
	}
	if len(o.ran) != 2 {
		t.Errorf("systemd and the database were asked %d times", len(o.ran))
	}
}

// The units of OSDs are those that the disks have got, and the cluster is asked how it is.
func TestHealthOfCeph(t *testing.T) {
	n := newNode(t)
	osds := resource.Check{Service: "ceph_osd", OSDs: true}
	checks := []resource.Check{osds, {Service: "ceph_mon", Ceph: &resource.CephHealth{OSDHosts: "storage-0"}}}
	look := func() string {
		t.Helper()
		got, err := n.Health(t.Context(), checks)
		if err != nil || len(got) != 2 {
			t.Fatal(got, err)
		}
		if len(checks[0].Units) > 0 {
			t.Error("the caller's checks are changed")
		}
		if !strings.HasPrefix(got[1].Detail, "the cluster does not tell how it is: ") { // there is none here
			t.Errorf("cluster: %+v", got[1])
		}
		return got[0].Detail
	}
	if got := look(); got != "no disk has an OSD" {
		t.Error(got)
	}
	n.put("var/lib/ceph/osd/ceph-3/ready", "ready\n")
	n.put("var/lib/ceph/osd/ceph-5/ready", "ready\n")
	n.sys.units["ceph-osd@3.service"], n.sys.units["ceph-osd@5.service"] = "active", "failed"
	if got := look(); !strings.HasPrefix(got, "unit ceph-osd@5 is failed") {
		t.Error(got)
	}
	n.sys.units["ceph-osd@5.service"] = "active"
	if got := look(); got != "" {
		t.Error(got)
	}
}

// Who is waited for in vain tells whether it ended for good, what it said last, and what is known to do.
func TestHealthExplainsAUnit(t *testing.T) {
	for state, want := range map[string]resource.Health{
		"active":       {OK: true},
		"failed":       {Detail: "unit nova-compute is failed: No route to host", Ended: true},
		"activating 1": {Detail: "unit nova-compute is activating 1: No route to host"},
	} {
		n := newNode(t)
		n.sys.units["nova-compute.service"], n.sys.journal = state, "No route to host\n"
		n.put("var/log/nova/nova-compute.log", strings.Repeat("early\nbird\n", 30)+"password = s3cret-password\n")
		got, err := n.Health(t.Context(), []resource.Check{{Service: "nova_compute", Units: []string{"nova-compute"}, Explain: true}})
		if err != nil || len(got) != 1 {
			t.Fatal(got, err)
		}
		tail := got[0].Tail
		if got[0].Tail = nil; got[0].OK != want.OK || got[0].Detail != want.Detail || got[0].Ended != want.Ended {
			t.Errorf("%s: %+v", state, got[0])
		}
		if !slices.Equal(got[0].Logs, []string{"/var/log/nova/nova-compute.log"}) {
			t.Errorf("%s: logs %q", state, got[0].Logs)
		}
		if len(tail) != explainLog+1 || tail[explainLog] != "No route to host" || tail[explainLog-1] != "password = ******" {
			t.Errorf("%s: %q", state, tail)
		}
	}
	n := newNode(t)
	n.sys.units["nova-compute.service"] = "active"
	n.put("var/log/nova/nova-compute.log", "OSError: [Errno 28] No space left on device: '/proc/x'\n")
	got, err := n.Health(t.Context(), []resource.Check{{Units: []string{"nova-compute"}, Explain: true}})
	if err != nil || !strings.HasPrefix(got[0].Detail, "the filesystem of /proc is full") || !strings.Contains(got[0].Hint, "make room") {
		t.Errorf("%+v %v", got, err)
	}
}
