package sqlite

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"trefoil/ironic"
)

// What is kept between writes is what the file has: who writes, and who is told of it, reads it.
func TestRecentRowsAreThoseOfTheFile(t *testing.T) {
	d := open1(t, filepath.Join(t.TempDir(), "state.db"))
	n := &ironic.Node{UUID: "u", Name: "n", ProvisionState: "available"}
	if err := d.CreateNode(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		for _, ident := range []string{"u", "n", "u"} { // the second of u is kept
			got, err := d.Node(t.Context(), ident)
			if err != nil || got.LastError != strings.Repeat("x", i) {
				t.Fatalf("%s after %d writes: %+v, %v", ident, i, got, err)
			}
			got.LastError, got.Name = "the caller's own business", "other"
		}
		if _, err := d.UpdateNode(t.Context(), "u", func(n *ironic.Node) error { n.LastError += "x"; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok, _ := d.recent.get("u"); ok {
		t.Error("a row outlives a write")
	}
	_, _ = d.Node(t.Context(), "u")
	if _, ok, _ := d.recent.get("u"); !ok {
		t.Error("a row is not kept until the next write")
	}
	if err := d.DeleteNode(t.Context(), "u"); err != nil {
		t.Fatal(err)
	}
	if got, err := d.Node(t.Context(), "u"); err == nil {
		t.Errorf("a node that is gone: %+v", got)
	}
}

// A row that was read before or during a write is not what is there after it.
func TestRecentRowsOfBeforeAWriteAreNotKept(t *testing.T) {
	c := recent{rows: map[string]nodeRecord{}}
	_, _, before := c.get("u")
	done := c.write()
	_, _, during := c.get("u")
	c.put("u", nodeRecord{doc: "during"}, during)
	done()
	c.put("u", nodeRecord{doc: "before"}, before)
	c.put("u", nodeRecord{doc: "during"}, during)
	if row, ok, _ := c.get("u"); ok {
		t.Errorf("%q is kept", row.doc)
	}
	_, _, after := c.get("u")
	c.put("u", nodeRecord{doc: strings.Repeat("x", recentBytes+1)}, after)
	if len(c.rows) != 0 {
		t.Error("a row of any size is kept")
	}
	for i := range recentRows + 10 {
		c.put(fmt.Sprint(i), nodeRecord{}, after)
	}
	if len(c.rows) > recentRows {
		t.Errorf("%d rows are kept", len(c.rows))
	}
}

// Readers that go on all the time never see a node go back.
func TestReadersSeeNodesGrowOlderOnly(t *testing.T) {
	d := open1(t, filepath.Join(t.TempDir(), "state.db"))
	if err := d.CreateNode(t.Context(), &ironic.Node{UUID: "u"}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	end := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for last := int64(0); ; {
				select {
				case <-end:
					return
				default:
				}
				list, err := d.Nodes(t.Context(), ironic.NodeFilter{}) // which is read from the file
				if err != nil || len(list) != 1 || list[0].Version < last {
					t.Errorf("%v, %v: expected version %d or more", list, err, last)
					return
				}
				one, err := d.Node(t.Context(), "u")
				if err != nil || one.Version < list[0].Version {
					t.Errorf("%+v, %v: the list had version %d", one, err, list[0].Version)
					return
				}
				last = one.Version
			}
		})
	}
	for range 200 {
		if _, err := d.UpdateNode(t.Context(), "u", func(*ironic.Node) error { return nil }); err != nil {
			t.Error(err)
			break
		}
	}
	close(end)
	wg.Wait()
}
