package apply

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"trefoil/internal/errs"
	"trefoil/overcloud/resource"
)

func TestSecondRunOfAStepChangesNothingAndAsksSystemdOnce(t *testing.T) {
	n := newNode(t)
	n.sys.units["web.service"] = "inactive"
	rs := []resource.Resource{fileRes("/etc/web.conf", "a"), unitRes("web", "file:/etc/web.conf")}
	n.must("changed file:/etc/web.conf\nchanged unit:web\ndone", rs...)
	n.must("unchanged file:/etc/web.conf\nunchanged unit:web\ndone", rs...)
	if len(n.sys.ran) != 1 {
		t.Errorf("ran %q", n.sys.ran)
	}
	if _, err := os.Readlink(filepath.Join(n.Root, "etc/systemd/system/multi-user.target.wants/web.service")); err != nil {
		t.Error("the unit is not enabled:", err)
	}
}

func TestUnitRestartsOnlyWhenItsFileChanged(t *testing.T) {
	n := newNode(t)
	n.sys.units["web.service"] = "active"
	n.sys.units["db.service"] = "active"
	conf := func(s string) []resource.Resource {
		return []resource.Resource{fileRes("/etc/web/a", s), fileRes("/etc/db", "x"), unitRes("db", "file:/etc/db"), unitRes("web", "file:/etc/web/*")}
	}
	if _, err := n.apply(conf("1")...); err != nil {
		t.Fatal(err)
	}
	n.must("changed file:/etc/web/a\nunchanged file:/etc/db\nunchanged unit:db\nchanged unit:web\ndone", conf("2")...)
	if !slices.Contains(n.sys.ran, "systemctl restart web.service") || slices.Contains(n.sys.ran, "systemctl restart db.service") {
		t.Errorf("ran %q", n.sys.ran)
	}
}

// TestRestartThatNobodyWaitsForEndsTheOldServer: what is waited for afterwards must not
// be answered by it. A unit that does not run has nothing to end.
func TestRestartThatNobodyWaitsForEndsTheOldServer(t *testing.T) {
	for was, want := range map[string][]string{
		"active":     {"systemctl stop db.service", "systemctl --no-block start db.service"},
		"activating": {"systemctl stop db.service", "systemctl --no-block start db.service"},
		"inactive":   {"systemctl --no-block start db.service"},
	} {
		n := newNode(t)
		n.sys.units["db.service"] = was
		unit := unitRes("db", "file:/etc/db")
		unit.Unit.NoBlock = true
		if _, err := n.apply(fileRes("/etc/db", "new"), unit); err != nil {
			t.Fatal(err)
		}
		ran := slices.DeleteFunc(slices.Clone(n.sys.ran), func(c string) bool { return !strings.Contains(c, " stop ") && !strings.Contains(c, "start ") })
		if !slices.Equal(ran, want) {
			t.Errorf("%s: ran %q", was, ran)
		}
		for i, c := range n.sys.ran { // as long as Debian's mariadb.service may take
			if strings.Contains(c, " stop ") && n.sys.limits[i] <= 15*time.Minute {
				t.Errorf("%s is waited for for %s", c, n.sys.limits[i])
			}
		}
	}
}

func TestDriftIsRepairedEvenWhenTheHashIsTheSame(t *testing.T) {
	for name, spoil := range map[string]func(*node){
		"file edited":   func(n *node) { n.put("etc/web.conf", "edited") },
		"file deleted":  func(n *node) { os.Remove(filepath.Join(n.Root, "etc/web.conf")) },
		"mode changed":  func(n *node) { os.Chmod(filepath.Join(n.Root, "etc/web.conf"), 0o600) },
		"unit stopped":  func(n *node) { n.sys.units["web.service"] = "inactive" },
		"unit failed":   func(n *node) { n.sys.units["web.service"] = "failed" },
		"unit disabled": func(n *node) { os.RemoveAll(filepath.Join(n.Root, "etc/systemd/system")) },
	} {
		n := newNode(t)
		n.sys.units["web.service"] = "inactive"
		rs := []resource.Resource{fileRes("/etc/web.conf", "a"), unitRes("web", "file:/etc/web.conf")}
		if _, err := n.apply(rs...); err != nil {
			t.Fatal(err)
		}
		spoil(n)
		if got, err := n.apply(rs...); err != nil || !strings.Contains(got, "changed") {
			t.Errorf("%s: %v\n%s", name, err, got)
		}
		if n.read("etc/web.conf") != "a" || n.sys.units["web.service"] != "active" {
			t.Errorf("%s: not repaired", name)
		}
	}
}

func TestRestartThatAKilledRunStillOwedIsDoneByTheNext(t *testing.T) {
	n := newNode(t)
	n.sys.units["web.service"] = "active"
	rs := []resource.Resource{fileRes("/etc/web.conf", "new"), unitRes("web", "file:/etc/web.conf")}
	ctx, kill := context.WithCancel(t.Context())
	n.sys.onRun = func([]string) { kill() } // the first look at the unit is the last thing that happens
	if _, err := n.Apply(ctx, &resource.Document{Step: 3, Resources: rs}); !errors.As(err, new(*Failure)) {
		t.Fatalf("error %v", err)
	}
	if n.read("etc/web.conf") != "new" || !n.Pending(3) {
		t.Fatal("the run was not cut where the test wants it")
	}
	n.sys.onRun = nil
	n.must("unchanged file:/etc/web.conf\nchanged unit:web\ndone", rs...)
	if !slices.Contains(n.sys.ran, "systemctl restart web.service") || n.Pending(3) {
		t.Errorf("ran %q, pending %v", n.sys.ran, n.Pending(3))
	}
}

func TestUnitFileThatAKilledRunWroteIsReadBySystemd(t *testing.T) {
	n := newNode(t)
	n.sys.units["web.service"] = "active"
	rs := []resource.Resource{fileRes("/etc/systemd/system/web.service", "new"), unitRes("web", "file:/etc/systemd/system/web.service")}
	ctx, kill := context.WithCancel(t.Context())
	n.sys.onRun = func([]string) { kill() }
	if _, err := n.Apply(ctx, &resource.Document{Step: 3, Resources: rs}); err == nil || !n.Pending(3) {
		t.Fatal("the run was not cut where the test wants it")
	}
	n.sys.onRun = nil
	n.must("unchanged file:/etc/systemd/system/web.service\nchanged unit:web\ndone", rs...)
	reload, restart := slices.Index(n.sys.ran, "systemctl daemon-reload"), slices.Index(n.sys.ran, "systemctl restart web.service")
	if reload < 0 || restart < reload {
		t.Errorf("ran %q", n.sys.ran)
	}
}

func TestFailureEndsTheStepAndTellsTheLogWithoutSecrets(t *testing.T) {
	n := newNode(t)
	n.sys.units["web.service"], n.sys.broken["web.service"] = "inactive", true
	got, err := n.apply(unitRes("web"), fileRes("/etc/after", "x"))
	if err == nil || got != "failed unit:web" {
		t.Fatalf("%v\n%s", err, got)
	}
	e := n.events[len(n.events)-1]
	if len(e.Tail) != 2 || e.Hint == "" || strings.Contains(strings.Join(e.Tail, ""), "s3cret") {
		t.Errorf("event %+v", e)
	}
	if _, ok := n.Recorded(3); ok {
		t.Error("a failed step is recorded as done")
	}
}

func TestMissingUnitOrOwnerSaysThatTheImageLacksThePackage(t *testing.T) {
	n := newNode(t)
	owned := fileRes("/etc/a", "x")
	owned.File.Owner = "nobody-here"
	for _, r := range []resource.Resource{unitRes("gone"), owned} {
		if _, err := n.apply(r); err == nil {
			t.Errorf("%s was applied", r.Key())
		}
		if hint := n.events[len(n.events)-1].Hint; !strings.Contains(hint, "image") {
			t.Errorf("%s: hint %q", r.Key(), hint)
		}
	}
}

func TestSecondRunWaitsForTheFirstAndThenGivesUp(t *testing.T) {
	n := newNode(t)
	os.MkdirAll(filepath.Join(n.Root, "run"), 0o755)
	f, err := os.Create(filepath.Join(n.Root, "run/os-apply-config.lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	f.WriteString("4711\n")
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	n.LockWait = 10e9
	_, err = n.apply(fileRes("/etc/a", "x"))
	if !errs.Is(err, errs.Locked) || !strings.Contains(err.Error(), "4711") {
		t.Errorf("error %v", err)
	}
	if len(n.events) == 0 || n.events[0].Event != "waiting" {
		t.Errorf("events %v", n.events)
	}
}

func TestUnitFileChangeMakesSystemdReadAgain(t *testing.T) {
	n := newNode(t)
	n.sys.units["web.service"] = "active"
	n.must("changed file:/etc/systemd/system/web.service.d/x.conf\nchanged unit:web\ndone",
		fileRes("/etc/systemd/system/web.service.d/x.conf", "[Service]"), unitRes("web", "file:/etc/systemd/system/*"))
	if !slices.Contains(n.sys.ran, "systemctl daemon-reload") {
		t.Errorf("ran %q", n.sys.ran)
	}
}

func TestStoppedUnitIsStoppedAndDisabled(t *testing.T) {
	n := newNode(t)
	n.sys.units["web.service"] = "active"
	n.put("etc/systemd/system/multi-user.target.wants/web.service", "")
	r := unitRes("web")
	r.Unit.State = "stopped"
	n.must("changed unit:web\ndone", r)
	if links, _ := filepath.Glob(filepath.Join(n.Root, "etc/systemd/system/*.wants/*")); len(links) != 0 || n.sys.units["web.service"] != "inactive" {
		t.Errorf("links %v, unit %s", links, n.sys.units["web.service"])
	}
}

func TestVerifyTellsUpToTheFirstStepThatIsNotAsRecorded(t *testing.T) {
	steps := func(last string) []*resource.Document {
		return []*resource.Document{
			{Step: 1, Resources: []resource.Resource{fileRes("/etc/a", "a"), unitRes("web", "file:/etc/a")}},
			{Step: 2, Resources: []resource.Resource{fileRes("/etc/b", "b"), unitRes("db")}},
			{Step: 4, Resources: []resource.Resource{fileRes("/etc/c", last)}},
		}
	}
	for name, x := range map[string]struct {
		spoil func(*node)
		last  string
		want  int
	}{
		"all as recorded":            {func(*node) {}, "c", 3},
		"other resources":            {func(*node) {}, "changed", 2},
		"a file was edited":          {func(n *node) { n.put("etc/a", "edited") }, "c", 0},
		"a unit has failed":          {func(n *node) { n.sys.units["db.service"] = "failed" }, "c", 1},
		"a run was begun and killed": {func(n *node) { n.put("var/lib/os-apply-config/pending-2.json", "[]") }, "c", 1},
		"nothing is recorded":        {func(n *node) { os.RemoveAll(filepath.Join(n.Root, "var/lib/os-apply-config")) }, "c", 0},
	} {
		n := newNode(t)
		n.sys.units["web.service"], n.sys.units["db.service"] = "inactive", "inactive"
		for _, d := range steps("c") {
			if _, err := n.Apply(t.Context(), d); err != nil {
				t.Fatal(err)
			}
		}
		x.spoil(n)
		n.sys.ran, n.events = nil, nil
		got, err := n.Verify(t.Context(), steps(x.last))
		if err != nil || got != x.want || len(n.events) != x.want {
			t.Errorf("%s: %d of 3 verified, want %d; error %v; events %v", name, got, x.want, err, n.events)
		}
		if len(n.sys.ran) != 1 {
			t.Errorf("%s: ran %q", name, n.sys.ran)
		}
	}
}
