package ipmi

import (
	"bytes"
	"crypto/subtle"
	"unicode"

	"trefoil/vbmc/ipmi/wire"
)

// Forms of a password (22.30).
const (
	shortPassword = 16
	longPassword  = 20
)

// Operations of Set User Password (22.30).
const (
	passwordDisable = iota
	passwordEnable
	passwordSet
	passwordTest
)

// Completion codes of a password test (22.30).
const (
	ccPasswordWrong = 0x80
	ccPasswordForm  = 0x81
)

// fixedNames is how many slots, from the first on, have a name that cannot be changed
// here: the null user and the configuration's.
const fixedNames = 2

// userCommands are the user commands of App (22.26 to 22.30).
func userCommands() map[uint16]command {
	return map[uint16]command{
		key(wire.App, 0x43): {name: "Set User Access", priv: privAdmin, min: 3, max: 4, waits: true, run: setUserAccess},
		key(wire.App, 0x44): {name: "Get User Access", priv: privOperator, min: 2, max: 2, run: getUserAccess},
		key(wire.App, 0x45): {name: "Set User Name", priv: privAdmin, min: 17, max: 17, waits: true, run: setUserName},
		key(wire.App, 0x46): {name: "Get User Name", priv: privOperator, min: 1, max: 1, run: getUserName},
		key(wire.App, 0x47): {name: "Set User Password", priv: privAdmin, min: 2, max: 22, waits: true, run: setUserPassword},
	}
}

// userID reads the number of a slot.
func userID(v byte) (id byte, ok bool) {
	id = v & 0x3f
	return id, id >= nullUserID && id <= maxUserID
}

// changeUser changes a slot, stores it and ends the other sessions of its user, if
// there was a change. b.mu is not held.
func (b *BMC) changeUser(r request, id byte, f func(u *user) (cc byte)) byte {
	var after user
	var changed bool
	cc := byte(ccOK)
	b.locked(func() {
		before := b.parts.users.get(id)
		after = before
		if cc = f(&after); cc != ccOK || after.equal(before) {
			return
		}
		changed = true
		b.parts.users.put(id, after)
		b.endSessions(id, r.session)
	})
	if !changed {
		return cc
	}
	b.log.Info("a user was changed over IPMI", "slot", id, "name", after.Name, "enabled", after.Enabled, "from", r.src)
	b.keepUsers()
	return ccOK
}

// setUserAccess sets privilege limit and access bits (22.26).
func setUserAccess(b *BMC, r request) (byte, []byte) {
	id, ok := userID(r.data[1])
	limit := r.data[2] & 0x0f
	switch {
	case !ok || id == nullUserID || !solChannel(r.data[0]):
		return ccDataInvalid, nil
	case limit != privNone && (limit < privCallback || limit > privAdmin):
		return ccDataInvalid, nil
	case len(r.data) == 4 && r.data[3]&0x0f != 0: // no limit of sessions for one user
		return ccDataInvalid, nil
	}
	return b.changeUser(r, id, func(u *user) byte {
		bits := u.Access & accessBits
		if r.data[0]&0x80 != 0 {
			bits = r.data[0] & accessBits
		}
		u.Access = bits | limit
		return ccOK
	}), nil
}

// getUserAccess tells of a slot, and how many there are (22.27).
func getUserAccess(b *BMC, r request) (byte, []byte) {
	id, ok := userID(r.data[1])
	if !ok || !solChannel(r.data[0]) {
		return ccDataInvalid, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var enabled byte
	for _, i := range userIDs() {
		if b.parts.users.get(i).Enabled {
			enabled++
		}
	}
	u := b.parts.users.get(id)
	status := byte(0x80)
	if u.Enabled {
		status = 0x40
	}
	if id == nullUserID {
		u.Access = privNone
	}
	return ccOK, []byte{maxUserID, status | enabled, fixedNames, u.Access}
}

// setUserName names a slot (22.28). An empty name frees it, with all that belonged to
// the user before.
func setUserName(b *BMC, r request) (byte, []byte) {
	id, ok := userID(r.data[0])
	raw, _, _ := bytes.Cut(r.data[1:], []byte{0})
	if !ok || bytes.ContainsFunc(raw, func(c rune) bool { return c < ' ' || c > '~' }) {
		return ccDataInvalid, nil
	}
	name := string(raw)
	return b.changeUser(r, id, func(u *user) byte {
		switch {
		case name == u.Name:
		case id <= fixedNames || name != "" && b.nameTaken(name, id):
			return ccDataInvalid
		case name == "":
			*u = unused()
		default:
			u.Name = name
		}
		return ccOK
	}), nil
}

// getUserName returns a slot's name (22.29).
func getUserName(b *BMC, r request) (byte, []byte) {
	id, ok := userID(r.data[0])
	if !ok {
		return ccDataInvalid, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]byte, MaxNameLen)
	copy(out, b.parts.users.get(id).Name)
	return ccOK, out
}

// setUserPassword enables or disables a user, sets a password or tests one (22.30).
func setUserPassword(b *BMC, r request) (byte, []byte) {
	id, ok := userID(r.data[0])
	if !ok {
		return ccDataInvalid, nil
	}
	op, password := r.data[1]&3, r.data[2:]
	form := byte(shortPassword)
	if r.data[0]&0x80 != 0 {
		form = longPassword
	}
	if op >= passwordSet && len(password) != int(form) {
		return ccLength, nil
	}
	if id == nullUserID && op != passwordDisable {
		return ccDataInvalid, nil
	}
	switch op {
	case passwordTest:
		return b.testPassword(id, password, form), nil
	case passwordSet:
		return b.newPassword(r, id, password, form), nil
	}
	return b.changeUser(r, id, func(u *user) byte {
		u.Enabled = op == passwordEnable
		return ccOK
	}), nil
}

// testPassword compares a password with a user's.
func (b *BMC) testPassword(id byte, password []byte, form byte) byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	u := b.parts.users.get(id)
	if u.Form != 0 && u.Form != form {
		return ccPasswordForm
	}
	var given, ours [MaxPasswordLen]byte
	copy(given[:], password)
	copy(ours[:], u.Password)
	if u.Password == nil || subtle.ConstantTimeCompare(given[:], ours[:]) != 1 {
		return ccPasswordWrong
	}
	return ccOK
}

// newPassword sets a password. The configuration's user gets it in the configuration
// first: otherwise the next restart would bring the old one back.
func (b *BMC) newPassword(r request, id byte, password []byte, form byte) byte {
	text := bytes.TrimRight(password, "\x00")
	if id == configUserID {
		if cc := b.configPassword(r, text); cc != ccOK {
			return cc
		}
	}
	return b.changeUser(r, id, func(u *user) byte {
		if id == configUserID {
			b.parts.users.origin = originOf(u.Name, string(text))
		}
		u.setPassword(password, form)
		return ccOK
	})
}

// configPassword puts a password into the configuration. b.mu is not held: storing it
// may well end in Update.
func (b *BMC) configPassword(r request, text []byte) byte {
	switch {
	case b.passwordSet == nil:
		b.log.Warn("the configuration's password cannot be changed over IPMI", "from", r.src)
		return ccWrongState
	case bytes.ContainsFunc(text, unicode.IsControl): // would break a line of the file
		return ccDataInvalid
	}
	us := &b.parts.users
	var name string
	var before [32]byte
	b.locked(func() {
		name, before = us.config.Name, us.origin
		us.origin = originOf(name, string(text)) // Update of the same is no change then, and ends no session
	})
	err := b.passwordSet(name, string(text))
	if err == nil {
		return ccOK
	}
	b.log.Error("password is not stored", "user", name, "reason", err)
	b.locked(func() { us.origin = before })
	return ccUnspecified
}
