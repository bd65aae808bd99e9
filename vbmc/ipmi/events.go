package ipmi

import (
	"trefoil/vbmc/domain"
	"trefoil/vbmc/ipmi/selrec"
	"trefoil/vbmc/ipmi/wire"
)

// Offsets of sensor-specific events (table 42-3).
const (
	powerUnitOff = 0x00
	// "Soft Power Control Failure": the unit did not respond to a request.
	powerUnitNoResponse = 0x05
	powerUnitFailure    = 0x06
	selCleared          = 0x02
	selAlmostFull       = 0x05
	bootPowerUp         = 0x00
	bootHardReset       = 0x01
	bootOSReset         = 0x06 // the operating system's own reboot
	acpiWorking         = 0x00 // S0
	acpiSoftOff         = 0x05 // S5
	healthSensors       = 0x00 // sensors cannot be read
	healthController    = 0x01 // the controller does not reach what it manages
)

// deasserted is the direction bit of an event type.
const deasserted = 0x80

// eventCommands are the event commands of Sensor/Event (section 29).
func eventCommands() map[uint16]command {
	return map[uint16]command{
		key(wire.Sensor, 0x00): {name: "Set Event Receiver", priv: privAdmin, min: 2, max: 2, run: setEventReceiver},
		key(wire.Sensor, 0x01): {name: "Get Event Receiver", priv: privUser, run: getEventReceiver},
		key(wire.Sensor, 0x02): {name: "Platform Event", priv: privOperator, min: 5, max: 8, once: true, run: platformEvent},
	}
}

// setEventReceiver (29.1): this BMC's events go to its own log and nowhere else.
func setEventReceiver(_ *BMC, r request) (byte, []byte) {
	if r.data[0] != bmcAddress || r.data[1]&3 != 0 {
		return ccDataInvalid, nil
	}
	return ccOK, nil
}

func getEventReceiver(*BMC, request) (byte, []byte) { return ccOK, []byte{bmcAddress, 0} }

// platformEvent (29.3) takes an event message into the log. Over the LAN the sender
// is the remote console; from the system interface it names itself in a byte before
// the rest.
func platformEvent(b *BMC, r request) (byte, []byte) {
	const remoteConsole = 0x81
	d, generator := r.data, byte(remoteConsole)
	if len(d) == 8 {
		d, generator = d[1:], d[0]
	}
	if d[0] != 0x03 && d[0] != 0x04 { // event message format of IPMI 1.0, of 1.5 and 2.0
		return ccDataInvalid, nil
	}
	e := selrec.Event{Generator: uint16(generator), SensorType: d[1], Sensor: d[2], EventType: d[3], Data: [3]byte{0xff, 0xff, 0xff}}
	copy(e.Data[:], d[4:])
	b.mu.Lock()
	defer b.mu.Unlock()
	b.addEvent(e)
	return ccOK, nil
}

// selEvent takes an event of the machine; b.mu is not held.
func (b *BMC) selEvent(e domain.Event) {
	switch e.Kind {
	case domain.Started:
		b.recordPower(true)
		b.record(typeSystemBoot, sensorSystemBoot, readingSpecific, [3]byte{bootPowerUp, 0xff, 0xff})
	case domain.Stopped, domain.ShutDown:
		b.recordPower(false)
	case domain.Crashed:
		b.record(typePowerUnit, sensorPowerUnit, readingSpecific, [3]byte{powerUnitFailure, 0xff, 0xff})
		b.recordPower(false)
	case domain.Rebooted:
		why := byte(bootOSReset)
		if e.Ours {
			why = bootHardReset
		}
		b.record(typeSystemBoot, sensorSystemBoot, readingSpecific, [3]byte{why, 0xff, 0xff})
	case domain.Lost:
		b.recordAway(true)
	case domain.Back:
		b.recordAway(false)
		if b.seenOtherwise(e.On) {
			b.recordPower(e.On)
		}
	case domain.Gone:
		b.record(typeManagement, sensorHypervisor, readingSpecific, [3]byte{healthSensors, 0xff, 0xff})
	}
}

func powerCode(on bool) byte {
	if on {
		return 2
	}
	return 1
}

// seenOtherwise reports whether the power is not what it was when last seen. The
// first look is no change.
func (b *BMC) seenOtherwise(on bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &b.parts.sel.kept
	if s.On == 0 {
		s.On = powerCode(on)
		b.selChanged()
	}
	return s.On != powerCode(on)
}

// recordPower notes power unit and ACPI state.
func (b *BMC) recordPower(on bool) {
	b.locked(func() { b.parts.sel.kept.On = powerCode(on) })
	unit, acpi := byte(readingSpecific), byte(acpiSoftOff)
	if on {
		unit, acpi = readingSpecific|deasserted, acpiWorking
	}
	b.record(typePowerUnit, sensorPowerUnit, unit, [3]byte{powerUnitOff, 0xff, 0xff})
	b.record(typeACPI, sensorACPI, readingSpecific, [3]byte{acpi, 0xff, 0xff})
}

// recordAway notes that the hypervisor is lost or back. Each is told once, and Back
// only after Lost: it also comes at the first connect.
func (b *BMC) recordAway(away bool) {
	var changed bool
	b.locked(func() {
		changed = b.parts.sel.kept.Away != away
		b.parts.sel.kept.Away = away
	})
	if !changed {
		return
	}
	kind := byte(readingSpecific)
	if !away {
		kind |= deasserted
	}
	b.record(typeManagement, sensorHypervisor, kind, [3]byte{healthController, 0xff, 0xff})
}
