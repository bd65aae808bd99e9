package ipmi

import (
	"time"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/ipmi/wire"
)

// chassisState is what Get Chassis Status tells besides the power.
type chassisState struct {
	power         powerState
	storing       bool // a write of power is on its way
	doing         byte // cause of the operation that was begun last
	lost          bool // the hypervisor was, since its latest Back
	restoring     uint // which power restore is in force
	identifyUntil time.Time
	identifyOn    bool // for ever
	underway      []*underway
}

// chassisCommands are the commands of network function Chassis (section 28).
func chassisCommands() map[uint16]command {
	return map[uint16]command{
		key(wire.Chassis, 0x00): {name: "Get Chassis Capabilities", priv: privUser, run: chassisCapabilities},
		key(wire.Chassis, 0x01): {name: "Get Chassis Status", priv: privUser, run: chassisStatus},
		key(wire.Chassis, 0x02): {name: "Chassis Control", priv: privOperator, min: 1, max: 1, waits: true, early: true, run: chassisControl},
		key(wire.Chassis, 0x04): {name: "Chassis Identify", priv: privOperator, max: 2, run: chassisIdentify},
		key(wire.Chassis, 0x06): {name: "Set Power Restore Policy", priv: privOperator, min: 1, max: 1, waits: true, run: setRestorePolicy},
		key(wire.Chassis, 0x07): {name: "Get System Restart Cause", priv: privUser, run: restartCause},
		key(wire.Chassis, 0x08): {name: "Set System Boot Options", priv: privOperator, min: 1, max: 18, waits: true, run: setBootOption},
		key(wire.Chassis, 0x09): {name: "Get System Boot Options", priv: privOperator, min: 3, max: 3, waits: true, run: getBootOption},
		key(wire.Chassis, 0x0f): {name: "Get POH Counter", priv: privUser, run: powerOnHours},
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
	p := &b.chassis.power
	power, last := p.Policy<<5, p.Down
	if on || b.resetting() {
		power |= 0x01
		if p.Command {
			last |= eventCommand
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

// Names of operations, as the log has them.
const (
	opOn    = "power on"
	opCycle = "power cycle"
)

// controls are the values of Chassis Control.
func controls(m domain.Machine) map[byte]operation {
	return map[byte]operation{
		0: {name: "power off", run: m.Off},
		1: {opOn, m.On, true, causeControl},
		2: {opCycle, m.Cycle, true, causeControl},
		3: {"hard reset", m.Reset, true, causeControl},
		4: {name: "diagnostic interrupt", run: m.Diag},
		5: {name: "soft shutdown", run: m.Soft},
	}
}

// chassisControl (28.3) restarts the 60-second count-down of the boot flags.
func chassisControl(b *BMC, r request) (byte, []byte) {
	op, ok := controls(b.machine)[r.data[0]&0x0f]
	if !ok {
		return ccDataInvalid, nil
	}
	return b.once(r, func() byte { return b.control(r, op) }), nil
}

// control does one, whatever else is under way.
func (b *BMC) control(r request, op operation) byte {
	if cc := b.expireBootFlags(r.ctx); cc != ccOK {
		return cc
	}
	var pending bool
	b.locked(func() {
		b.boot.restart(b.now())
		pending = b.boot.flags[0]&flagValid != 0
		b.chassis.restoring++ // whoever commands knows better than the policy
	})
	cc := b.code(op.name, b.operate(r.ctx, op))
	b.log.Info("chassis control", "op", op.name, "from", r.src, "code", cc)
	if pending {
		b.keepBoot()
	}
	return cc
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

// Identify reports whether the identify light is on.
func (b *BMC) Identify() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.chassis.identifyOn || b.now().Before(b.chassis.identifyUntil)
}
