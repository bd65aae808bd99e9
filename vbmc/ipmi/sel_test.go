package ipmi

import (
	"bytes"
	"testing"
	"time"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/domain/fake"
	"trefoil/vbmc/ipmi/wire"
)

// storedRig is a BMC with a store and timers that wait to be fired.
func storedRig(t *testing.T, m domain.Machine, store Store) (*rig, *[]func()) {
	t.Helper()
	r := &rig{now: time.Unix(1e9, 0)}
	var timers []func()
	b, err := New(Config{
		Machine: m, Username: "admin", Password: "secret", Store: store, Name: "node1",
		Now: func() time.Time { return r.now }, AcceptAfter: time.Hour,
		After: func(_ time.Duration, f func()) func() bool {
			timers = append(timers, f)
			return func() bool { return true }
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.BMC = b
	return r, &timers
}

// events are the log's records as sensor type, number, event type and first data byte.
func events(b *BMC) [][4]byte {
	var all [][4]byte
	for _, r := range b.Events() {
		e := r.Event()
		all = append(all, [4]byte{e.SensorType, e.Sensor, e.EventType, e.Data[0]})
	}
	return all
}

func wantEvents(t *testing.T, b *BMC, want ...[4]byte) {
	t.Helper()
	got := events(b)
	if len(got) != len(want) {
		t.Fatalf("events % x, want % x", got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("event %d is % x, want % x", i, got[i], want[i])
		}
	}
}

func TestMachineEventsAreLogged(t *testing.T) {
	on := [][4]byte{{0x09, 1, 0xef, 0}, {0x22, 7, 0x6f, 0}}
	off := [][4]byte{{0x09, 1, 0x6f, 0}, {0x22, 7, 0x6f, 5}}
	lost, back := [4]byte{0x28, 5, 0x6f, 1}, [4]byte{0x28, 5, 0xef, 1}
	for name, tc := range map[string]struct {
		in   []domain.Event
		want [][4]byte
	}{
		"start":            {[]domain.Event{{Kind: domain.Started, On: true}}, append(on[:2:2], [4]byte{0x1d, 3, 0x6f, 0})},
		"stop":             {[]domain.Event{{Kind: domain.Stopped}}, off},
		"guest shuts down": {[]domain.Event{{Kind: domain.ShutDown}}, off},
		"crash":            {[]domain.Event{{Kind: domain.Crashed}}, append([][4]byte{{0x09, 1, 0x6f, 6}}, off...)},
		"guest reboots":    {[]domain.Event{{Kind: domain.Rebooted, On: true}}, [][4]byte{{0x1d, 3, 0x6f, 6}}},
		"our reset":        {[]domain.Event{{Kind: domain.Rebooted, On: true, Ours: true}}, [][4]byte{{0x1d, 3, 0x6f, 1}}},
		"first connect":    {[]domain.Event{{Kind: domain.Back, On: true}, {Kind: domain.Back, On: true}}, nil},
		"hypervisor away":  {[]domain.Event{{Kind: domain.Lost}, {Kind: domain.Lost}, {Kind: domain.Back}}, [][4]byte{lost, back}},
		"stopped while the hypervisor was away": {
			[]domain.Event{{Kind: domain.Back, On: true}, {Kind: domain.Lost}, {Kind: domain.Back, On: false}},
			append([][4]byte{lost, back}, off...),
		},
		"undefined": {[]domain.Event{{Kind: domain.Gone}}, [][4]byte{{0x28, 5, 0x6f, 0}}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			for _, e := range tc.in {
				r.selEvent(e)
			}
			wantEvents(t, r.BMC, tc.want...)
		})
	}
}

func TestReadSEL(t *testing.T) {
	r := newRig(t)
	c := admin(t, r)
	call := func(what string, cc byte, data []byte, cmd byte, in ...byte) {
		t.Helper()
		gotCC, got := c.call(wire.Storage, cmd, in...)
		want(t, what, gotCC, got, cc, data...)
	}
	call("info of an empty log", ccOK, []byte{0x51, 0, 0, 0, 0x20, 255, 255, 255, 255, 255, 255, 255, 255, 0x0b}, 0x40)
	call("first of an empty log", ccNoRecord, nil, 0x43, 0, 0, 0, 0, 0, 0xff)
	r.record(0x09, 1, 0x6f, [3]byte{0, 0xff, 0xff})
	r.record(0x22, 7, 0x6f, [3]byte{5, 0xff, 0xff})
	one := []byte{1, 0, 2, 0, 0xca, 0x9a, 0x3b, 0x20, 0, 4, 9, 1, 0x6f, 0, 0xff, 0xff}
	call("info", ccOK, []byte{0x51, 2, 0, 0xe0, 0x1f, 0, 0xca, 0x9a, 0x3b, 255, 255, 255, 255, 0x0b}, 0x40)
	call("allocation", ccOK, []byte{0, 2, 16, 0, 0xfe, 1, 0xfe, 1, 1}, 0x41)
	call("first", ccOK, append([]byte{2, 0}, one...), 0x43, 0, 0, 0, 0, 0, 0xff)
	call("last", ccOK, []byte{0xff, 0xff, 2, 0, 2}, 0x43, 0, 0, 0xff, 0xff, 0, 3)
	call("no such record", ccNoRecord, nil, 0x43, 0, 0, 3, 0, 0, 0xff)
	call("from the middle without reservation", ccNoReservation, nil, 0x43, 0, 0, 1, 0, 7, 2)
	call("reserve", ccOK, []byte{1, 0}, 0x42)
	call("from the middle", ccOK, []byte{2, 0, 0x20, 0}, 0x43, 1, 0, 1, 0, 7, 2)
	call("beyond the end", ccOutOfRange, nil, 0x43, 1, 0, 1, 0, 16, 2)
	call("delete with a wrong reservation", ccNoReservation, nil, 0x46, 9, 0, 1, 0)
	call("delete", ccOK, []byte{1, 0}, 0x46, 1, 0, 1, 0)
	call("reservation is used up", ccNoReservation, nil, 0x46, 1, 0, 2, 0)
	call("clear without reservation", ccNoReservation, nil, 0x47, 1, 0, 'C', 'L', 'R', 0xaa)
	call("reserve", ccOK, []byte{3, 0}, 0x42)
	call("clear misspelt", ccDataInvalid, nil, 0x47, 3, 0, 'C', 'L', 'S', 0xaa)
	call("clear state", ccOK, []byte{1}, 0x47, 3, 0, 'C', 'L', 'R', 0)
	call("clear", ccOK, []byte{1}, 0x47, 3, 0, 'C', 'L', 'R', 0xaa)
	wantEvents(t, r.BMC, [4]byte{0x10, 6, 0x6f, 2})
}

func TestSELTime(t *testing.T) {
	r := newRig(t)
	c := admin(t, r)
	cc, d := c.call(wire.Storage, 0x48)
	want(t, "host's time", cc, d, ccOK, 0, 0xca, 0x9a, 0x3b)
	c.call(wire.Storage, 0x49, 0x10, 0, 0, 0x40)
	r.now = r.now.Add(2 * time.Second)
	cc, d = c.call(wire.Storage, 0x48)
	want(t, "after it was set", cc, d, ccOK, 0x12, 0, 0, 0x40)
	cc, d = c.call(wire.Storage, 0x5c)
	want(t, "UTC offset not set", cc, d, ccOK, 0xff, 0x07)
	cc, _ = c.call(wire.Storage, 0x5d, 0xc4, 0xff) // -60
	want(t, "set UTC offset", cc, nil, ccOK)
	cc, d = c.call(wire.Storage, 0x5c)
	want(t, "UTC offset", cc, d, ccOK, 0xc4, 0xff)
	cc, d = c.call(wire.Storage, 0x5d, 0xa1, 0x05) // 1441
	want(t, "UTC offset of more than a day", cc, d, ccDataInvalid)
}

func TestAddedRecords(t *testing.T) {
	r := newRig(t)
	c := admin(t, r)
	add := func(kind byte) []byte {
		d := []byte{9, 9, kind}
		return append(d, bytes.Repeat([]byte{0x77}, 13)...)
	}
	for kind, stamped := range map[byte]bool{0x02: true, 0xc0: true, 0xe0: false} {
		cc, d := c.call(wire.Storage, 0x44, add(kind)...)
		want(t, "add", cc, d, ccOK, byte(len(r.Events())), 0)
		last := r.Events()[len(r.Events())-1]
		if got := last.Stamp() == 1e9; got != stamped || last.Type() != kind {
			t.Errorf("kind %#x: time %d, type %#x", kind, last.Stamp(), last.Type())
		}
	}
	cc, d := c.call(wire.Storage, 0x44, add(0x03)...)
	want(t, "record type that is none", cc, d, ccDataInvalid)
}

func TestPlatformEvent(t *testing.T) {
	r := newRig(t)
	c := admin(t, r)
	cc, d := c.call(wire.Sensor, 2, 4, 1, 0x30, 1, 0x59, 0xff, 0x03)
	want(t, "event", cc, d, ccOK)
	cc, d = c.call(wire.Sensor, 2, 0x41, 4, 1, 0x31, 1, 0x59, 0xff, 0x03)
	want(t, "event with its generator", cc, d, ccOK)
	cc, d = c.call(wire.Sensor, 2, 4, 1, 0x32, 0x6f, 2)
	want(t, "event with one data byte", cc, d, ccOK)
	cc, d = c.call(wire.Sensor, 2, 5, 1, 0x32, 0x6f, 2)
	want(t, "message format that is none", cc, d, ccDataInvalid)
	var got [][]byte
	for _, e := range r.Events() {
		got = append(got, e[7:])
	}
	for i, w := range [][]byte{{0x81, 0, 4, 1, 0x30, 1, 0x59, 0xff, 3}, {0x41, 0, 4, 1, 0x31, 1, 0x59, 0xff, 3}, {0x81, 0, 4, 1, 0x32, 0x6f, 2, 0xff, 0xff}} {
		if i >= len(got) || !bytes.Equal(got[i], w) {
			t.Errorf("record %d: % x, want % x", i, got, w)
		}
	}
	cc, d = c.call(wire.Sensor, 1)
	want(t, "event receiver", cc, d, ccOK, 0x20, 0)
	cc, d = c.call(wire.Sensor, 0, 0x22, 0)
	want(t, "another event receiver", cc, d, ccDataInvalid)
}

// TestLogOutlivesRestart: a storm of events is one write, and Close writes the rest.
func TestLogOutlivesRestart(t *testing.T) {
	store, m := NewMemStore(), fake.New([16]byte{1})
	r, timers := storedRig(t, m, store)
	for range 10 {
		r.record(0x09, 1, 0x6f, [3]byte{0})
	}
	if len(*timers) != 1 {
		t.Fatalf("%d writes are due, want 1", len(*timers))
	}
	(*timers)[0]()
	r.record(0x1d, 3, 0x6f, [3]byte{3})
	r.Close()
	again, _ := storedRig(t, m, store)
	got := events(again.BMC)
	if len(got) != 11 || got[10] != [4]byte{0x1d, 3, 0x6f, 3} {
		t.Errorf("after a restart: % x", got)
	}
	if err := store.Save("sel", []byte(`{"Log":{"Raw":"AAAA"}}`)); err != nil {
		t.Fatal(err)
	}
	if again, _ = storedRig(t, m, store); len(again.Events()) != 0 {
		t.Error("a damaged log is used")
	}
}

// TestEventLogHasTheHostsTimes: a client may set the SEL's clock as it likes.
func TestEventLogHasTheHostsTimes(t *testing.T) {
	store := NewMemStore()
	r, timers := storedRig(t, fake.New([16]byte{1}), store)
	c := admin(t, r)
	if got, err := StoredEventLog(NewMemStore()); got != nil || err != nil {
		t.Errorf("of nothing stored: %v %v", got, err)
	}
	if cc, _ := c.call(wire.Storage, 0x49, 0, 0, 0, 1); cc != ccOK { // Set SEL Time, long ago
		t.Fatal(cc)
	}
	r.record(0x09, 1, 0x6f, [3]byte{0, 0xff, 0xff})
	cc, _ := c.call(wire.Storage, 0x44, 0, 0, 0xe0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13)
	if cc != ccOK {
		t.Fatal(cc)
	}
	for _, fire := range *timers {
		fire()
	}
	stored, err := StoredEventLog(store)
	if err != nil {
		t.Fatal(err)
	}
	for where, log := range map[string][]Logged{"running": r.EventLog(), "stored": stored} {
		n := len(log)
		if n < 2 || !log[n-2].At.Equal(time.Unix(1e9, 0)) || !log[n-1].At.IsZero() || log[n-1].Record.Type() != 0xe0 {
			t.Errorf("%s: %+v", where, log)
		}
	}
	if err := store.Save("sel", []byte(`{"Log":{"Raw":"AA=="}}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := StoredEventLog(store); err == nil {
		t.Error("half a record was read")
	}
}
