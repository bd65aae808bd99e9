package ipmi

import (
	"bytes"
	"context"
	"time"

	"trefoil/vbmc/domain"
)

// Parameters of System Boot Options (28.14).
const (
	bootSetInProgress = 0
	bootClearing      = 3
	bootAcknowledge   = 4
	bootFlags         = 5
	bootMailbox       = 7
	bootParams        = 8

	flagValid      = 0x80
	flagPersistent = 0x40
	flagEFI        = 0x20
	keepAtWatchdog = 0x04 // of parameter 3: a start by the watchdog uses the flags
	keepValid      = 0x08 // of parameter 3: no 60-second rule

	bootUserPXE = 0x03 // offset of sensor type System Boot: user requested PXE boot
	bootOEM     = 0x01 // offset of sensor type System Event: OEM system boot event

	bootFlagsTime   = 60 * time.Second
	mailboxBlocks   = 5
	mailboxBlockLen = 16
)

// bootOptions is the register file of System Boot Options.
type bootOptions struct {
	setting   progress
	scan      [2][]byte // parameters 1 and 2
	clearing  byte
	ack       byte
	flags     [5]byte // as written
	initiator [9]byte
	mailbox   [mailboxBlocks][mailboxBlockLen]byte
	invalid   [bootParams]bool
	since     time.Time // write of the flags or the latest chassis control
}

// restart begins the 60-second count-down anew.
func (o *bootOptions) restart(now time.Time) { o.since = now }

// savedBoot is the part of the register that survives a restart of the BMC.
type savedBoot struct {
	Scan      [2][]byte
	Clearing  byte
	Ack       byte
	Flags     [5]byte
	Initiator [9]byte
	Mailbox   [mailboxBlocks][mailboxBlockLen]byte
	Invalid   [bootParams]bool
	Since     time.Time
}

// keepBoot stores the register; b.mu is not held.
func (b *BMC) keepBoot() {
	b.keep("boot", func() any {
		o := &b.boot
		return savedBoot{o.scan, o.clearing, o.ack, o.flags, o.initiator, o.mailbox, o.invalid, o.since}
	})
}

// loadBoot reads the register back. An override that the register does not know
// begins its 60 seconds now.
func (b *BMC) loadBoot() error {
	var s savedBoot
	found, err := b.recall("boot", &s)
	if err != nil {
		return err
	}
	if found {
		b.boot = bootOptions{
			scan: s.Scan, clearing: s.Clearing, ack: s.Ack, flags: s.Flags,
			initiator: s.Initiator, mailbox: s.Mailbox, invalid: s.Invalid, since: s.Since,
		}
	}
	b.boot.follow(b.machine.Override(), b.now())
	return nil
}

// overrideOf reads boot flags; ok is false for a device no libvirt machine has.
func overrideOf(flags [5]byte) (o domain.Override, ok bool) {
	if flags[0]&flagValid == 0 {
		return domain.Override{}, true
	}
	o = domain.Override{Persistent: flags[0]&flagPersistent != 0, EFI: flags[0]&flagEFI != 0}
	switch flags[1] >> 2 & 0x0f {
	case 0:
		return domain.Override{}, true
	case 1:
		o.Device = domain.PXE
	case 2, 3, 11: // disk, disk in safe mode, remote disk
		o.Device = domain.Disk
	case 5, 8, 9: // CD, remote CD, primary remote medium
		o.Device = domain.CDROM
	case 7, 15: // remote floppy, floppy
		o.Device = domain.Floppy
	default: // diagnostic partition, setup screen
		return o, false
	}
	return o, true
}

// flagsOf is the other way round, for an override that did not come by IPMI.
func flagsOf(o domain.Override) (flags [5]byte) {
	selector := map[domain.Device]byte{domain.PXE: 1, domain.Disk: 2, domain.CDROM: 5, domain.Floppy: 15}[o.Device]
	if selector == 0 {
		return flags
	}
	flags[0] = flagValid
	if o.Persistent {
		flags[0] |= flagPersistent
	}
	if o.EFI {
		flags[0] |= flagEFI
	}
	flags[1] = selector << 2
	return flags
}

// expireBootFlags drops a one-time override that nobody used for 60 seconds,
// unless parameter 3 forbids it. It is checked when it matters, not by a timer. It
// may wait for the hypervisor: b.mu is not held, nor is the socket's goroutine here.
func (b *BMC) expireBootFlags(ctx context.Context) byte {
	machine := b.machine.Override()
	var changed, due bool
	var flags [5]byte
	b.locked(func() {
		changed, due, flags = b.boot.follow(machine, b.now()), b.boot.lapsed(b.now()), b.boot.flags
	})
	if due {
		if o, _ := overrideOf(flags); b.machine.Override() == o {
			if cc := b.code("expire boot flags", b.clearOnce(ctx)); cc != ccOK {
				return cc // the flags stay: the machine has the override still
			}
		}
		b.locked(func() {
			if b.boot.flags == flags {
				b.boot.flags[0] &^= flagValid
			}
		})
	}
	if due || changed {
		b.keepBoot()
	}
	return ccOK
}

// lapsed reports whether a one-time override has waited too long.
func (o *bootOptions) lapsed(now time.Time) bool {
	return o.pendingOnce() && o.clearing&keepValid == 0 && now.Sub(o.since) > bootFlagsTime
}

// pendingOnce reports whether a one-time override waits for the next start.
func (o *bootOptions) pendingOnce() bool {
	w, _ := overrideOf(o.flags)
	return w.Device != domain.None && !w.Persistent
}

// clearOnce drops the one-time override. A machine that cannot tell it from a
// persistent one loses both.
func (b *BMC) clearOnce(ctx context.Context) error {
	if m, ok := b.machine.(domain.Overrider); ok {
		return m.ClearOnce(ctx)
	}
	return b.machine.SetOverride(ctx, domain.Override{})
}

// getBootOption is Get System Boot Options (28.13).
func getBootOption(b *BMC, r request) (byte, []byte) {
	p := r.data[0] & 0x7f
	if p >= bootParams {
		return ccParamUnknown, nil
	}
	if p == bootFlags {
		if cc := b.expireBootFlags(r.ctx); cc != ccOK {
			return cc, nil
		}
	}
	machine := b.machine.Override()
	b.mu.Lock()
	defer b.mu.Unlock()
	var data []byte
	switch p {
	case bootSetInProgress:
		data = []byte{b.boot.setting.get(b.now())}
	case 1, 2:
		data = append(data, b.boot.scan[p-1]...)
		if data == nil {
			data = []byte{0}
		}
	case bootClearing:
		data = []byte{b.boot.clearing}
	case bootAcknowledge:
		data = []byte{0, b.boot.ack}
	case bootFlags:
		b.boot.follow(machine, b.now())
		data = b.boot.flags[:]
	case 6:
		data = b.boot.initiator[:]
	case bootMailbox:
		if r.data[1] >= mailboxBlocks {
			return ccDataInvalid, nil
		}
		data = append([]byte{r.data[1]}, b.boot.mailbox[r.data[1]][:]...)
	}
	head := p
	if b.boot.invalid[p] {
		head |= 0x80
	}
	return ccOK, append([]byte{1, head}, bytes.Clone(data)...)
}

// follow makes the flags agree with the machine: a one-time override is spent by
// a start, and another protocol may have changed it. Bytes that mean the same are
// given back as they were written. A change begins the 60 seconds anew.
func (o *bootOptions) follow(machine domain.Override, now time.Time) (changed bool) {
	if mine, _ := overrideOf(o.flags); mine == machine {
		return false
	}
	o.flags = flagsOf(machine)
	o.restart(now)
	return true
}

// setBootOption is Set System Boot Options (28.12).
func setBootOption(b *BMC, r request) (byte, []byte) {
	p, data := r.data[0]&0x7f, r.data[1:]
	if p >= bootParams {
		return ccParamUnknown, nil
	}
	if p == bootFlags && len(data) > 0 {
		return setBootFlags(b, r)
	}
	cc := byte(ccOK)
	b.locked(func() {
		b.boot.invalid[p] = r.data[0]&0x80 != 0
		if len(data) > 0 { // otherwise only the valid bit of the parameter
			cc = b.boot.write(p, data, r.session, b.now())
		}
	})
	if p != bootSetInProgress { // which ends with the BMC
		b.keepBoot()
	}
	return cc, nil
}

// write stores any parameter but the boot flags.
func (o *bootOptions) write(p byte, data []byte, by *session, now time.Time) byte {
	want := map[byte]int{0: 1, 1: 1, 2: 1, 3: 1, 4: 2, 6: 9}
	if n, ok := want[p]; ok && len(data) != n {
		return ccLength
	}
	switch p {
	case bootSetInProgress:
		return o.setting.set(data[0]&3, by, now)
	case 1, 2:
		o.scan[p-1] = bytes.Clone(data)
	case bootClearing:
		o.clearing = data[0] & 0x1f
	case bootAcknowledge: // first byte: which bits to write
		o.ack = o.ack&^data[0] | data[1]&data[0]
	case 6:
		copy(o.initiator[:], data)
	case bootMailbox:
		if data[0] >= mailboxBlocks {
			return ccDataInvalid
		}
		if len(data) < 2 || len(data) > 1+mailboxBlockLen {
			return ccLength
		}
		o.mailbox[data[0]] = [mailboxBlockLen]byte{}
		copy(o.mailbox[data[0]][:], data[1:])
	}
	return ccOK
}

// setBootFlags writes parameter 5: first the machine, then the register, so that
// a failure leaves both as they were.
func setBootFlags(b *BMC, r request) (byte, []byte) {
	if len(r.data) != 6 {
		return ccLength, nil
	}
	flags := [5]byte(r.data[1:])
	o, ok := overrideOf(flags)
	if !ok {
		b.log.Warn("boot device is not supported", "selector", flags[1]>>2&0x0f, "from", r.src)
		return ccDataInvalid, nil
	}
	if cc := b.code("set boot device", b.machine.SetOverride(r.ctx, o)); cc != ccOK {
		return cc, nil
	}
	b.locked(func() {
		b.boot.flags = flags
		b.boot.invalid[bootFlags] = r.data[0]&0x80 != 0
		b.boot.restart(b.now())
	})
	b.keepBoot()
	b.recordOverride(o, flags)
	b.log.Info("boot device set", "device", o.Device, "persistent", o.Persistent, "efi", o.EFI, "from", r.src)
	return ccOK, nil
}

// recordOverride notes who is to blame when a machine boots from elsewhere. The standard
// has an event of its own for the network only; the others are an OEM boot event, whose
// data are the device and the flags as they were written (28.13, parameter 5).
func (b *BMC) recordOverride(o domain.Override, flags [5]byte) {
	const bothOEM = 0xa0 // of the event's first byte: the other two are ours
	switch o.Device {
	case domain.None:
	case domain.PXE:
		b.record(typeSystemBoot, sensorSystemBoot, readingSpecific, [3]byte{bootUserPXE, 0xff, 0xff})
	default:
		b.record(typeSystemEvent, sensorSystemEvent, readingSpecific, [3]byte{bothOEM | bootOEM, flags[1] & 0x3c, flags[0]})
	}
}
