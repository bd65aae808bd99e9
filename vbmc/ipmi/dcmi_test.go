package ipmi

import (
	"testing"
	"time"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/domain/fake"
	"trefoil/vbmc/ipmi/wire"
)

func TestDCMICapabilities(t *testing.T) {
	r := newRig(t)
	c := admin(t, r)
	for p, data := range map[byte][]byte{1: {0, 1, 0}, 2: {0, 0x92, 5, 2, 10}, 3: {0x20, 0}, 4: {1, 0xff, 0xff}, 5: {0}} {
		cc, d := c.call(wire.Group, 1, 0xdc, p)
		want(t, "capabilities", cc, d, ccOK, append([]byte{0xdc, 1, 5, 2}, data...)...)
	}
	cc, d := c.call(wire.Group, 1, 0xdc, 6)
	want(t, "parameter that is none", cc, d, ccDataInvalid, 0xdc)
	cc, d = c.call(wire.Group, 1, 0x00, 1)
	want(t, "another group", cc, d, ccInvalid)
}

func TestPowerReading(t *testing.T) {
	r, c := meterRig(t)
	ask := func(what string, now, least, most, mean byte, ms uint16) {
		t.Helper()
		cc, d := c.call(wire.Group, 2, 0xdc, 1, 0, 0)
		stamp := uint32(r.now.Unix())
		want(t, what, cc, d, ccOK, 0xdc, now, 0, least, 0, most, 0, mean, 0,
			byte(stamp), byte(stamp>>8), byte(stamp>>16), byte(stamp>>24), byte(ms), byte(ms>>8), 0, 0, 0x40)
	}
	r.work(t, 1)
	ask("first", 72, 72, 72, 72, 0)
	r.work(t, 4)
	ask("full load", 108, 72, 108, 108, 10000)
	r.work(t, 0)
	ask("idle", 60, 60, 108, 84, 20000)
	cc, d := c.call(wire.Group, 2, 0xdc, 2, 1, 0)
	want(t, "averages over fixed times", cc, d, ccDataInvalid, 0xdc)
	r.m.Fail(domain.ErrUnavailable)
	cc, d = c.call(wire.Group, 2, 0xdc, 1, 0, 0)
	want(t, "hypervisor is away", cc, d, ccBusy, 0xdc)
}

func TestPowerLimit(t *testing.T) {
	r, c := meterRig(t)
	call := func(what string, cmd byte, in []byte, cc byte, data ...byte) {
		t.Helper()
		gotCC, got := c.call(wire.Group, cmd, append([]byte{0xdc}, in...)...)
		want(t, what, gotCC, got, cc, append([]byte{0xdc}, data...)...)
	}
	limit := func(action, watts byte) []byte {
		return []byte{0, 0, 0, action, watts, 0, 0x88, 0x13, 0, 0, 0, 0, 7, 0}
	} // 5000 ms
	call("none is set", 3, []byte{0, 0}, ccNoLimit, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	call("activate none", 5, []byte{1, 0, 0}, ccNoLimit)
	call("power off as its action", 4, limit(1, 80), ccDataInvalid)
	call("limit of nothing", 4, limit(0x11, 0), ccLimitRange)
	call("set", 4, limit(0x11, 80), ccOK)
	call("set, not active", 3, []byte{0, 0}, ccNoLimit, 0, 0, 0x11, 80, 0, 0x88, 0x13, 0, 0, 0, 0, 7, 0)
	call("activate", 5, []byte{1, 0, 0}, ccOK)
	call("active", 3, []byte{0, 0}, ccOK, 0, 0, 0x11, 80, 0, 0x88, 0x13, 0, 0, 0, 0, 7, 0)
	r.parts.sel.kept.Log.Clear(0)
	look := func(busy int) { r.work(t, busy); c.call(wire.Sensor, 0x2d, sensorWatts) }
	look(4)
	wantEvents(t, r.BMC) // for less than the correction time
	look(4)
	look(4)
	wantEvents(t, r.BMC, [4]byte{0x0b, 0x12, 0x05, 1})
	look(0)
	wantEvents(t, r.BMC, [4]byte{0x0b, 0x12, 0x05, 1}, [4]byte{0x0b, 0x12, 0x85, 1})
}

func TestAssetTagAndControllerID(t *testing.T) {
	store, m := NewMemStore(), fake.New([16]byte{1})
	r, _ := storedRig(t, m, store)
	c := admin(t, r)
	call := func(what string, cmd byte, in string, cc byte, data string) {
		t.Helper()
		gotCC, got := c.call(wire.Group, cmd, append([]byte{0xdc}, in...)...)
		want(t, what, gotCC, got, cc, append([]byte{0xdc}, data...)...)
	}
	call("no tag", 6, "\x00\x10", ccOK, "\x00")
	call("first piece", 8, "\x00\x10rack 12, unit 4 ", ccOK, "\x10")
	call("second piece", 8, "\x10\x05row B", ccOK, "\x15")
	call("piece of another length", 8, "\x00\x04row", ccLength, "")
	call("too long", 8, "\x3e\x02ab", ccOutOfRange, "")
	call("too much asked", 6, "\x00\x11", ccOutOfRange, "")
	call("default name", 9, "\x00\x10", ccOK, "\x0bDCMI node1\x00")
	call("set name", 10, "\x00\x06bmc-7\x00", ccOK, "\x06")
	r, _ = storedRig(t, m, store) // after a restart
	c = admin(t, r)
	call("end of the tag", 6, "\x0e\x10", ccOK, "\x15"+"4 row B")
	call("name", 9, "\x00\x10", ccOK, "\x06bmc-7\x00")
	call("shorter tag", 8, "\x00\x02A1", ccOK, "\x02")
	call("shorter tag", 6, "\x00\x10", ccOK, "\x02A1")
}

func TestDCMISensors(t *testing.T) {
	r := newRig(t)
	c := admin(t, r)
	for name, tc := range map[string]struct {
		in   []byte
		cc   byte
		data []byte
	}{
		"processor":                   {[]byte{1, 0x41, 0, 1}, ccOK, []byte{1, 1, 3, 0}},
		"processor by IPMI's number":  {[]byte{1, 3, 1, 0}, ccOK, []byte{1, 1, 3, 0}},
		"after the last":              {[]byte{1, 3, 0, 2}, ccOK, []byte{1, 0}},
		"inlet":                       {[]byte{1, 0x40, 0, 1}, ccOK, []byte{0, 0}},
		"entity that is none of DCMI": {[]byte{1, 0x99, 0, 1}, ccDataInvalid, nil},
		"sensor type without DCMI":    {[]byte{2, 0x41, 0, 1}, ccDataInvalid, nil},
	} {
		cc, d := c.call(wire.Group, 7, append([]byte{0xdc}, tc.in...)...)
		want(t, name, cc, d, tc.cc, append([]byte{0xdc}, tc.data...)...)
	}
}

// FuzzRecordCommands runs the commands of these groups with any data their length
// allows; call would hide a fault, so the rows are run directly.
func FuzzRecordCommands(f *testing.F) {
	f.Add(uint16(key(wire.Storage, 0x43)), []byte{0, 0, 0, 0, 5, 0xff})
	f.Add(uint16(key(wire.Group, 0x08)), []byte("\xdc\x10\x05row B"))
	f.Add(uint16(key(wire.Sensor, 0x28)), []byte{0x10, 0xd0, 1, 2, 3, 4})
	f.Add(uint16(key(wire.Storage, 0x12)), []byte{0, 0xff, 3, 7})
	m := fake.New([16]byte{1})
	b, err := New(Config{Machine: m, Username: "a", Password: "b", After: func(time.Duration, func()) func() bool { return func() bool { return true } }})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, k uint16, data []byte) {
		for _, group := range []map[uint16]command{eventCommands(), sensorCommands(), sdrCommands(), selCommands(), fruCommands(), dcmiCommands()} {
			row, ok := group[k]
			if !ok || len(data) < row.min || len(data) > row.max {
				continue
			}
			cc, d := row.run(b, request{data: data})
			if len(d) > 140 {
				t.Errorf("%s: answer of %d bytes", row.name, len(d))
			}
			if cc != ccOK && cc != ccNoLimit && len(d) > 1 {
				t.Errorf("%s: code %#x with data % x", row.name, cc, d)
			}
		}
	})
}
