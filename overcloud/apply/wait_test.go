package apply

import (
	"context"
	"os"
	"path/filepath"
	"strings"
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
			time.Sleep(time.Minute) // of the bubble's time: none of the test's
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

// A database that answers after minutes is told of meanwhile, and asked again soon.
func TestASlowQueryIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		n.Now = time.Now // the bubble's
		n.sys.look = "nova-api\n"
		asked := 0
		n.sys.onRun = func(args []string) {
			if args[0] != "mysql" {
				return
			}
			if asked++; asked == 2 {
				n.sys.look = ""
			}
			time.Sleep(90 * time.Second)
		}
		began := time.Now()
		n.must("unchanged wait:rows\ndone", resource.Resource{Type: "wait", Wait: &resource.Wait{Name: "rows", SQL: "SELECT 1", Timeout: 1200}})
		told := 0
		for _, e := range n.events {
			if e.Event == "waiting" && e.Key == "wait:rows" {
				told++
			}
		}
		if took := time.Since(began); took > 4*time.Minute || told < 30 {
			t.Errorf("the second of two looks of 90 s ended after %s; told %d times", took, told)
		}
	})
}

// A program that loads for minutes is told of while it runs.
func TestALongProgramIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		n.Now = time.Now // the bubble's
		n.sys.onRun = func([]string) { time.Sleep(2 * time.Minute) }
		n.must("changed exec:boot\ndone", resource.Resource{Type: "exec", Exec: &resource.Exec{Name: "boot", Command: []string{"keystone-manage"}, Creates: "/var/done"}})
		told := 0
		for _, e := range n.events {
			if e.Event == "waiting" && e.Key == "exec:boot" && e.Missing == "the program runs" {
				told++
			}
		}
		if told < 20 {
			t.Errorf("told %d times in two minutes that it runs", told)
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

// A query of a database starts a client: most of the time none runs. One that took minutes
// of a busy machine is not followed by a quarter of an hour of nothing.
func TestAQueryTakesATenthOfTheTime(t *testing.T) {
	s := &step{Engine: &Engine{Poll: 300 * time.Millisecond}}
	query, port := &resource.Wait{SQL: "SELECT 1"}, &resource.Wait{TCP: "127.0.0.1:1"}
	for _, c := range []struct {
		wait *resource.Wait
		took time.Duration
		want time.Duration
	}{{query, 10 * time.Millisecond, 3 * time.Second}, {query, 2 * time.Second, 18 * time.Second},
		{query, 2 * time.Minute, 20 * time.Second}, {port, 2 * time.Second, 300 * time.Millisecond}} {
		if got := s.pause(c.wait, c.took); got != c.want {
			t.Errorf("%+v took %s: pause %s, expected %s", c.wait, c.took, got, c.want)
		}
	}
}

// A program that ends at once has started well for systemd, and what it wrote before is fresh for minutes.
func TestAUnitThatEndsAfterItsStartIsAFailure(t *testing.T) {
	for after, ended := range map[string]bool{
		"active":       false,
		"activating 1": false,
		"inactive 0 7": false, // its start is queued behind what it needs
		"inactive":     true,
		"failed":       true,
		"activating 5": true, // systemd starts it again and again
	} {
		n := newNode(t)
		n.sys.units["l3-agent.service"], n.sys.after = "failed", map[string]string{"l3-agent.service": after}
		got, err := n.apply(of("l3", fileRes("/etc/l3", "x"), unitRes("l3-agent", "file:/etc/l3"))...)
		if (err != nil) != ended || ended && (!strings.Contains(err.Error(), "was started and has ended") || !strings.Contains(got, "failed unit:l3-agent")) {
			t.Errorf("%s: error %v; events\n%s", after, err, got)
		}
		if _, recorded := n.Recorded(3); recorded == ended {
			t.Errorf("%s: the step is recorded as done: %t", after, recorded)
		}
	}
}
