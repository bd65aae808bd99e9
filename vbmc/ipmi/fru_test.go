package ipmi

import (
	"bytes"
	"testing"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/domain/fake"
	"trefoil/vbmc/ipmi/wire"
)

// readAll reads the inventory in pieces of n bytes.
func readAll(t *testing.T, c *client, n byte) []byte {
	t.Helper()
	var all []byte
	for len(all) < fruSize {
		cc, d := c.call(wire.Storage, 0x11, 0, byte(len(all)), byte(len(all)>>8), n)
		if cc != ccOK || len(d) < 2 || int(d[0]) != len(d)-1 {
			t.Fatalf("at %d: %#x % x", len(all), cc, d)
		}
		all = append(all, d[1:]...)
	}
	return all
}

func TestFRU(t *testing.T) {
	store, m := NewMemStore(), fake.New([16]byte{0x12, 0x34})
	m.SetUsage(domain.Usage{VCPUs: 3, MemoryMax: 2 << 30})
	r, _ := storedRig(t, m, store)
	c := admin(t, r)
	cc, d := c.call(wire.Storage, 0x10, 0)
	want(t, "info", cc, d, ccOK, 0, 4, 0)
	cc, d = c.call(wire.Storage, 0x10, 1)
	want(t, "another device", cc, d, ccNoRecord)
	whole := readAll(t, c, 16)
	for _, text := range []string{"12340000-0000-0000-0000-000000000000", "Name: node1", "Processors: 3", "Memory: 2048 MiB"} {
		if !bytes.Contains(whole, []byte(text)) {
			t.Errorf("inventory lacks %q", text)
		}
	}
	if !bytes.Equal(readAll(t, c, 255), whole) {
		t.Error("long reads give something else")
	}
	cc, d = c.call(wire.Storage, 0x11, 0, 0xfe, 3, 255)
	want(t, "what is left", cc, d, ccOK, 2, 0, 0)
	cc, d = c.call(wire.Storage, 0x11, 0, 0, 4, 1)
	want(t, "beyond the end", cc, d, ccOutOfRange)
	cc, d = c.call(wire.Storage, 0x12, 0, 0xff, 3, 7, 8)
	want(t, "write over the end", cc, d, ccOutOfRange)
	cc, d = c.call(wire.Storage, 0x12, 0, 0xfe, 3, 7, 8)
	want(t, "write", cc, d, ccOK, 2)
	r, _ = storedRig(t, m, store) // after a restart
	c = admin(t, r)
	copy(whole[fruSize-2:], []byte{7, 8})
	if !bytes.Equal(readAll(t, c, 255), whole) {
		t.Error("what was written is not read after a restart")
	}
}
