// Package selrec is the System Event Log of IPMI 2.0 (sections 31 and 32) as data:
// records and the ring that holds them. It has no clock, no lock and no disk.
package selrec

import "encoding/binary"

// Size is the length of a record.
const Size = 16

// Record types (section 32).
const (
	TypeSystemEvent = 0x02
	TypeOEMStamped  = 0xc0 // to DFh: OEM with time stamp
	TypeOEM         = 0xe0 // to FFh: OEM without
)

// typeSessionAudit is the sensor type of logins (table 42-3); from auditRefused on its
// offsets are refusals.
const (
	typeSessionAudit = 0x2a
	auditRefused     = 0x02
)

// Capacity is how many records a Log holds.
const Capacity = 512

// Logins and refusals have bounds of their own: a client that asks for the power every
// minute must not push out what happened to the machine, and one that guesses passwords
// neither that nor who was let in.
const (
	loginCapacity   = 64 // logins and logouts
	refusalCapacity = 32
)

// class is what a record's bound is for.
type class byte

const (
	machine class = iota // all that is no login
	logins
	refusals
)

// Record is one SEL record, in the order of its bytes on the wire.
type Record [Size]byte

// Event is the content of a system event record (32.1).
type Event struct {
	Generator  uint16 // slave address or software id, LUN and channel
	SensorType byte
	Sensor     byte
	EventType  byte // bit 7: deassertion
	Data       [3]byte
}

// Record makes a system event record; the Log gives it its id.
func (e Event) Record(stamp uint32) Record {
	var r Record
	r[2] = TypeSystemEvent
	binary.LittleEndian.PutUint32(r[3:], stamp)
	binary.LittleEndian.PutUint16(r[7:], e.Generator)
	copy(r[9:], []byte{0x04, e.SensorType, e.Sensor, e.EventType}) // event message format of IPMI 2.0
	copy(r[13:], e.Data[:])
	return r
}

// ID is the record's id.
func (r Record) ID() uint16 { return binary.LittleEndian.Uint16(r[:]) }

// Type is the record type.
func (r Record) Type() byte { return r[2] }

// Stamp is the time of records that have one.
func (r Record) Stamp() uint32 { return binary.LittleEndian.Uint32(r[3:]) }

// Event is the content of a system event record.
func (r Record) Event() Event {
	return Event{
		Generator: binary.LittleEndian.Uint16(r[7:]), SensorType: r[10], Sensor: r[11], EventType: r[12],
		Data: [3]byte(r[13:16]),
	}
}

func (r Record) class() class {
	switch {
	case r[2] != TypeSystemEvent || r[10] != typeSessionAudit:
		return machine
	case r[13]&0x0f >= auditRefused:
		return refusals
	}
	return logins
}

// Log is a ring: a full one drops its oldest record. Its fields are exported to be
// stored; change them by the methods only.
type Log struct {
	Raw      []byte // records, oldest first
	Last     uint16 // the newest record's id
	Added    uint32 // time of the latest addition; 0: none
	Erased   uint32 // time of the latest deletion or clear; 0: none
	Overflow bool   // records were dropped since the log was cleared
}

// Len is the number of records.
func (l *Log) Len() int { return len(l.Raw) / Size }

// At returns the nth record, oldest first.
func (l *Log) At(n int) Record { return Record(l.Raw[n*Size:]) }

// Find returns the place of a record; 0000h is the first and FFFFh the last (31.5).
func (l *Log) Find(id uint16) (place int, ok bool) {
	switch {
	case l.Len() == 0:
		return 0, false
	case id == 0:
		return 0, true
	case id == 0xffff:
		return l.Len() - 1, true
	}
	for i := range l.Len() {
		if l.At(i).ID() == id {
			return i, true
		}
	}
	return 0, false
}

// Next is the id of the record after a place, FFFFh after the last.
func (l *Log) Next(place int) uint16 {
	if place+1 >= l.Len() {
		return 0xffff
	}
	return l.At(place + 1).ID()
}

// Add appends a record, gives it an id and returns that.
func (l *Log) Add(r Record, now uint32) uint16 {
	l.makeRoom(r.class())
	l.Last++
	if l.Last == 0xffff || l.Last == 0 { // both have a meaning of their own in requests
		l.Last = 1
	}
	binary.LittleEndian.PutUint16(r[:], l.Last)
	l.Raw = append(l.Raw, r[:]...)
	l.Added = now
	return l.Last
}

// makeRoom drops a record where there are enough of its class. Old logins are meant to
// go: only records that went for want of space are an overflow.
func (l *Log) makeRoom(c class) {
	if limit := [...]int{machine: Capacity, logins: loginCapacity, refusals: refusalCapacity}[c]; limit < Capacity {
		first, n := 0, 0
		for i := l.Len() - 1; i >= 0; i-- {
			if l.At(i).class() == c {
				first = i
				n++
			}
		}
		if n >= limit {
			l.cut(first)
		}
	}
	for l.Len() >= Capacity {
		l.cut(0)
		l.Overflow = true
	}
}

func (l *Log) cut(place int) {
	l.Raw = append(l.Raw[:place*Size], l.Raw[(place+1)*Size:]...)
}

// Delete removes the record at a place.
func (l *Log) Delete(place int, now uint32) {
	l.cut(place)
	l.Erased = now
}

// Clear removes all records; ids begin anew.
func (l *Log) Clear(now uint32) { *l = Log{Added: l.Added, Erased: now} }

// Valid reports whether a stored log can be used.
func (l *Log) Valid() bool { return len(l.Raw)%Size == 0 && l.Len() <= Capacity }
