package apply

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"trefoil/overcloud/resource"
)

// A web server that loads when its deployer gives up goes on loading when it comes again.
func TestWhatWasStartedBeforeTheRunFailedIsNotStartedAnew(t *testing.T) {
	n := newNode(t)
	n.sys.units["web.service"] = "inactive"
	rs := func(content string) []resource.Resource {
		return append(of("web", fileRes("/etc/web.conf", content), unitRes("web", "file:/etc/web.conf")), of("web", waitRes("web"))...)
	}
	giveUp := func(content string) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		n.sys.probe = func(resource.Wait) error { cancel(); return errors.New("loads still") }
		if _, err := n.Apply(ctx, &resource.Document{Step: 3, Resources: rs(content)}); err == nil || !n.Pending(3) {
			t.Fatalf("the run was not cut where the test wants it: %v", err)
		}
	}
	ran := func() []string {
		out := slices.DeleteFunc(slices.Clone(n.sys.ran), func(c string) bool { return !strings.Contains(c, "start ") })
		n.sys.ran = nil
		return out
	}
	giveUp("a")
	if got := ran(); !slices.Equal(got, []string{"systemctl start web.service"}) {
		t.Errorf("the first run: %q", got)
	}
	giveUp("a")
	if got := ran(); len(got) > 0 {
		t.Errorf("the same again: %q", got)
	}
	giveUp("b")
	if got := ran(); !slices.Equal(got, []string{"systemctl restart web.service"}) {
		t.Errorf("another file: %q", got)
	}
	n.put("etc/web.conf", "edited")
	giveUp("b")
	if got := ran(); !slices.Equal(got, []string{"systemctl restart web.service"}) {
		t.Errorf("a file edited by hand and put right: %q", got)
	}
	n.sys.probe = func(resource.Wait) error { return nil }
	if _, err := n.Apply(t.Context(), &resource.Document{Step: 3, Resources: rs("b")}); err != nil || n.Pending(3) {
		t.Errorf("the last run: %v", err)
	}
	if got := ran(); len(got) > 0 {
		t.Errorf("the last run: %q", got)
	}
}

func TestAJournalOfAnEarlierVersionRestartsAsBefore(t *testing.T) {
	n := newNode(t)
	n.sys.units["web.service"] = "active"
	n.put("etc/web.conf", "a")
	n.put("var/lib/os-apply-config/pending-3.json", `["file:/etc/web.conf","unit:web"]`)
	if _, err := n.Apply(t.Context(), &resource.Document{Step: 3, Resources: of("web", fileRes("/etc/web.conf", "a"), unitRes("web", "file:/etc/web.conf"))}); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(n.sys.ran, "systemctl restart web.service") {
		t.Errorf("ran %q", n.sys.ran)
	}
}
