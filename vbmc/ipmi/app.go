package ipmi

import (
	"encoding/binary"

	"trefoil/vbmc/ipmi/wire"
)

// appCommands are the commands of network function App (section 20 and 22).
func appCommands() map[uint16]command {
	return map[uint16]command{
		key(wire.App, 0x01): {name: "Get Device ID", priv: privUser, run: getDeviceID},
		key(wire.App, 0x02): {name: "Cold Reset", priv: privAdmin, run: resetBMC},
		key(wire.App, 0x03): {name: "Warm Reset", priv: privAdmin, run: resetBMC},
		key(wire.App, 0x04): {name: "Get Self Test Results", priv: privUser, run: selfTest},
		key(wire.App, 0x08): {name: "Get Device GUID", priv: privUser, run: getGUID},
		key(wire.App, 0x37): {name: "Get System GUID", run: getGUID},
		key(wire.App, 0x38): {name: "Get Channel Authentication Capabilities", min: 2, max: 2, run: authCapabilities},
		key(wire.App, 0x3b): {name: "Set Session Privilege Level", priv: privCallback, min: 1, max: 1, run: setPrivilege},
		key(wire.App, 0x3c): {name: "Close Session", priv: privCallback, min: 4, max: 5, once: true, run: closeSession},
		key(wire.App, 0x3d): {name: "Get Session Info", priv: privUser, min: 1, max: 5, run: sessionInfo},
		key(wire.App, 0x54): {name: "Get Channel Cipher Suites", min: 3, max: 3, run: cipherSuites},
	}
}

// getDeviceID returns all 15 bytes (20.1): FreeIPMI refuses 14.
func getDeviceID(*BMC, request) (byte, []byte) {
	return ccOK, []byte{
		0x20,       // device id
		0x01,       // revision 1, no device SDRs
		0x01, 0x00, // firmware 1.00, normal operation
		0x02, // IPMI 2.0
		deviceSupport,
		0, 0, 0, // manufacturer: none assigned
		0x54, 0x46, // product
		0, 0, 0, 0, // auxiliary firmware revision
	}
}

// resetBMC accepts Cold and Warm Reset: all sessions end, the BMC goes on
// listening. The asking session gets its answer first.
func resetBMC(b *BMC, _ request) (byte, []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sessions.removeAll()
	b.stopWatchdog()
	b.endProgress()
	b.parts.channel.now = b.parts.channel.kept
	return ccOK, nil
}

func selfTest(*BMC, request) (byte, []byte) { return ccOK, []byte{0x55, 0x00} }

func getGUID(b *BMC, _ request) (byte, []byte) {
	g, err := b.guid()
	if err != nil { // zeros would be taken for the machine's identity; not logged: whoever reaches the port may ask
		return ccBusy, nil
	}
	return ccOK, g[:]
}

// authCapabilities answers the first question of every client (22.13). There are
// no IPMI 1.5 authentication types: such a client stops at once.
func authCapabilities(b *BMC, r request) (byte, []byte) {
	if ch := r.data[0] & 0x0f; ch != lanChannel && ch != currentChannel {
		return ccDataInvalid, nil
	}
	if p := r.data[1] & 0x0f; p == 0 || p > 5 {
		return ccDataInvalid, nil
	}
	status := byte(0x04) // non-null user names only
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.kg != nil {
		status |= 0x20
	}
	if r.data[0]&0x80 == 0 { // asked in the IPMI 1.5 form
		return ccOK, []byte{lanChannel, 0, status &^ 0x20, 0, 0, 0, 0, 0}
	}
	return ccOK, []byte{lanChannel, 0x80, status, 0x02, 0, 0, 0, 0}
}

// cipherSuites lists the suites in pieces of 16 bytes (22.15).
func cipherSuites(b *BMC, r request) (byte, []byte) {
	if ch := r.data[0] & 0x0f; ch != lanChannel && ch != currentChannel {
		return ccDataInvalid, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []byte
	if r.data[2]&0x80 != 0 {
		for _, s := range b.suites {
			all = append(all, 0xc0, s.ID, s.Auth, 0x40|s.Integrity, 0x80|s.Crypt)
		}
	} else {
		all = b.algorithms()
	}
	from := min(int(r.data[2]&0x3f)*16, len(all))
	return ccOK, append([]byte{lanChannel}, all[from:min(from+16, len(all))]...)
}

// algorithms lists each algorithm once, without its combinations. b.mu is held.
func (b *BMC) algorithms() []byte {
	var all []byte
	seen := map[byte]bool{}
	add := func(a byte) {
		if !seen[a] {
			seen[a] = true
			all = append(all, a)
		}
	}
	for _, s := range b.suites {
		add(s.Auth)
	}
	for _, s := range b.suites {
		add(0x40 | s.Integrity)
	}
	for _, s := range b.suites {
		add(0x80 | s.Crypt)
	}
	return all
}

// setPrivilege raises or lowers the session's level (22.18); 0 only asks.
func setPrivilege(b *BMC, r request) (byte, []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	want := r.data[0] & 0x0f
	switch {
	case want == 0:
	case want == privCallback || want > 5:
		return ccDataInvalid, nil
	case want == 5: // OEM: no user has it
		return ccPrivNotUser, nil
	case want > r.session.limit:
		return ccPrivLimit, nil
	default:
		r.session.privilege = want
	}
	return ccOK, []byte{r.session.privilege}
}

// closeSession ends a session (22.19): one's own, or any with ADMIN.
func closeSession(b *BMC, r request) (byte, []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	id := binary.LittleEndian.Uint32(r.data)
	if id == 0 && len(r.data) == 5 {
		if s := b.sessions.byHandle(r.data[4]); s != nil {
			id = s.ex.ManagedID
		}
	}
	s := b.sessions.byID[id]
	if id == 0 || s == nil || s.stage != stageActive {
		return ccSessionID, nil
	}
	if s != r.session && r.session.privilege < privAdmin {
		return ccPrivilege, nil
	}
	b.sessions.remove(id, endCommand)
	return ccOK, nil
}

// sessionInfo answers Get Session Info (22.20): by index, handle or id.
func sessionInfo(b *BMC, r request) (byte, []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	b.sessions.sweep(now)
	var found *session
	switch sel := r.data[0]; {
	case sel == 0:
		found = r.session
	case sel == 0xff && len(r.data) == 5:
		found = b.sessions.byID[binary.LittleEndian.Uint32(r.data[1:])]
	case sel == 0xfe && len(r.data) == 2:
		found = b.sessions.byHandle(r.data[1])
	case sel < 0xfe && len(r.data) == 1:
		found = b.sessions.nth(int(sel))
	default:
		return ccLength, nil
	}
	head := []byte{0, min(maxEstablished, 0x3f), byte(min(b.sessions.active(), 0x3f))}
	if found == nil || found.stage != stageActive {
		return ccOK, head
	}
	return ccOK, found.describe(head)
}

// nth returns the nth active session in the order of their handles, from 1.
func (t *table) nth(n int) *session {
	for h := 1; h <= 255; h++ {
		if s := t.byHandle(byte(h)); s != nil {
			if n--; n == 0 {
				return s
			}
		}
	}
	return nil
}

// describe appends user, level, protocol, address, MAC and port of a LAN session.
func (s *session) describe(head []byte) []byte {
	head[0] = s.handle
	d := append(head, s.user, s.privilege, 0x10|lanChannel) // IPMI 2.0
	var ip [4]byte
	if a := s.src.Addr().Unmap(); a.Is4() {
		ip = a.As4()
	}
	d = append(d, ip[:]...)
	d = append(d, 0, 0, 0, 0, 0, 0) // the MAC is not known to a UDP server
	return binary.LittleEndian.AppendUint16(d, s.src.Port())
}
