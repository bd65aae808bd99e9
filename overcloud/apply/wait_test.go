package apply

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"trefoil/overcloud/resource"
)

// A web server that loads for a minute answers everything that it was asked meanwhile,
// one after another: it is asked once.
func TestASlowAnswerIsAwaitedNotAskedForAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		n.Now = time.Now // the bubble's
		asked := 0
		n.sys.onProbe = func(context.Context) error {
			asked++
			time.Sleep(time.Minute)
			return nil
		}
		got, err := n.apply(of("web", waitRes("web"))...)
		if err != nil || got != "unchanged wait:web\ndone" || asked != 1 {
			t.Errorf("asked %d times; error %v; events\n%s", asked, err, got)
		}
		told := 0
		for _, e := range n.events {
			if e.Event == "waiting" && e.Missing == "asked, and no answer yet" {
				told++
			}
		}
		if told < 5 {
			t.Errorf("told %d times in a minute that it waits", told)
		}
	})
}

// A unit whose processes run is not asked of systemd at each look.
func TestAUnitWithProcessesIsAskedSeldom(t *testing.T) {
	for _, c := range []struct {
		events string
		most   int
	}{{"populated 1\nfrozen 0\n", 100 / failedEvery}, {"populated 0\nfrozen 0\n", 100}, {"", 100}} {
		n := newNode(t)
		n.sys.units["web.service"] = "active"
		if c.events != "" {
			group := filepath.Join(n.Root, "sys/fs/cgroup/system.slice/web.service")
			if err := os.MkdirAll(group, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(group, "cgroup.events"), []byte(c.events), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		s := &step{Engine: n.Engine, shared: &shared{}}
		s.turn.Lock()
		for times := range 100 {
			if s.failed(t.Context(), "web", times+1) {
				t.Fatal("an active unit has failed")
			}
		}
		if got := len(n.sys.ran); got != c.most {
			t.Errorf("%q: systemctl ran %d times in 100 looks, expected %d", c.events, got, c.most)
		}
	}
}

// A query of a database starts a client: most of the time none runs.
func TestAQueryTakesATenthOfTheTime(t *testing.T) {
	s := &step{Engine: &Engine{Poll: 300 * time.Millisecond}}
	query, port := &resource.Wait{SQL: "SELECT 1"}, &resource.Wait{TCP: "127.0.0.1:1"}
	for _, c := range []struct {
		wait *resource.Wait
		took time.Duration
		want time.Duration
	}{{query, 10 * time.Millisecond, 3 * time.Second}, {query, 2 * time.Second, 18 * time.Second}, {port, 2 * time.Second, 300 * time.Millisecond}} {
		if got := s.pause(c.wait, c.took); got != c.want {
			t.Errorf("%+v took %s: pause %s, expected %s", c.wait, c.took, got, c.want)
		}
	}
}
