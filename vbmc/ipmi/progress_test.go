package ipmi

import (
	"testing"

	"trefoil/vbmc/ipmi/wire"
)

// TestSetInProgressEnds: a client that claimed the parameters and died, or forgot, keeps
// no other out.
func TestSetInProgressEnds(t *testing.T) {
	type register struct {
		fn   wire.NetFn
		cmd  byte
		data []byte // of the write but for the value
		get  []byte
	}
	registers := map[string]register{
		"LAN":          {wire.Transport, 0x01, []byte{1, 0}, []byte{1, 0, 0, 0}},
		"SOL":          {wire.Transport, 0x21, []byte{1, 0}, []byte{1, 0, 0, 0}},
		"system info":  {wire.App, 0x58, []byte{0}, []byte{0, 0, 0, 0}},
		"boot options": {wire.Chassis, 0x08, []byte{0}, []byte{0, 0, 0}},
	}
	for end, tc := range map[string]struct {
		happens func(*testing.T, *rig, *client)
		cc      byte
	}{
		"nothing happens": {func(*testing.T, *rig, *client) {}, ccSetInProgress},
		"its time":        {func(_ *testing.T, r *rig, _ *client) { r.now = r.now.Add(progressTime) }, ccOK},
		"nearly its time": {func(_ *testing.T, r *rig, _ *client) { r.now = r.now.Add(progressTime - 1) }, ccSetInProgress},
		"its session": {func(t *testing.T, _ *rig, c *client) {
			id := c.ex.ManagedID
			c.call(wire.App, 0x3c, byte(id), byte(id>>8), byte(id>>16), byte(id>>24))
		}, ccOK},
		"reset of the machine": {func(_ *testing.T, r *rig, _ *client) { r.m.Reboot() }, ccOK},
		"end of the machine":   {func(_ *testing.T, r *rig, _ *client) { r.m.StopByOther() }, ccOK},
		"reset of the BMC":     {func(_ *testing.T, _ *rig, c *client) { c.call(wire.App, 0x02) }, ccOK},
	} {
		for name, g := range registers {
			t.Run(end+" "+name, func(t *testing.T) {
				r := newRig(t)
				first := admin(t, r)
				first.call(wire.Chassis, 2, 1)
				set := append(append([]byte{}, g.data...), 1)
				if cc, _ := first.call(g.fn, g.cmd, set...); cc != ccOK {
					t.Fatalf("set in progress: %#x", cc)
				}
				tc.happens(t, r, first)
				second := admin(t, r)
				_, d := second.call(g.fn, g.cmd+1, g.get...)
				if got := d[len(d)-1]; (got == 1) != (tc.cc != ccOK) {
					t.Errorf("reads as %d", got)
				}
				if cc, _ := second.call(g.fn, g.cmd, set...); cc != tc.cc {
					t.Errorf("set by another: %#x, want %#x", cc, tc.cc)
				}
			})
		}
	}
}
