package conductor_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/conductor"
)

// meddled is a store in which somebody else writes while rules run.
type meddled struct {
	ironic.Store
	beside  func() // called behind each read of an inventory, if it is set
	written atomic.Int32
}

func (m *meddled) Inventory(ctx context.Context, uuid string) (*ironic.Inventory, error) {
	inv, err := m.Store.Inventory(ctx, uuid)
	if m.beside != nil {
		m.beside()
	}
	return inv, err
}

func (m *meddled) UpdateInspected(ctx context.Context, uuid string, change func(*ironic.Node, []*ironic.Port, *ironic.Inventory) error) (*ironic.Node, error) {
	m.written.Add(1)
	return m.Store.UpdateInspected(ctx, uuid, change)
}

// meddle makes a world with an inspected node.
func meddle(t *testing.T) (*world, *meddled, string) {
	t.Helper()
	m := &meddled{}
	w := newWorld(t, func(c *conductor.Config) { m.Store = c.Store; c.Store = m })
	n := w.node("manageable")
	w.provision("inspect")
	w.await("manageable")
	m.written.Store(0)
	return w, m, n.UUID
}

// What rules made of a node that somebody wrote meanwhile would take that back: they run again.
func TestRulesRunAgainWhereTheNodeChanged(t *testing.T) {
	for what, write := range map[string]func(w *world) error{
		"node": func(w *world) error {
			_, err := w.db.UpdateNode(t.Context(), "00000000-0000-4000-8000-000000000001", func(n *ironic.Node) error { n.Description = "beside"; return nil })
			return err
		},
		"port": func(w *world) error {
			_, err := w.db.UpdatePort(t.Context(), "p1", func(p *ironic.Port) error { p.Description = "beside"; return nil })
			return err
		},
	} {
		w, m, id := meddle(t)
		w.rule(ironic.RuleIronic, "count", 0, nil, ops{nativeOp("extend-attribute", "/extra/seen", "once"), nativeOp("log", "said once"),
			nativeOp("set-port-attribute", mac, "/physical_network", "ctlplane")})
		times := 0
		m.beside = func() { // Reprocess reads the inventory itself before
			if times++; times == 2 || times == 3 {
				if err := write(w); err != nil {
					t.Error(err)
				}
			}
		}
		if err := w.c.Reprocess(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		m.beside = nil
		n := w.await("manageable")
		p, err := w.db.Port(t.Context(), mac)
		if seen, _ := n.Extra["seen"].([]any); len(seen) != 1 || n.Description+p.Description != "beside" || err != nil || p.PhysicalNetwork != "ctlplane" || times != 4 {
			t.Errorf("%s: %v, %q %q, %s, read %d times, %v", what, n.Extra, n.Description, p.Description, p.PhysicalNetwork, times, err)
		}
		if h := w.history(); strings.Count(h, "said once") != 1 {
			t.Errorf("%s: history:\n%s", what, h)
		}
	}
}

// Nobody else writes while a transaction lasts: rules run before it, and one that fails needs none.
func TestRulesRunInNoTransaction(t *testing.T) {
	w, m, id := meddle(t)
	w.rule(ironic.RuleIronic, "never", 0, nil, ops{nativeOp("fail", "no")})
	if err := w.c.Reprocess(t.Context(), id); !errs.Is(err, errs.Invalid) || m.written.Load() != 0 {
		t.Errorf("%v, %d transactions", err, m.written.Load())
	}
	m.beside = func() {
		if _, err := w.db.UpdateNode(t.Context(), id, func(n *ironic.Node) error { return nil }); err != nil {
			t.Error(err)
		}
	}
	if err := w.db.DeleteInspectionRules(t.Context(), ironic.RuleIronic); err != nil {
		t.Fatal(err)
	}
	if err := w.c.Reprocess(t.Context(), id); !errs.Is(err, errs.Unavailable) || !strings.Contains(err.Error(), "changed each of the") {
		t.Errorf("of a node that never rests: %v", err)
	}
}

// Anybody on the provisioning network may send words of megabytes.
func TestWordsOfARamdiskAreKeptShortened(t *testing.T) {
	w := newWorld(t, nil)
	n := w.node("manageable")
	w.script[n.UUID] = "dead"
	w.provision("inspect")
	w.await("inspect wait")
	long := strings.Replace(inventory, `"error": null`, `"error": "no disk `+strings.Repeat("x", 1_900_000)+`"`, 1)
	if _, err := w.c.ContinueInspection(t.Context(), []byte(long)); err != nil {
		t.Fatal(err)
	}
	if n := w.await("inspect failed"); !strings.Contains(n.LastError, "the ramdisk reported: no disk xxx") || len(n.LastError) > 5000 {
		t.Errorf("%d bytes: %.200s", len(n.LastError), n.LastError)
	}
	entries, err := w.db.History(t.Context(), n.UUID)
	for _, e := range entries {
		if len(e.Event) > 5000 {
			t.Errorf("a line of history has %d bytes: %.100s", len(e.Event), e.Event)
		}
	}
	if err != nil || len(entries) == 0 {
		t.Error(err, len(entries))
	}
}
