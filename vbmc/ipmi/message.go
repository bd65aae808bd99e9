package ipmi

import "trefoil/vbmc/ipmi/wire"

// Completion codes of the messaging commands.
const (
	ccNoMessage = 0x80 // of Get Message and Read Event Message Buffer: empty
	ccNAK       = 0x83 // of Send Message: nobody answers at that address
)

// eventLogging is the one global enable this BMC has; it is always on.
const eventLogging = 0x08

// messageCommands are global enables, message flags, Get and Send Message (22.1 to
// 22.9). There is no system interface and no bus to other controllers, so nothing
// waits in a queue, and only the BMC itself can be sent to.
func messageCommands() map[uint16]command {
	return map[uint16]command{
		key(wire.App, 0x2e): {name: "Set BMC Global Enables", priv: privAdmin, min: 1, max: 1, run: setEnables},
		key(wire.App, 0x2f): {name: "Get BMC Global Enables", priv: privUser, run: getEnables},
		key(wire.App, 0x30): {name: "Clear Message Flags", priv: privAdmin, min: 1, max: 1, run: clearFlags},
		key(wire.App, 0x31): {name: "Get Message Flags", priv: privUser, run: getFlags},
		key(wire.App, 0x32): {name: "Enable Message Channel Receive", priv: privAdmin, min: 2, max: 2, run: channelReceive},
		key(wire.App, 0x33): {name: "Get Message", priv: privUser, run: noMessage},
		key(wire.App, 0x34): {name: "Send Message", priv: privUser, min: 8, max: 255, waits: true, run: sendMessage},
		key(wire.App, 0x35): {name: "Read Event Message Buffer", priv: privUser, run: noMessage},
	}
}

// setEnables (22.1) refuses what it could not do: interrupts and an event buffer need
// a system interface, and the event log is never off.
func setEnables(_ *BMC, r request) (byte, []byte) {
	if r.data[0] != eventLogging {
		return ccDataInvalid, nil
	}
	return ccOK, nil
}

func getEnables(*BMC, request) (byte, []byte) { return ccOK, []byte{eventLogging} }

func clearFlags(*BMC, request) (byte, []byte) { return ccOK, nil }

// getFlags (22.4): no message, no full buffer, no watchdog interrupt.
func getFlags(*BMC, request) (byte, []byte) { return ccOK, []byte{0} }

// channelReceive (22.5): messages for system software are not taken in, as it could
// not fetch them; that can be asked and confirmed, not changed.
func channelReceive(b *BMC, r request) (byte, []byte) {
	const disable, get = 0, 2
	ch, ok := channelNumber(r.data[0])
	if state := r.data[1] & 3; !ok || (state != disable && state != get) {
		return ccDataInvalid, nil
	}
	return ccOK, []byte{ch, disable}
}

func noMessage(*BMC, request) (byte, []byte) { return ccNoMessage, nil }

// sendMessage (22.7) bridges a tracked request on the IPMB. The only address there is
// the BMC's own: such a request runs with the session's level and its answer follows
// that of Send Message as a message of its own (6.13.2).
func sendMessage(b *BMC, r request) (byte, []byte) {
	const tracked = 0x40
	if r.data[0] != tracked|ipmbChannel { // no other channel, encryption or form
		return ccDataInvalid, nil
	}
	m, err := wire.ParseMessage(r.data[1:])
	switch {
	case err != nil:
		return ccDataInvalid, nil
	case m.To != bmcAddress:
		return ccNAK, nil
	case m.NetFn == wire.App && m.Cmd == 0x34: // one bridge is enough
		return ccDataInvalid, nil
	}
	var priv byte
	b.locked(func() { priv = r.session.privilege })
	c, cc := b.find(m, priv)
	var data []byte
	if cc == ccOK {
		inner := r
		inner.message, inner.data = m, m.Data
		cc, data = b.call(c, inner)
	}
	m.From, m.FromLUN, m.Seq = r.message.From, r.message.FromLUN, r.message.Seq
	b.mu.Lock()
	defer b.mu.Unlock()
	r.answer.bridged = m.AppendResponse(nil, cc, data)
	return ccOK, nil
}
