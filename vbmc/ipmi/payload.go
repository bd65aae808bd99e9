package ipmi

import (
	"encoding/binary"
	"maps"

	"trefoil/vbmc/ipmi/wire"
)

// Completion codes of the payload commands (24.1, 24.2, 24.8, 24.10).
const (
	ccPayloadActive      = 0x80 // Activate Payload: by another session
	ccPayloadInactive    = 0x80 // Deactivate Payload
	ccPayloadDisabled    = 0x81
	ccWithEncryption     = 0x83
	ccWithoutEncryption  = 0x84
	ccPayloadUnavailable = 0x80 // Get Channel Payload Version, Get Channel OEM Payload Info

	// Of Suspend/Resume Payload Encryption (24.3).
	ccEncryptionFixed   = 0x80 // of this payload type it cannot be changed
	ccEncryptionForced  = 0x81
	ccNoEncryption      = 0x82 // the session has none
	ccPayloadNotRunning = 0x83
)

const (
	solInstance       = 1 // the only one
	askEncryption     = 0x80
	askAuthentication = 0x40
)

// payloadCommands are the RMCP+ payload commands of App (section 24).
func payloadCommands() map[uint16]command {
	return map[uint16]command{
		key(wire.App, 0x48): {name: "Activate Payload", priv: privUser, min: 6, max: 6, run: activatePayload},
		key(wire.App, 0x49): {name: "Deactivate Payload", priv: privUser, min: 2, max: 6, once: true, run: deactivatePayload},
		key(wire.App, 0x4a): {name: "Get Payload Activation Status", priv: privUser, min: 1, max: 1, run: payloadStatus},
		key(wire.App, 0x4b): {name: "Get Payload Instance Info", priv: privUser, min: 2, max: 2, run: payloadInstance},
		key(wire.App, 0x4c): {name: "Set User Payload Access", priv: privAdmin, min: 6, max: 6, waits: true, run: setUserPayloads},
		key(wire.App, 0x4d): {name: "Get User Payload Access", priv: privOperator, min: 2, max: 2, run: getUserPayloads},
		key(wire.App, 0x4e): {name: "Get Channel Payload Support", priv: privUser, min: 1, max: 1, run: payloadSupport},
		key(wire.App, 0x4f): {name: "Get Channel Payload Version", priv: privUser, min: 2, max: 2, run: payloadVersion},
		key(wire.App, 0x50): {name: "Get Channel OEM Payload Info", priv: privUser, min: 7, max: 7, run: oemPayload},
		key(wire.App, 0x55): {name: "Suspend/Resume Payload Encryption", priv: privUser, min: 3, max: 3, run: payloadEncryption},
	}
}

// solChannel tells whether a channel number means the LAN channel.
func solChannel(n byte) bool { n &= 0x0f; return n == lanChannel || n == currentChannel }

// isSOL tells whether payload type and instance are those of SOL.
func isSOL(data []byte) bool {
	return data[0]&0x3f == byte(wire.PayloadSOL) && data[1]&0x0f == solInstance
}

// activatePayload gives SOL to the session that asks (24.1). The same session may
// ask again: its answer was lost.
func activatePayload(b *BMC, r request) (byte, []byte) {
	if !isSOL(r.data) {
		return ccDataInvalid, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	run := b.solRun()
	if cc := b.maySOL(r.session, r.data[2]); cc != ccOK {
		return cc, nil
	}
	if run == nil {
		b.beginSOL(r.session)
	}
	out := []byte{0, 0, 0, 0}
	out = binary.LittleEndian.AppendUint16(out, solPayloadSize)
	out = binary.LittleEndian.AppendUint16(out, solPayloadSize)
	out = binary.LittleEndian.AppendUint16(out, b.parts.sol.port)
	return ccOK, append(out, 0xff, 0xff) // no VLAN
}

// maySOL decides whether a session may have SOL now, with the protection that it asks
// for and that parameter 2 demands. b.mu is held.
func (b *BMC) maySOL(s *session, ask byte) byte {
	st := &b.parts.sol
	encrypted := ask&askEncryption != 0
	switch {
	case st.hub == nil || !st.p.Enabled:
		return ccPayloadDisabled
	case s.privilege < st.p.privilege() || b.payloadsOf(s.user)&payloadSOL == 0:
		return ccPrivilege
	case encrypted && s.ex.Suite.Crypt == 0:
		return ccWithEncryption
	// A session that encrypts does so for SOL too: its packets are refused without.
	case !encrypted && (s.ex.Suite.Crypt != 0 || st.p.Auth&forceEncryption != 0):
		return ccWithoutEncryption
	// The packets of this session carry no integrity check; 24.1 has no code of its own.
	case s.ex.Suite.Integrity == 0 && (ask&askAuthentication != 0 || st.p.Auth&forceAuthentication != 0):
		return ccWrongState
	case st.run != nil && st.run.s != s:
		return ccPayloadActive
	}
	return ccOK
}

// deactivatePayload takes SOL from the session that has it (24.2). One's own may be given
// back at any level: appendix G leaves the level to the payload, and SOL's may be USER.
// Whoever takes another's must be allowed to have SOL himself, and OPERATOR at least.
func deactivatePayload(b *BMC, r request) (byte, []byte) {
	if !isSOL(r.data) {
		return ccDataInvalid, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.solRun()
	if a == nil {
		return ccPayloadInactive, nil
	}
	if a.s != r.session && r.session.privilege < max(privOperator, b.parts.sol.p.privilege()) {
		return ccPrivilege, nil
	}
	if a.s != r.session {
		b.tellDeactivated(a, 0)
	}
	b.endSOL(a)
	return ccOK, nil
}

// payloadStatus tells how many instances there can be and which are active (24.4).
func payloadStatus(b *BMC, r request) (byte, []byte) {
	if r.data[0]&0x3f != byte(wire.PayloadSOL) {
		return ccDataInvalid, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	out := []byte{1, 0, 0}
	if b.solRun() != nil {
		out[1] = 1
	}
	return ccOK, out
}

// payloadInstance tells the session that has SOL and the number of the serial port (24.5).
func payloadInstance(b *BMC, r request) (byte, []byte) {
	if !isSOL(r.data) {
		return ccDataInvalid, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]byte, 12)
	if a := b.solRun(); a != nil {
		binary.LittleEndian.PutUint32(out, a.s.ex.ManagedID)
		out[4] = 1
	}
	return ccOK, out
}

// payloadsOf is what a user may activate: what the user list allows, less what Set
// User Payload Access took away. b.mu is held.
func (b *BMC) payloadsOf(user byte) uint16 {
	if b.parts.sol.p.Denied[user] {
		return 0
	}
	return b.userPayloads(user)
}

// setUserPayloads allows or denies SOL to a user (24.6).
func setUserPayloads(b *BMC, r request) (byte, []byte) {
	user, op := r.data[1]&0x3f, r.data[1]>>6
	if !solChannel(r.data[0]) || user == 0 || user > 15 || op > 1 {
		return ccDataInvalid, nil
	}
	if r.data[2]&payloadSOL == 0 {
		return ccOK, nil // there is no other payload to be had
	}
	b.locked(func() {
		denied := maps.Clone(b.parts.sol.p.Denied) // the old one may be on its way to the store
		if denied == nil {
			denied = map[byte]bool{}
		}
		delete(denied, user)
		if op == 1 {
			denied[user] = true
		}
		b.parts.sol.p.Denied = denied
	})
	b.keepSOL()
	return ccOK, nil
}

// getUserPayloads tells which payloads a user may activate (24.7).
func getUserPayloads(b *BMC, r request) (byte, []byte) {
	user := r.data[1] & 0x3f
	if !solChannel(r.data[0]) || user == 0 || user > 15 {
		return ccDataInvalid, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	out := binary.LittleEndian.AppendUint16(nil, b.payloadsOf(user))
	return ccOK, append(out, 0, 0) // no payloads of vendors
}

// payloadSupport tells the payload types of a channel (24.8): messages and SOL, and
// those of the session's set-up.
func payloadSupport(_ *BMC, r request) (byte, []byte) {
	if !solChannel(r.data[0]) {
		return ccDataInvalid, nil
	}
	return ccOK, []byte{1<<wire.PayloadIPMI | 1<<wire.PayloadSOL, 0, 0x3f, 0, 0, 0, 0, 0}
}

// payloadVersion tells the version of a payload type: all are 1.0 (24.9).
func payloadVersion(_ *BMC, r request) (byte, []byte) {
	if !solChannel(r.data[0]) {
		return ccDataInvalid, nil
	}
	switch t := wire.PayloadType(r.data[1] & 0x3f); {
	case t <= wire.PayloadSOL, t >= wire.PayloadOpenRequest && t <= wire.PayloadRAKP4:
		return ccOK, []byte{0x10}
	}
	return ccPayloadUnavailable, nil
}

// oemPayload is about payloads of vendors; there are none (24.10).
func oemPayload(*BMC, request) (byte, []byte) { return ccPayloadUnavailable, nil }

// payloadEncryption is Suspend/Resume Payload Encryption (24.3), about the SOL of the
// session that asks. A session that encrypts does so for all it sends, so that cannot be
// suspended, and goes on already; each packet has an initialisation vector of its own.
func payloadEncryption(b *BMC, r request) (byte, []byte) {
	const suspend, newVector = 0, 2 // 1: resume
	op := r.data[2] & 0x1f
	switch {
	case r.data[0]&0x3f != byte(wire.PayloadSOL):
		return ccEncryptionFixed, nil
	case !isSOL(r.data) || op > newVector:
		return ccDataInvalid, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.solRun()
	switch {
	case a == nil || a.s != r.session:
		return ccPayloadNotRunning, nil
	case r.session.ex.Suite.Crypt == 0:
		return ccNoEncryption, nil
	case op == suspend:
		return ccEncryptionForced, nil
	}
	return ccOK, nil
}
