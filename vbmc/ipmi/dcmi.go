package ipmi

import (
	"encoding/binary"
	"math"
	"time"

	"trefoil/vbmc/ipmi/model"
	"trefoil/vbmc/ipmi/selrec"
	"trefoil/vbmc/ipmi/wire"
)

// dcmiState is the power limit, the asset tag and the management controller's name.
type dcmiState struct {
	Limit  *powerLimit // nil: none was set
	Active bool
	Tag    []byte
	ID     []byte // nil: the default

	over time.Time // since when the power is over the limit
	told bool
}

// powerLimit is a limit that is watched; a virtual machine is not slowed down.
type powerLimit struct {
	Action     byte
	Watts      uint16
	Correction uint32 // ms that the power may be over it
	Period     uint16 // s of sampling
}

// powerStats sum the power up since the BMC began.
type powerStats struct {
	first    time.Time
	span     time.Duration
	joules   float64
	min, max float64
}

// add takes the mean power since the sample before.
func (p *powerStats) add(watts float64, before, now time.Time) {
	if p.first.IsZero() {
		p.first, p.min, p.max = now, watts, watts
		return
	}
	p.min, p.max = min(p.min, watts), max(p.max, watts)
	if d := now.Sub(before); d > 0 {
		p.span += d
		p.joules += watts * d.Seconds()
	}
}

func (p *powerStats) mean(current float64) float64 {
	if p.span <= 0 {
		return current
	}
	return p.joules / p.span.Seconds()
}

const (
	dcmiGroup  = 0xdc
	dcmiMaxTag = 63
	dcmiMaxID  = 63 // and a zero
	dcmiPiece  = 16
	// ccNoLimit, ccLimitRange are of the power limit commands (DCMI 6.6.2, 6.6.3).
	ccNoLimit    = 0x80
	ccLimitRange = 0x84
)

// dcmiCommands are the commands of DCMI 1.5 (group extension DCh).
func dcmiCommands() map[uint16]command {
	return map[uint16]command{
		key(wire.Group, 0x01): {name: "Get DCMI Capabilities Info", priv: privUser, min: 2, max: 2, run: dcmi(dcmiCapabilities)},
		key(wire.Group, 0x02): {name: "Get Power Reading", priv: privUser, min: 4, max: 4, run: dcmi(powerReading)},
		key(wire.Group, 0x03): {name: "Get Power Limit", priv: privUser, min: 3, max: 3, run: dcmi(getPowerLimit)},
		key(wire.Group, 0x04): {name: "Set Power Limit", priv: privOperator, min: 15, max: 15, waits: true, run: dcmi(setPowerLimit)},
		key(wire.Group, 0x05): {name: "Activate Power Limit", priv: privOperator, min: 4, max: 4, waits: true, run: dcmi(activatePowerLimit)},
		key(wire.Group, 0x06): {name: "Get Asset Tag", priv: privUser, min: 3, max: 3, run: dcmi(getAssetTag)},
		key(wire.Group, 0x07): {name: "Get DCMI Sensor Info", priv: privUser, min: 5, max: 5, run: dcmi(dcmiSensors)},
		key(wire.Group, 0x08): {name: "Set Asset Tag", priv: privOperator, min: 3, max: 19, waits: true, run: dcmi(setAssetTag)},
		key(wire.Group, 0x09): {name: "Get Controller Id String", priv: privUser, min: 3, max: 3, run: dcmi(getControllerID)},
		key(wire.Group, 0x0a): {name: "Set Controller Id String", priv: privOperator, min: 4, max: 19, waits: true, run: dcmi(setControllerID)},
	}
}

// dcmi takes the group off the request and puts it before the answer. Another group's
// command is none of ours.
func dcmi(f func(b *BMC, d []byte) (byte, []byte)) func(*BMC, request) (byte, []byte) {
	return func(b *BMC, r request) (byte, []byte) {
		if r.data[0] != dcmiGroup {
			return ccInvalid, nil
		}
		cc, data := f(b, r.data[1:])
		return cc, append([]byte{dcmiGroup}, data...)
	}
}

func (b *BMC) loadDCMI() error {
	d := &b.parts.dcmi
	_, err := b.recall("dcmi", d)
	d.Tag = d.Tag[:min(len(d.Tag), dcmiMaxTag)]
	d.ID = d.ID[:min(len(d.ID), dcmiMaxID)]
	return err
}

// changeDCMI changes and stores the state. b.mu is not held.
func (b *BMC) changeDCMI(f func(*dcmiState)) {
	b.locked(func() { f(&b.parts.dcmi) })
	b.keep("dcmi", func() any { return b.parts.dcmi })
}

// dcmiCapabilities (6.1.1): power management; a log that rolls over; asset tag and
// GUID; the one LAN channel; no averages over fixed times.
func dcmiCapabilities(_ *BMC, d []byte) (byte, []byte) {
	const rollOver, oldestOnly = 0x8000, 0x1000 // a full log drops its oldest record
	answer := []byte{0x01, 0x05, 0x02}          // DCMI 1.5, parameter revision 2
	switch d[0] {
	case 1:
		return ccOK, append(answer, 0, 0x01, 0)
	case 2:
		answer = binary.LittleEndian.AppendUint16(answer, rollOver|oldestOnly|selrec.Capacity)
		return ccOK, append(answer, 0x05, 0x02, 10) // asset tag and GUID; processor temperature, every 10 s
	case 3:
		return ccOK, append(answer, bmcAddress, 0)
	case 4:
		return ccOK, append(answer, lanChannel, 0xff, 0xff)
	case 5:
		return ccOK, append(answer, 0)
	}
	return ccDataInvalid, nil
}

func watts(w float64) uint16 { return uint16(math.Round(max(0, min(w, math.MaxUint16)))) }

// powerReading (6.6.1): now, least, most and mean since the BMC began.
func powerReading(b *BMC, d []byte) (byte, []byte) {
	const statistics, measuring = 0x01, 0x40
	if d[0] != statistics {
		return ccDataInvalid, nil
	}
	s, err := b.measure()
	if err != nil {
		return b.code("Get Power Reading", err), nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	p := &b.parts.sensors.power
	var a []byte
	for _, w := range []float64{s.Watts, p.min, p.max, p.mean(s.Watts)} {
		a = binary.LittleEndian.AppendUint16(a, watts(w))
	}
	a = binary.LittleEndian.AppendUint32(a, b.selTime())
	a = binary.LittleEndian.AppendUint32(a, uint32(min(p.span.Milliseconds(), math.MaxUint32)))
	return ccOK, append(a, measuring)
}

// getPowerLimit (6.6.2) tells a limit that is set but not active with code 80h.
func getPowerLimit(b *BMC, _ []byte) (byte, []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l, cc := b.parts.dcmi.Limit, byte(ccNoLimit)
	if l == nil {
		l = &powerLimit{}
	} else if b.parts.dcmi.Active {
		cc = ccOK
	}
	a := binary.LittleEndian.AppendUint16([]byte{0, 0, l.Action}, l.Watts)
	a = binary.LittleEndian.AppendUint32(a, l.Correction)
	return cc, binary.LittleEndian.AppendUint16(append(a, 0, 0), l.Period)
}

// The exception actions that are there: nothing, and an entry in the log. Switching
// a machine off because a model says so would be no service.
const (
	limitNothing = 0x00
	limitLog     = 0x11
)

// setPowerLimit (6.6.3).
func setPowerLimit(b *BMC, d []byte) (byte, []byte) {
	l := powerLimit{
		Action: d[3], Watts: binary.LittleEndian.Uint16(d[4:]),
		Correction: binary.LittleEndian.Uint32(d[6:]), Period: binary.LittleEndian.Uint16(d[12:]),
	}
	switch {
	case l.Action != limitNothing && l.Action != limitLog:
		return ccDataInvalid, nil
	case l.Watts == 0:
		return ccLimitRange, nil
	}
	b.changeDCMI(func(s *dcmiState) { s.Limit = &l })
	return ccOK, nil
}

// activatePowerLimit (6.6.4).
func activatePowerLimit(b *BMC, d []byte) (byte, []byte) {
	var none bool
	b.locked(func() { none = b.parts.dcmi.Limit == nil })
	switch {
	case d[0] > 1:
		return ccDataInvalid, nil
	case none:
		return ccNoLimit, nil
	}
	b.changeDCMI(func(s *dcmiState) { s.Active = d[0] == 1 })
	return ccOK, nil
}

// limitCrossing tells that the power is over the limit for longer than it may, and
// that it is under it again. b.mu is held.
func (b *BMC) limitCrossing(s model.Sample) []entry {
	const exceeded, digital = 0x01, 0x05 // limit exceeded, of the digital event type
	d := &b.parts.dcmi
	watched := d.Active && d.Limit != nil && d.Limit.Action == limitLog
	if !watched || s.Watts <= float64(d.Limit.Watts) {
		was := d.told
		d.over, d.told = time.Time{}, false
		if watched && was {
			return []entry{{typeOtherUnits, sensorWatts, digital | deasserted, [3]byte{exceeded, 0xff, 0xff}}}
		}
		return nil
	}
	if d.over.IsZero() {
		d.over = b.now()
	}
	if d.told || b.now().Sub(d.over) < time.Duration(d.Limit.Correction)*time.Millisecond {
		return nil
	}
	d.told = true
	return []entry{{typeOtherUnits, sensorWatts, digital, [3]byte{exceeded, 0xff, 0xff}}}
}

// text answers a read of a text: its whole length and a piece of at most 16 bytes.
func text(all, d []byte) (byte, []byte) {
	if d[1] > dcmiPiece {
		return ccOutOfRange, nil
	}
	from := min(int(d[0]), len(all))
	return ccOK, append([]byte{byte(len(all))}, all[from:min(from+int(d[1]), len(all))]...)
}

// spliced is a text after a write at an offset, which also ends it.
func spliced(old, d []byte, limit int) ([]byte, byte) {
	at, n := int(d[0]), int(d[1])
	switch {
	case n != len(d)-2:
		return nil, ccLength
	case n > dcmiPiece || at+n > limit:
		return nil, ccOutOfRange
	}
	next := make([]byte, at, at+n)
	copy(next, old)
	return append(next, d[2:]...), ccOK
}

// getAssetTag (6.4.2).
func getAssetTag(b *BMC, d []byte) (byte, []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return text(b.parts.dcmi.Tag, d)
}

// setAssetTag (6.4.3) answers with the whole length after the write.
func setAssetTag(b *BMC, d []byte) (byte, []byte) {
	var tag []byte
	cc := byte(ccOK)
	b.changeDCMI(func(s *dcmiState) {
		if tag, cc = spliced(s.Tag, d, dcmiMaxTag); cc == ccOK {
			s.Tag = tag
		}
	})
	if cc != ccOK {
		return cc, nil
	}
	return ccOK, []byte{byte(len(tag))}
}

// dcmiSensors (6.5.2): the one temperature there is, under both of its entity ids.
func dcmiSensors(_ *BMC, d []byte) (byte, []byte) {
	const processor, dcmiProcessor = 0x03, 0x41
	known := map[byte]bool{0x37: true, 0x40: true, processor: true, dcmiProcessor: true, 0x07: true, 0x42: true}
	switch {
	case d[0] != typeTemperature || !known[d[1]]:
		return ccDataInvalid, nil
	case d[1] != processor && d[1] != dcmiProcessor:
		return ccOK, []byte{0, 0}
	case d[2] > 1 || d[3] > 1:
		return ccOK, []byte{1, 0}
	}
	id, _ := sensorRecord(sensorTemperature)
	return ccOK, binary.LittleEndian.AppendUint16([]byte{1, 1}, id)
}

// controllerID is the name with its closing zero. b.mu is held.
func (b *BMC) controllerID() []byte {
	id := b.parts.dcmi.ID
	if id == nil {
		id = append([]byte("DCMI "), b.name...)
		id = id[:min(len(id), dcmiMaxID)]
	}
	return append(append([]byte(nil), id...), 0)
}

// getControllerID (6.4.6).
func getControllerID(b *BMC, d []byte) (byte, []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return text(b.controllerID(), d)
}

// setControllerID (6.4.7) is complete with the piece that ends in a zero; it is stored
// without it.
func setControllerID(b *BMC, d []byte) (byte, []byte) {
	var id []byte
	cc := byte(ccOK)
	b.changeDCMI(func(s *dcmiState) {
		if id, cc = spliced(s.ID, d, dcmiMaxID+1); cc != ccOK {
			return
		}
		s.ID = id
		if n := len(id); n > 0 && id[n-1] == 0 {
			s.ID = id[:n-1]
		}
	})
	if cc != ccOK {
		return cc, nil
	}
	return ccOK, []byte{byte(len(id))}
}
