package apply

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"trefoil/overcloud/resource"
)

// of makes resources those of a service.
func of(service string, rs ...resource.Resource) []resource.Resource {
	for i := range rs {
		rs[i].Service = service
	}
	return rs
}

func waitRes(name string) resource.Resource {
	return resource.Resource{Type: "wait", Wait: &resource.Wait{Name: name, TCP: "127.0.0.1:1", Timeout: 1 << 30}}
}

func TestAServiceThatWaitsHoldsUpNoOther(t *testing.T) {
	n := newNode(t)
	n.sys.units["web.service"] = "inactive"
	n.sys.onProbe = func(context.Context) error { // the first service waits for the last thing of the second
		if _, err := os.Stat(filepath.Join(n.Root, "etc/last")); err != nil {
			return err
		}
		return nil
	}
	rs := append(of("db", waitRes("db"), fileRes("/etc/db", "x")), of("web", fileRes("/etc/web", "x"), unitRes("web", "file:/etc/web"), fileRes("/etc/last", "x"))...)
	got, err := n.apply(rs...)
	if err != nil || !strings.HasSuffix(got, "unchanged wait:db\nchanged file:/etc/db\ndone") {
		t.Fatalf("error %v; events\n%s", err, got)
	}
}

func TestAFailureEndsWhatOtherServicesWaitForAndIsToldOnce(t *testing.T) {
	n := newNode(t)
	n.sys.units["web.service"], n.sys.broken["web.service"] = "inactive", true
	n.sys.onProbe = func(context.Context) error { return errors.New("connection refused") }
	got, err := n.apply(append(of("db", waitRes("db"), fileRes("/etc/db", "x")), of("web", unitRes("web"))...)...)
	var f *Failure
	if !errors.As(err, &f) || f.Key != "unit:web" {
		t.Fatalf("error %v", err)
	}
	if strings.Count(got, "failed") != 1 || !strings.Contains(got, "failed unit:web") {
		t.Errorf("events\n%s", got)
	}
	if _, err := os.Stat(filepath.Join(n.Root, "etc/db")); err == nil {
		t.Error("the other service went on")
	}
}

// A file that several services write, in several steps, restarts the units of all of them.
func TestUnitRestartsForWhatAnEarlierStepChanged(t *testing.T) {
	n := newNode(t)
	n.sys.units["web.service"] = "inactive"
	first := func(s string) { n.must("changed file:/etc/web\ndone", of("other", fileRes("/etc/web", s))...) }
	second := func(s string) []resource.Resource {
		return of("web", fileRes("/etc/web", s), unitRes("web", "file:/etc/web"))
	}
	first("1")
	n.must("unchanged file:/etc/web\nchanged unit:web\ndone", second("1")...)
	n.must("unchanged file:/etc/web\nunchanged unit:web\ndone", second("1")...)
	first("2")
	n.must("unchanged file:/etc/web\nchanged unit:web\ndone", second("2")...)
	if !slices.Contains(n.sys.ran, "systemctl restart web.service") {
		t.Errorf("ran %q", n.sys.ran)
	}
}

// Behind a lost connection nobody waits: what is being changed comes to its end, and the next run
// need not wait for this one.
func TestNothingIsWaitedForWhereNobodyHears(t *testing.T) {
	n := newNode(t)
	deaf := make(chan struct{})
	n.Deaf = deaf
	lose := sync.OnceFunc(func() { close(deaf) })
	n.sys.onProbe = func(context.Context) error {
		if _, err := os.Stat(filepath.Join(n.Root, "etc/web")); err == nil { // the other service has had its turn
			lose()
		}
		return errors.New("connection refused")
	}
	got, err := n.apply(append(of("db", waitRes("db"), fileRes("/etc/behind", "x")), of("web", fileRes("/etc/web", "x"))...)...)
	if err == nil || !strings.HasSuffix(got, "failed wait:db") || n.read("etc/web") != "x" {
		t.Errorf("error %v; events\n%s", err, got)
	}
	if _, err := os.Stat(filepath.Join(n.Root, "etc/behind")); err == nil {
		t.Error("a resource behind the wait was applied")
	}
	n.Deaf, n.sys.onProbe = nil, nil
	if got, err := n.apply(of("db", waitRes("db"))...); err != nil || got != "unchanged wait:db\ndone" {
		t.Errorf("the next run: %v\n%s", err, got)
	}
}

// TestWhatOthersStandOnIsDoneFirst: a database that listens at an address starts when the
// machine has the address, wherever it stands in the document.
func TestWhatOthersStandOnIsDoneFirst(t *testing.T) {
	n := newNode(t)
	looks := 0
	n.sys.onProbe = func(context.Context) error {
		if _, err := os.Stat(filepath.Join(n.Root, "etc/db")); err == nil {
			t.Error("the other service did not wait")
		}
		if looks++; looks < 3 {
			return errors.New("connection refused")
		}
		return nil
	}
	rs := append(of("db", fileRes("/etc/db", "x")), of("network_config", waitRes("net"), fileRes("/etc/net", "x"))...)
	if got, err := n.apply(rs...); err != nil || !strings.HasSuffix(got, "unchanged wait:net\nchanged file:/etc/net\nchanged file:/etc/db\ndone") {
		t.Errorf("error %v; events\n%s", err, got)
	}

	n = newNode(t)
	n.sys.units["firewall.service"], n.sys.broken["firewall.service"] = "inactive", true
	if _, err := n.apply(append(of("db", fileRes("/etc/db", "x")), of("tripleo_firewall", unitRes("firewall"))...)...); err == nil {
		t.Error("no error")
	}
	if _, err := os.Stat(filepath.Join(n.Root, "etc/db")); err == nil {
		t.Error("what stands on it was applied though it failed")
	}
}

// TestAPackageThatLacksIsToldBeforeAnythingIsChanged: by whatever service, of those that
// others stand on too.
func TestAPackageThatLacksIsToldBeforeAnythingIsChanged(t *testing.T) {
	n := newNode(t)
	n.put("var/lib/dpkg/status", "Package: chrony\nStatus: install ok installed\nVersion: 4.3\n")
	lacks := of("web", resource.Resource{Type: "packages", Packages: &resource.Packages{Names: []string{"apache2"}}})
	rs := append(of("hosts", fileRes("/etc/net", "x")), append(of("db", fileRes("/etc/db", "x")), lacks...)...)
	got, err := n.apply(rs...)
	if err == nil || !strings.HasSuffix(got, "failed packages:web") {
		t.Errorf("error %v; events\n%s", err, got)
	}
	for _, name := range []string{"etc/net", "etc/db"} {
		if _, err := os.Stat(filepath.Join(n.Root, name)); err == nil {
			t.Errorf("%s was written", name)
		}
	}
}

// systemd reads its units again once a step, whatever of them several services bring.
func TestUnitsAreReadOnceAStep(t *testing.T) {
	n := newNode(t)
	n.sys.units["a.service"], n.sys.units["b.service"] = "inactive", "active"
	n.put("etc/systemd/system/b.service.d/of-before.conf", "[Service]\n")
	dropIn := func(unit string) resource.Resource {
		return fileRes("/etc/systemd/system/"+unit+".service.d/x.conf", "[Service]\n")
	}
	gone := resource.Resource{Type: "link", Link: &resource.Link{Path: "/etc/systemd/system/b.service.d/of-before.conf"}}
	rs := append(of("a", fileRes("/etc/a", "x"), dropIn("a"), unitRes("a", "file:/etc/a")), of("b", fileRes("/etc/b", "x"), gone, unitRes("b", "link:/etc/systemd/system/b.service.d/of-before.conf"))...)
	if got, err := n.apply(rs...); err != nil {
		t.Fatalf("%v\n%s", err, got)
	}
	reloads, last := 0, 0
	for i, line := range n.sys.ran {
		switch {
		case line == "systemctl daemon-reload":
			reloads, last = reloads+1, i
		case strings.HasPrefix(line, "systemctl start"), strings.HasPrefix(line, "systemctl restart"):
			if reloads != 1 || last > i {
				t.Errorf("%s before the units were read", line)
			}
		}
	}
	if reloads != 1 || !slices.Contains(n.sys.ran, "systemctl restart b.service") {
		t.Errorf("%d reloads; ran %q", reloads, n.sys.ran)
	}
	// A drop-in that goes, alone, is read, too.
	n.put("etc/systemd/system/b.service.d/of-before.conf", "[Service]\n")
	n.sys.ran = nil
	if got, err := n.apply(of("b", gone, unitRes("b", "link:/etc/systemd/system/b.service.d/of-before.conf"))...); err != nil || !slices.Contains(n.sys.ran, "systemctl daemon-reload") {
		t.Errorf("%v; ran %q\n%s", err, n.sys.ran, got)
	}
}

// A drop-in is written in a part of its own: a unit restarts for one that an earlier step
// wrote, all the same.
func TestAUnitRestartsForADropInOfAnEarlierStep(t *testing.T) {
	n := newNode(t)
	n.sys.units["web.service"] = "inactive"
	const dropIn = "/etc/systemd/system/web.service.d/x.conf"
	rs := func(text string) []resource.Resource {
		return of("web", fileRes(dropIn, text), unitRes("web", "file:"+dropIn))
	}
	n.must("changed file:"+dropIn+"\nchanged unit:web\ndone", rs("1")...)
	n.must("changed file:"+dropIn+"\ndone", of("other", fileRes(dropIn, "2"))...)
	n.sys.ran = nil
	n.must("unchanged file:"+dropIn+"\nchanged unit:web\ndone", rs("2")...)
	if !slices.Contains(n.sys.ran, "systemctl restart web.service") {
		t.Errorf("ran %q", n.sys.ran)
	}
}
