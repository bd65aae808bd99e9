package ipmi

import (
	"encoding/binary"

	"trefoil/vbmc/ipmi/sdrec"
	"trefoil/vbmc/ipmi/selrec"
	"trefoil/vbmc/ipmi/wire"
)

// sensorCommands are the sensor commands of Sensor/Event (section 35). Device SDRs
// (20h to 22h) are not there: the BMC has a repository.
func sensorCommands() map[uint16]command {
	return map[uint16]command{
		key(wire.Sensor, 0x23): {name: "Get Sensor Reading Factors", priv: privUser, min: 2, max: 2, run: readingFactors},
		key(wire.Sensor, 0x24): {name: "Set Sensor Hysteresis", priv: privOperator, min: 4, max: 4, waits: true, run: setHysteresis},
		key(wire.Sensor, 0x25): {name: "Get Sensor Hysteresis", priv: privUser, min: 2, max: 2, run: getHysteresis},
		key(wire.Sensor, 0x26): {name: "Set Sensor Thresholds", priv: privOperator, min: 8, max: 8, waits: true, run: setThresholds},
		key(wire.Sensor, 0x27): {name: "Get Sensor Thresholds", priv: privUser, min: 1, max: 1, run: getThresholds},
		key(wire.Sensor, 0x28): {name: "Set Sensor Event Enable", priv: privOperator, min: 2, max: 6, waits: true, run: setEventEnable},
		key(wire.Sensor, 0x29): {name: "Get Sensor Event Enable", priv: privUser, min: 1, max: 1, run: getEventEnable},
		key(wire.Sensor, 0x2a): {name: "Re-arm Sensor Events", priv: privOperator, min: 2, max: 6, run: rearm},
		key(wire.Sensor, 0x2b): {name: "Get Sensor Event Status", priv: privUser, min: 1, max: 1, run: eventStatus},
		key(wire.Sensor, 0x2d): {name: "Get Sensor Reading", priv: privUser, min: 1, max: 1, run: sensorReading},
		key(wire.Sensor, 0x2f): {name: "Get Sensor Type", priv: privUser, min: 1, max: 1, run: sensorType},
	}
}

// Flags of a reading (35.14).
const (
	eventsOn    = 0x80
	scanningOn  = 0x40
	unavailable = 0x20
)

func (set sensorSettings) flags() byte {
	f := byte(eventsOn | scanningOn)
	if set.NoEvents {
		f &^= eventsOn
	}
	if set.NoScanning {
		f = f&^scanningOn | unavailable
	}
	return f
}

// analogOf finds the sensor of a request that only sensors with readings have.
func analogOf(r request) (sdrec.Analog, byte) {
	a, ok := findAnalog(r.data[0])
	if ok {
		return a, ccOK
	}
	if _, ok := findDiscrete(r.data[0]); ok {
		return a, ccWrongRecord
	}
	return a, ccNoRecord
}

// sensorReading (35.14).
func sensorReading(b *BMC, r request) (byte, []byte) {
	a, ok := findAnalog(r.data[0])
	if !ok {
		return discreteReading(b, r.data[0])
	}
	sample, err := b.measure()
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &b.parts.sensors
	flags := s.settings(a).flags()
	raw, ok := reading(a, sample)
	if err != nil || !ok {
		flags |= unavailable
	}
	if flags&unavailable != 0 {
		return ccOK, []byte{0, flags, 0xc0}
	}
	return ccOK, []byte{raw, flags, 0xc0 | s.state[a.Number]}
}

// discreteReading answers from memory.
func discreteReading(b *BMC, number byte) (byte, []byte) {
	if _, ok := findDiscrete(number); !ok {
		return ccNoRecord, nil
	}
	on, err := b.machine.Power()
	flags, state := byte(eventsOn|scanningOn), uint16(0)
	switch number {
	case sensorHypervisor:
		if err != nil {
			state = 1 << healthController
		}
		err = nil // this one knows
	case sensorPowerUnit:
		if !on {
			state = 1 << powerUnitOff
		}
	case sensorACPI:
		state = 1 << acpiSoftOff
		if on {
			state = 1 << acpiWorking
		}
	case sensorSEL:
		err = nil
		if len(b.Events()) >= selrec.Capacity*9/10 {
			state = 1 << selAlmostFull
		}
	}
	if err != nil {
		flags, state = flags|unavailable, 0
	}
	return ccOK, []byte{0, flags, byte(state), 0x80 | byte(state>>8)}
}

// readingFactors (35.5): the same for all readings, as all sensors are linear.
func readingFactors(_ *BMC, r request) (byte, []byte) {
	a, cc := analogOf(r)
	if cc != ccOK {
		return cc, nil
	}
	return ccOK, []byte{r.data[1] + 1, a.Factor, 0, 0, 0, 0, 0}
}

// setHysteresis (35.6).
func setHysteresis(b *BMC, r request) (byte, []byte) {
	a, cc := analogOf(r)
	if cc == ccOK && a.Thresholds.Mask == 0 {
		cc = ccWrongRecord
	}
	if cc != ccOK {
		return cc, nil
	}
	b.changeSettings(a, func(s *sensorSettings) { s.Positive, s.Negative = r.data[2], r.data[3] })
	return ccOK, nil
}

func getHysteresis(b *BMC, r request) (byte, []byte) {
	a, cc := analogOf(r)
	if cc != ccOK {
		return cc, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	set := b.parts.sensors.settings(a)
	return ccOK, []byte{set.Positive, set.Negative}
}

// setThresholds (35.8): a mask of those to set, then all six.
func setThresholds(b *BMC, r request) (byte, []byte) {
	a, cc := analogOf(r)
	switch {
	case cc != ccOK:
		return cc, nil
	case r.data[1]&^a.Thresholds.Mask != 0:
		return ccDataInvalid, nil
	}
	b.changeSettings(a, func(s *sensorSettings) {
		for i := range 6 {
			if r.data[1]>>i&1 == 1 {
				s.Thresholds[i] = r.data[2+i]
			}
		}
	})
	return ccOK, nil
}

func getThresholds(b *BMC, r request) (byte, []byte) {
	a, cc := analogOf(r)
	if cc != ccOK {
		return cc, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	set := b.parts.sensors.settings(a)
	return ccOK, append([]byte{a.Thresholds.Mask}, set.Thresholds[:]...)
}

// masks reads the optional assertion and deassertion masks of a request.
func masks(d []byte) (assert, deassert uint16) {
	var all [4]byte
	copy(all[:], d)
	return binary.LittleEndian.Uint16(all[:]) & 0x0fff, binary.LittleEndian.Uint16(all[2:]) & 0x0fff
}

// setEventEnable (35.10).
func setEventEnable(b *BMC, r request) (byte, []byte) {
	a, cc := analogOf(r)
	if cc != ccOK {
		return cc, nil
	}
	const keep, enable, disable = 0x00, 0x10, 0x20
	how := r.data[1] & 0x30
	assert, deassert := masks(r.data[2:])
	if how == enable|disable || how == enable && (assert|deassert)&^a.EventMask() != 0 {
		return ccDataInvalid, nil
	}
	b.changeSettings(a, func(s *sensorSettings) {
		s.NoEvents, s.NoScanning = r.data[1]&eventsOn == 0, r.data[1]&scanningOn == 0
		switch how {
		case enable:
			s.Assert, s.Deassert = s.Assert|assert, s.Deassert|deassert
		case disable:
			s.Assert, s.Deassert = s.Assert&^assert, s.Deassert&^deassert
		}
	})
	return ccOK, nil
}

// getEventEnable (35.11).
func getEventEnable(b *BMC, r request) (byte, []byte) {
	if d, ok := findDiscrete(r.data[0]); ok {
		lo, hi := byte(d.States), byte(d.States>>8)
		return ccOK, []byte{eventsOn | scanningOn, lo, hi, lo, hi}
	}
	a, cc := analogOf(r)
	if cc != ccOK {
		return cc, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	set := b.parts.sensors.settings(a)
	d := binary.LittleEndian.AppendUint16([]byte{set.flags() &^ unavailable}, set.Assert)
	return ccOK, binary.LittleEndian.AppendUint16(d, set.Deassert)
}

// rearm (35.12) has a threshold that is still crossed told again: all of the sensor,
// or those of the mask.
func rearm(b *BMC, r request) (byte, []byte) {
	a, cc := analogOf(r)
	if cc != ccOK {
		return cc, nil
	}
	const selected = 0x80
	assert, _ := masks(r.data[2:])
	b.mu.Lock()
	defer b.mu.Unlock()
	state := b.parts.sensors.state
	for i := range 6 {
		if state != nil && (r.data[1]&selected == 0 || assert>>sdrec.Offset(i)&1 == 1) {
			state[a.Number] &^= 1 << i
		}
	}
	return ccOK, nil
}

// eventStatus (35.13): the thresholds that are crossed.
func eventStatus(b *BMC, r request) (byte, []byte) {
	if _, ok := findDiscrete(r.data[0]); ok {
		_, d := discreteReading(b, r.data[0])
		return ccOK, []byte{d[1], d[2], d[3] & 0x7f, 0, 0}
	}
	a, cc := analogOf(r)
	if cc != ccOK {
		return cc, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &b.parts.sensors
	var events uint16
	for i := range 6 {
		if s.state[a.Number]>>i&1 == 1 {
			events |= 1 << sdrec.Offset(i)
		}
	}
	d := binary.LittleEndian.AppendUint16([]byte{s.settings(a).flags()}, events)
	return ccOK, append(d, 0, 0)
}

// sensorType (35.16).
func sensorType(_ *BMC, r request) (byte, []byte) {
	if a, ok := findAnalog(r.data[0]); ok {
		return ccOK, []byte{a.Type, readingThreshold}
	}
	for _, d := range discreteSensors() {
		if d.Number == r.data[0] {
			return ccOK, []byte{d.Type, readingSpecific}
		}
	}
	return ccNoRecord, nil
}
