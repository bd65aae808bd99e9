package ipmi

import (
	"crypto/hmac"
	"crypto/sha256"
)

// configUserID is the slot of the user in the configuration; slot 1 is the null
// user, which is never enabled.
const configUserID = 2

// payloadSOL is SOL's bit among the standard payloads: bit n is payload type n.
const payloadSOL = 1 << 1

// users are the user slots; today only the one of the configuration.
type users struct {
	name     string
	password [MaxPasswordLen]byte
}

// account is what the session layer needs to know of a user.
type account struct {
	id, limit byte // limit: highest privilege level
	password  [MaxPasswordLen]byte
	payloads  uint16
}

// userCommands are the user commands of App (22.26 to 22.30).
func userCommands() map[uint16]command { return nil }

func (b *BMC) loadUsers() error { return nil }

// configUser makes the configuration's user the one of slot 2 and reports whether
// that changed name or password. b.mu is held, or b is new.
func (b *BMC) configUser(name, password string) (changed bool) {
	u := users{name: name}
	copy(u.password[:], password)
	changed = u != b.parts.users
	b.parts.users = u
	return changed
}

// account finds a user by name; role is the role byte of RAKP 1 with its name-only
// bit 10h. Where known is false - no such user, or the role is above the limit - the
// password is a decoy, so that RAKP 2 does not tell who exists. b.mu is held.
func (b *BMC) account(name []byte, role byte) (a account, known bool) {
	given, ours := sha256.Sum256(name), sha256.Sum256([]byte(b.parts.users.name))
	mac := hmac.New(sha256.New, b.decoyKey[:])
	mac.Write(name)
	a = account{id: configUserID, limit: privAdmin, payloads: payloadSOL}
	copy(a.password[:], mac.Sum(nil))
	if known = hmac.Equal(given[:], ours[:]); known {
		a.password = b.parts.users.password
	}
	return a, known
}

// userPayloads tells which standard payloads a user may activate. b.mu is held.
func (b *BMC) userPayloads(id byte) uint16 {
	if id == configUserID {
		return payloadSOL
	}
	return 0
}
