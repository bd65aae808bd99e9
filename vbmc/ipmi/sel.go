package ipmi

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"trefoil/vbmc/ipmi/selrec"
	"trefoil/vbmc/ipmi/wire"
)

// Completion codes of the commands that read and change records (5.2).
const (
	ccNoReservation = 0xc5 // cancelled or invalid
	ccOutOfRange    = 0xc9
	ccNoRecord      = 0xcb // no such sensor, data or record
	ccWrongRecord   = 0xcd // illegal for this sensor or record type
)

// selLog is the System Event Log.
type selLog struct {
	kept        selState
	reservation uint16
	dirty       bool        // not all is written
	flush       func() bool // stops the pending write; nil: there is none
	due         time.Time   // of it
}

// selState is what outlives a restart.
type selState struct {
	Log selrec.Log
	// Ahead is the SEL clock less the host's, in seconds. Setting the clock of a BMC
	// must not set the host's.
	Ahead     int64
	UTCOffset int16 // minutes; 07FFh: not set
	// On is the machine's power as it was last seen, so that a change while nobody
	// looked gets its entry: 0 not known, 1 off, 2 on.
	On byte
	// Away: the hypervisor is lost, and the log says so.
	Away bool
	// MachineCheck is the auxiliary log of that name; nil: it never had an entry.
	MachineCheck *auxLog
}

const (
	utcUnknown = 0x07ff
	// selDelay is how long a new entry may stay unwritten: a storm of events is one
	// write.
	selDelay = time.Second
)

// selCommands are the SEL commands of Storage (section 31).
func selCommands() map[uint16]command {
	return map[uint16]command{
		key(wire.Storage, 0x40): {name: "Get SEL Info", priv: privUser, run: selInfo},
		key(wire.Storage, 0x41): {name: "Get SEL Allocation Info", priv: privUser, run: selAllocation},
		key(wire.Storage, 0x42): {name: "Reserve SEL", priv: privUser, run: reserveSEL},
		key(wire.Storage, 0x43): {name: "Get SEL Entry", priv: privUser, min: 6, max: 6, run: getSELEntry},
		key(wire.Storage, 0x44): {name: "Add SEL Entry", priv: privOperator, min: 16, max: 16, once: true, run: addSELEntry},
		key(wire.Storage, 0x46): {name: "Delete SEL Entry", priv: privOperator, min: 4, max: 4, once: true, run: deleteSELEntry},
		key(wire.Storage, 0x47): {name: "Clear SEL", priv: privOperator, min: 6, max: 6, once: true, run: clearSEL},
		key(wire.Storage, 0x48): {name: "Get SEL Time", priv: privUser, run: getSELTime},
		key(wire.Storage, 0x49): {name: "Set SEL Time", priv: privOperator, min: 4, max: 4, once: true, run: setSELTime},
		key(wire.Storage, 0x5a): {name: "Get Auxiliary Log Status", priv: privUser, min: 1, max: 1, run: auxLogStatus},
		key(wire.Storage, 0x5b): {name: "Set Auxiliary Log Status", priv: privAdmin, min: 1, max: 17, run: setAuxLog},
		key(wire.Storage, 0x5c): {name: "Get SEL Time UTC Offset", priv: privUser, run: getUTCOffset},
		key(wire.Storage, 0x5d): {name: "Set SEL Time UTC Offset", priv: privOperator, min: 2, max: 2, run: setUTCOffset},
	}
}

func (b *BMC) loadSEL() error {
	s := selState{UTCOffset: utcUnknown}
	if _, err := b.recall("sel", &s); err != nil {
		return err
	}
	if !s.Log.Valid() {
		b.log.Error("stored event log is not readable and is left out")
		s.Log = selrec.Log{}
	}
	b.parts.sel.kept = s
	return nil
}

// closeSEL writes what is not stored yet. b.mu is not held.
func (b *BMC) closeSEL() {
	var stop func() bool
	var dirty bool
	b.locked(func() { stop, dirty = b.parts.sel.flush, b.parts.sel.dirty })
	if stop != nil {
		stop()
	}
	if dirty {
		b.writeSEL()
	}
}

// selChanged has the log written soon. b.mu is held.
func (b *BMC) selChanged() { b.selWithin(selDelay) }

// selWithin has the log written after d, if it is not before; that of a closed BMC is
// not written behind the back of whom it was closed for. b.mu is held.
func (b *BMC) selWithin(d time.Duration) {
	s := &b.parts.sel
	s.dirty = true
	due := b.now().Add(d)
	if b.closed || s.flush != nil && !due.Before(s.due) {
		return
	}
	if s.flush != nil {
		s.flush()
	}
	s.due, s.flush = due, b.after(d, b.writeSEL)
}

func (b *BMC) writeSEL() {
	b.keep("sel", func() any {
		b.parts.sel.flush, b.parts.sel.dirty = nil, false // what is added from now on needs another write
		return b.parts.sel.kept
	})
}

// selTime is the SEL clock. b.mu is held.
func (b *BMC) selTime() uint32 { return uint32(b.now().Unix() + b.parts.sel.kept.Ahead) }

// record adds an event to the log: sensor type and number, event/reading type with
// the direction in bit 7, event data. b.mu is not held.
func (b *BMC) record(sensorType, number, eventType byte, data [3]byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.note(sensorType, number, eventType, data)
}

// note is record with b.mu held.
func (b *BMC) note(sensorType, number, eventType byte, data [3]byte) {
	b.addEvent(selrec.Event{Generator: bmcAddress, SensorType: sensorType, Sensor: number, EventType: eventType, Data: data})
}

// addEvent is called with b.mu held.
func (b *BMC) addEvent(e selrec.Event) { b.addRecord(e.Record) }

// addRecord adds the record that is made with the SEL's time. The host's log has its
// text, under the id that it got. b.mu is held.
func (b *BMC) addRecord(record func(now uint32) selrec.Record) (id uint16) {
	now := b.selTime()
	r := record(now)
	id = b.parts.sel.kept.Log.Add(r, now)
	b.selChanged()
	b.log.Info(r.Text(), "sel", id)
	return id
}

// Events returns the log, oldest first.
func (b *BMC) Events() []selrec.Record {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := &b.parts.sel.kept.Log
	all := make([]selrec.Record, l.Len())
	for i := range all {
		all[i] = l.At(i)
	}
	return all
}

// Logged is a record of the log with its time by the host's clock, which the SEL's may
// differ from; zero for records that have none.
type Logged struct {
	At     time.Time
	Record selrec.Record
}

// EventLog is Events with the host's times.
func (b *BMC) EventLog() []Logged {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.parts.sel.kept.logged()
}

// StoredEventLog is the EventLog of a BMC that does not run.
func StoredEventLog(store Store) ([]Logged, error) {
	var s selState
	raw, err := store.Load("sel")
	if err != nil || raw == nil {
		return nil, err
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, fmt.Errorf("read the stored event log: %w", err)
	}
	if !s.Log.Valid() {
		return nil, errors.New("the stored event log is not readable")
	}
	return s.logged(), nil
}

func (s *selState) logged() []Logged {
	all := make([]Logged, s.Log.Len())
	for i := range all {
		r := s.Log.At(i)
		all[i].Record = r
		if r.Type() < selrec.TypeOEM {
			all[i].At = time.Unix(int64(r.Stamp())-s.Ahead, 0)
		}
	}
	return all
}

// stampOrNone is a time in an answer; FFFFFFFFh says that there is none.
func stampOrNone(b []byte, t uint32) []byte {
	if t == 0 {
		t = 0xffffffff
	}
	return binary.LittleEndian.AppendUint32(b, t)
}

// measureForLog has the log tell of this moment: what sensors would say if they were
// read now. While they cannot be, the log is what it is. b.mu is not held.
func (b *BMC) measureForLog() { _, _ = b.measure() }

// selInfo (31.2): version, entries, free bytes, times; delete, reserve and
// allocation info are there, partial add is not.
func selInfo(b *BMC, _ request) (byte, []byte) {
	b.measureForLog()
	b.mu.Lock()
	defer b.mu.Unlock()
	l := &b.parts.sel.kept.Log
	d := []byte{0x51}
	d = binary.LittleEndian.AppendUint16(d, uint16(l.Len()))
	d = binary.LittleEndian.AppendUint16(d, uint16((selrec.Capacity-l.Len())*selrec.Size))
	d = stampOrNone(d, l.Added)
	d = stampOrNone(d, l.Erased)
	support := byte(0x0b)
	if l.Overflow {
		support |= 0x80
	}
	return ccOK, append(d, support)
}

// selAllocation (31.3): units of one record.
func selAllocation(b *BMC, _ request) (byte, []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	free := uint16(selrec.Capacity - b.parts.sel.kept.Log.Len())
	var d []byte
	for _, v := range []uint16{selrec.Capacity, selrec.Size, free, free} {
		d = binary.LittleEndian.AppendUint16(d, v)
	}
	return ccOK, append(d, 1)
}

// reserveSEL (31.4). An added record cancels nothing: ids stay what they are.
func reserveSEL(b *BMC, _ request) (byte, []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := nextReservation(b.parts.sel.reservation)
	b.parts.sel.reservation = n
	return ccOK, binary.LittleEndian.AppendUint16(nil, n)
}

// nextReservation never is 0, which stands for none.
func nextReservation(n uint16) uint16 {
	if n++; n == 0 {
		n = 1
	}
	return n
}

// reserved reports whether a request holds the reservation; 0 is nobody's.
func reserved(request []byte, reservation uint16) bool {
	return reservation != 0 && binary.LittleEndian.Uint16(request) == reservation
}

// slice returns count bytes from offset, fewer at the end (FFh: all).
func slice(record []byte, offset, count byte) ([]byte, bool) {
	if int(offset) >= len(record) {
		return nil, false
	}
	rest := record[offset:]
	return rest[:min(int(count), len(rest))], true
}

// getSELEntry (31.5): only a read from the middle needs a reservation.
func getSELEntry(b *BMC, r request) (byte, []byte) {
	b.measureForLog()
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &b.parts.sel
	if r.data[4] != 0 && !reserved(r.data, s.reservation) {
		return ccNoReservation, nil
	}
	place, ok := s.kept.Log.Find(binary.LittleEndian.Uint16(r.data[2:]))
	if !ok {
		return ccNoRecord, nil
	}
	record := s.kept.Log.At(place)
	part, ok := slice(record[:], r.data[4], r.data[5])
	if !ok {
		return ccOutOfRange, nil
	}
	return ccOK, append(binary.LittleEndian.AppendUint16(nil, s.kept.Log.Next(place)), part...)
}

// addSELEntry (31.6): records with a time get it from the BMC.
func addSELEntry(b *BMC, r request) (byte, []byte) {
	record := selrec.Record(r.data)
	if t := record.Type(); t != selrec.TypeSystemEvent && t < selrec.TypeOEMStamped {
		return ccDataInvalid, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	id := b.addRecord(func(now uint32) selrec.Record {
		if record.Type() < selrec.TypeOEM {
			binary.LittleEndian.PutUint32(record[3:], now)
		}
		return record
	})
	return ccOK, binary.LittleEndian.AppendUint16(nil, id)
}

// deleteSELEntry (31.8).
func deleteSELEntry(b *BMC, r request) (byte, []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &b.parts.sel
	if !reserved(r.data, s.reservation) {
		return ccNoReservation, nil
	}
	place, ok := s.kept.Log.Find(binary.LittleEndian.Uint16(r.data[2:]))
	if !ok {
		return ccNoRecord, nil
	}
	id := s.kept.Log.At(place).ID()
	s.kept.Log.Delete(place, b.selTime())
	s.reservation = nextReservation(s.reservation)
	b.selChanged()
	return ccOK, binary.LittleEndian.AppendUint16(nil, id)
}

// clearSEL (31.9) is done at once, so asking for the state says completed. The
// cleared log begins with the entry that says who did not lose it by accident.
func clearSEL(b *BMC, r request) (byte, []byte) {
	const start, status, completed = 0xaa, 0x00, 0x01
	if string(r.data[2:5]) != "CLR" || r.data[5] != start && r.data[5] != status {
		return ccDataInvalid, nil
	}
	clears, cc := r.data[5] == start, byte(ccOK)
	b.locked(func() {
		switch s := &b.parts.sel; {
		case !reserved(r.data, s.reservation):
			cc = ccNoReservation
		case clears:
			s.kept.Log.Clear(b.selTime())
		}
	})
	switch {
	case cc != ccOK:
		return cc, nil
	case !clears:
		return ccOK, []byte{completed}
	}
	b.record(typeSEL, sensorSEL, readingSpecific, [3]byte{selCleared, 0xff, 0xff})
	return ccOK, []byte{completed}
}

func getSELTime(b *BMC, _ request) (byte, []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return ccOK, binary.LittleEndian.AppendUint32(nil, b.selTime())
}

// setSELTime (31.11) keeps the difference to the host's clock.
func setSELTime(b *BMC, r request) (byte, []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.parts.sel.kept.Ahead = int64(binary.LittleEndian.Uint32(r.data)) - b.now().Unix()
	b.selChanged()
	return ccOK, nil
}

func getUTCOffset(b *BMC, _ request) (byte, []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return ccOK, binary.LittleEndian.AppendUint16(nil, uint16(b.parts.sel.kept.UTCOffset))
}

// setUTCOffset (31.11b): minutes from -1440 to 1440, or not known.
func setUTCOffset(b *BMC, r request) (byte, []byte) {
	n := int16(binary.LittleEndian.Uint16(r.data))
	if n != utcUnknown && (n < -1440 || n > 1440) {
		return ccDataInvalid, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.parts.sel.kept.UTCOffset = n
	b.selChanged()
	return ccOK, nil
}
