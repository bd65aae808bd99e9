package selrec

import (
	"bytes"
	"testing"
)

func TestRecordBytes(t *testing.T) {
	e := Event{Generator: 0x20, SensorType: 0x09, Sensor: 1, EventType: 0x6f, Data: [3]byte{0, 0xff, 0xff}}
	r := e.Record(0x11223344)
	want := []byte{0, 0, 2, 0x44, 0x33, 0x22, 0x11, 0x20, 0, 4, 9, 1, 0x6f, 0, 0xff, 0xff}
	if !bytes.Equal(r[:], want) {
		t.Errorf("record % x, want % x", r[:], want)
	}
	if r.Event() != e || r.Stamp() != 0x11223344 || r.Type() != TypeSystemEvent {
		t.Errorf("read back %+v", r.Event())
	}
}

func power(n int) Record { return Event{SensorType: 9, Data: [3]byte{byte(n)}}.Record(uint32(n)) }
func login() Record      { return Event{SensorType: typeSessionAudit}.Record(1) }
func refusal() Record    { return Event{SensorType: typeSessionAudit, Data: [3]byte{0xf2}}.Record(1) }

func TestRingDropsTheOldest(t *testing.T) {
	var l Log
	for i := range Capacity + 3 {
		if id := l.Add(power(i), uint32(i)); int(id) != i+1 {
			t.Fatalf("id %d of record %d", id, i)
		}
	}
	if l.Len() != Capacity || !l.Overflow || l.At(0).ID() != 4 || l.Added != Capacity+2 {
		t.Errorf("%d records, overflow %v, first %d, added %d", l.Len(), l.Overflow, l.At(0).ID(), l.Added)
	}
}

// TestLoginsDoNotPushOutEvents: power events stay however many logins come.
func TestLoginsDoNotPushOutEvents(t *testing.T) {
	var l Log
	l.Add(power(7), 1)
	for range 5000 {
		l.Add(login(), 2)
	}
	if l.Len() != 1+loginCapacity || l.At(0).Event().SensorType != 9 || l.Overflow {
		t.Errorf("%d records, first %+v, overflow %v", l.Len(), l.At(0).Event(), l.Overflow)
	}
	if got := l.At(l.Len() - 1).ID(); got != 5001 {
		t.Errorf("last id %d", got)
	}
}

// TestRefusalsDoNotPushOutLogins: nor what happened to the machine.
func TestRefusalsDoNotPushOutLogins(t *testing.T) {
	var l Log
	l.Add(power(7), 1)
	l.Add(login(), 2)
	for range 5000 {
		l.Add(refusal(), 3)
	}
	if l.Len() != 2+refusalCapacity || l.At(0).class() != machine || l.At(1).class() != logins || l.Overflow {
		t.Errorf("%d records, classes %d %d, overflow %v", l.Len(), l.At(0).class(), l.At(1).class(), l.Overflow)
	}
}

func TestIDsSkipWhatHasAMeaning(t *testing.T) {
	l := Log{Last: 0xfffd}
	if a, b := l.Add(power(1), 1), l.Add(power(2), 1); a != 0xfffe || b != 1 {
		t.Errorf("ids %#x %#x", a, b)
	}
}

func TestFind(t *testing.T) {
	var l Log
	if _, ok := l.Find(0); ok {
		t.Error("found in an empty log")
	}
	for i := range 4 {
		l.Add(power(i), 1)
	}
	l.Delete(1, 9) // id 2
	for id, want := range map[uint16]int{0: 0, 1: 0, 3: 1, 4: 2, 0xffff: 2, 2: -1, 5: -1} {
		place, ok := l.Find(id)
		if ok != (want >= 0) || ok && place != want {
			t.Errorf("id %d at %d %v, want %d", id, place, ok, want)
		}
	}
	if l.Next(0) != 3 || l.Next(2) != 0xffff || l.Erased != 9 {
		t.Errorf("next %d %#x, erased %d", l.Next(0), l.Next(2), l.Erased)
	}
	l.Clear(12)
	if l.Len() != 0 || l.Erased != 12 || l.Add(power(1), 1) != 1 {
		t.Errorf("after clear: %+v", l)
	}
}

func TestText(t *testing.T) {
	for want, r := range map[string]Record{
		"Power Unit #1: power off":                                         Event{SensorType: 0x09, Sensor: 1, EventType: 0x6f, Data: [3]byte{0, 0xff, 0xff}}.Record(1),
		"Power Unit #1: power off: over":                                   Event{SensorType: 0x09, Sensor: 1, EventType: 0xef, Data: [3]byte{0, 0xff, 0xff}}.Record(1),
		"System Event #8: boot from CD asked for by the user, persistent":  Event{Generator: 0x20, SensorType: 0x12, Sensor: 8, EventType: 0x6f, Data: [3]byte{0xa1, 0x14, 0xc0}}.Record(1),
		"System Event #8: boot from disk asked for by the user, next boot": Event{Generator: 0x20, SensorType: 0x12, Sensor: 8, EventType: 0x6f, Data: [3]byte{0xa1, 0x08, 0xa0}}.Record(1),
		"System Event #9: OEM boot event":                                  Event{Generator: 0x41, SensorType: 0x12, Sensor: 9, EventType: 0x6f, Data: [3]byte{0xa1, 0x14, 0xc0}}.Record(1),
		"Watchdog #2: hard reset":                                          Event{SensorType: 0x23, Sensor: 2, EventType: 0x6f, Data: [3]byte{0xc1, 0x24, 0xff}}.Record(1),
		"Watchdog #2: event type 6fh, data 05 ff ff":                       Event{SensorType: 0x23, Sensor: 2, EventType: 0x6f, Data: [3]byte{5, 0xff, 0xff}}.Record(1),
		"Temperature #16: upper critical, going high":                      Event{SensorType: 1, Sensor: 16, EventType: 1, Data: [3]byte{0x59, 90, 80}}.Record(1),
		"Sensor type c0h #9: event type 03h, data 01 02 03":                Event{SensorType: 0xc0, Sensor: 9, EventType: 3, Data: [3]byte{1, 2, 3}}.Record(1),
		"OEM record, type e0h: 61 62 63 00 00 00 00 00 00 00 00 00 00":     {2: 0xe0, 3: 'a', 4: 'b', 5: 'c'},
	} {
		if got := r.Text(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
