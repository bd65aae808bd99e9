package ipmi

import (
	"context"
	"time"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/ipmi/wire"
)

// chassisState is what Get Chassis Status tells besides the power.
type chassisState struct {
	lastOnByIPMI  bool
	cause         byte // of the latest restart
	identifyUntil time.Time
	identifyOn    bool // for ever
}

// Causes of a restart (28.11).
const (
	causeUnknown  = 0x00
	causeControl  = 0x01 // Chassis Control
	causeWatchdog = 0x04
	causeAlwaysOn = 0x06 // power restore policy
	causePrevious = 0x07 // power restore policy
)

// chassisCommands are the commands of network function Chassis (section 28).
func chassisCommands() map[uint16]command {
	return map[uint16]command{
		key(wire.Chassis, 0x00): {name: "Get Chassis Capabilities", priv: privUser, run: chassisCapabilities},
		key(wire.Chassis, 0x01): {name: "Get Chassis Status", priv: privUser, run: chassisStatus},
		key(wire.Chassis, 0x02): {name: "Chassis Control", priv: privOperator, min: 1, max: 1, waits: true, early: true, run: chassisControl},
		key(wire.Chassis, 0x04): {name: "Chassis Identify", priv: privOperator, max: 2, run: chassisIdentify},
		key(wire.Chassis, 0x06): {name: "Set Power Restore Policy", priv: privOperator, min: 1, max: 1, run: restorePolicy},
		key(wire.Chassis, 0x08): {name: "Set System Boot Options", priv: privOperator, min: 1, max: 18, waits: true, run: setBootOption},
		key(wire.Chassis, 0x09): {name: "Get System Boot Options", priv: privOperator, min: 3, max: 3, waits: true, run: getBootOption},
	}
}

// chassisCapabilities (28.1): no intrusion sensor, no lock-out, NMI is supported.
// The addresses are those of the BMC itself.
func chassisCapabilities(*BMC, request) (byte, []byte) {
	return ccOK, []byte{0x04, bmcAddress, bmcAddress, bmcAddress, bmcAddress}
}

// chassisStatus (28.2) answers from memory.
func chassisStatus(b *BMC, _ request) (byte, []byte) {
	on, err := b.machine.Power()
	if err != nil {
		return b.code("Get Chassis Status", err), nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var power, last byte // restore policy 00b: stays off
	if on {
		power = 0x01
		if b.chassis.lastOnByIPMI {
			last = 0x10
		}
	}
	misc := byte(0x40) // identify state is supported
	switch {
	case b.chassis.identifyOn:
		misc |= 2 << 4
	case b.now().Before(b.chassis.identifyUntil):
		misc |= 1 << 4
	}
	return ccOK, []byte{power, last, misc, 0}
}

// chassisControl (28.3) restarts the 60-second count-down of the boot flags.
func chassisControl(b *BMC, r request) (byte, []byte) {
	m := b.machine
	op, ok := map[byte]struct {
		name string
		run  func(context.Context) error
	}{
		0: {"power off", m.Off}, 1: {"power on", m.On}, 2: {"power cycle", m.Cycle},
		3: {"hard reset", m.Reset}, 4: {"diagnostic interrupt", m.Diag}, 5: {"soft shutdown", m.Soft},
	}[r.data[0]&0x0f]
	if !ok {
		return ccDataInvalid, nil
	}
	if cc := b.expireBootFlags(r.ctx); cc != ccOK {
		return cc, nil
	}
	b.mu.Lock()
	b.boot.restart(b.now())
	pending := b.boot.flags[0]&flagValid != 0
	b.mu.Unlock()
	err := op.run(r.ctx)
	cc := b.code(op.name, err)
	b.log.Info("chassis control", "op", op.name, "from", r.src, "code", cc)
	machine := b.machine.Override()
	b.mu.Lock()
	b.chassis.lastOnByIPMI = b.chassis.lastOnByIPMI || err == nil
	b.boot.follow(machine, b.now()) // a start spends a one-time override
	b.mu.Unlock()
	if pending {
		b.keepBoot()
	}
	return cc, nil
}

// chassisIdentify (28.5): 15 s by default, 0 ends it, bit 0 of the second byte
// switches it on for ever.
func chassisIdentify(b *BMC, r request) (byte, []byte) {
	seconds := 15
	if len(r.data) > 0 {
		seconds = int(r.data[0])
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.chassis.identifyOn = len(r.data) == 2 && r.data[1]&1 != 0
	b.chassis.identifyUntil = b.now().Add(time.Duration(seconds) * time.Second)
	return ccOK, nil
}

// restorePolicy (28.8): a domain stays off when its host comes back; nothing else
// is supported, and asking (3) says so.
func restorePolicy(_ *BMC, r request) (byte, []byte) {
	const staysOff = 0x01
	switch r.data[0] & 0x07 {
	case 0, 3:
		return ccOK, []byte{staysOff}
	}
	return ccDataInvalid, nil
}

func (b *BMC) loadChassis() error { return nil }

// chassisEvent takes an event of the machine; b.mu is not held.
func (b *BMC) chassisEvent(domain.Event) {}

// restart notes the cause of a restart. b.mu is not held.
func (b *BMC) restart(cause byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.chassis.cause = cause
}

// Identify reports whether the identify light is on.
func (b *BMC) Identify() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.chassis.identifyOn || b.now().Before(b.chassis.identifyUntil)
}
