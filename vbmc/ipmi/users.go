package ipmi

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"slices"
)

// User slots (22.26): the null user, which is never enabled, the user of the
// configuration, and those that are made over IPMI.
const (
	nullUserID   = 1
	configUserID = 2
	maxUserID    = 15
)

// payloadSOL is SOL's bit among the standard payloads: bit n is payload type n.
const payloadSOL = 1 << 1

// Access byte of a user (22.26, 22.27).
const (
	accessCallbackOnly = 0x40
	accessLinkAuth     = 0x20
	accessMessaging    = 0x10
	accessBits         = accessCallbackOnly | accessLinkAuth | accessMessaging
	privNone           = 0x0f // "no access"
)

// user is one slot.
type user struct {
	Name     string
	Password []byte // without trailing zeros; nil: never set, which lets nobody in
	Form     byte   // 16 or 20: how the password was set; 0: either
	Enabled  bool
	Access   byte
}

// unused is a slot that nobody set up: to be let in, a user needs all of name,
// password, enabling and a privilege level.
func unused() user { return user{Access: accessMessaging | privNone} }

func (u user) limit() byte { return u.Access & 0x0f }

// barred is why a session may not be opened by this user at all; "": it may.
func (u user) barred() string {
	switch {
	case !u.Enabled:
		return "disabled"
	case u.Password == nil:
		return "without a password"
	case u.Access&accessMessaging == 0:
		return "without access to IPMI"
	case u.limit() > privAdmin:
		return "without a privilege level"
	}
	return ""
}

func (u user) equal(o user) bool {
	return u.Name == o.Name && bytes.Equal(u.Password, o.Password) && u.Form == o.Form &&
		u.Enabled == o.Enabled && u.Access == o.Access
}

// users are the slots. Only those in use take memory: a daemon has thousands of BMCs.
type users struct {
	config user
	origin [32]byte // hash of name and password in the configuration
	more   map[byte]user
}

// get returns a slot.
func (us *users) get(id byte) user {
	if id == configUserID {
		return us.config
	}
	if u, ok := us.more[id]; ok {
		return u
	}
	return unused()
}

// put fills a slot.
func (us *users) put(id byte, u user) {
	switch {
	case id == configUserID:
		us.config = u
	case u.Name == "" && !u.Enabled && u.Password == nil && u.Access == unused().Access:
		delete(us.more, id)
	default:
		if us.more == nil {
			us.more = map[byte]user{}
		}
		us.more[id] = u
	}
}

// account is what the session layer needs to know of a user.
type account struct {
	id, limit byte // limit: highest privilege level
	password  [MaxPasswordLen]byte
}

// storedUsers is "users" in the store. The configuration's user is kept without its
// name and password: they are in the configuration.
type storedUsers struct {
	Origin  []byte
	Enabled bool
	Access  byte
	More    map[byte]user
}

// loadUsers reads the slots back. An edit of the configuration's user since then wins
// over what was set over IPMI, so that whoever locked it out has a way back.
func (b *BMC) loadUsers() error {
	var s storedUsers
	found, err := b.recall("users", &s)
	if !found || err != nil {
		return err
	}
	us := &b.parts.users
	if bytes.Equal(s.Origin, us.origin[:]) {
		us.config.Enabled, us.config.Access = s.Enabled, s.Access
	}
	for id, u := range s.More {
		if id > configUserID && id <= maxUserID && len(u.Name) <= MaxNameLen && len(u.Password) <= MaxPasswordLen {
			us.put(id, u)
		}
	}
	return nil
}

// keepUsers stores the slots. b.mu is not held.
func (b *BMC) keepUsers() {
	b.keep("users", func() any {
		us := &b.parts.users
		return storedUsers{Origin: us.origin[:], Enabled: us.config.Enabled, Access: us.config.Access, More: us.more}
	})
}

// configUser makes the configuration's user the one of slot 2 and reports whether
// that changed name or password. b.mu is held, or b is new.
func (b *BMC) configUser(name, password string) (changed bool) {
	us := &b.parts.users
	origin := originOf(name, password)
	if origin == us.origin {
		return false
	}
	if us.origin != [32]byte{} { // an edit: what is stored of the user before is over
		b.after(0, b.keepUsers)
	}
	us.origin = origin
	us.config = user{Name: name, Enabled: true, Access: accessLinkAuth | accessMessaging | privAdmin}
	us.config.setPassword([]byte(password), 0)
	if len(password) > shortPassword {
		us.config.Form = longPassword
	}
	return true
}

func originOf(name, password string) [32]byte {
	return sha256.Sum256([]byte(name + "\x00" + password))
}

// setPassword takes a password, padded with zeros or not.
func (u *user) setPassword(p []byte, form byte) {
	u.Password, u.Form = append([]byte{}, bytes.TrimRight(p, "\x00")...), form
}

// padded is a name in a form that can be compared in constant time.
func padded(name []byte) (p [MaxNameLen + 1]byte) {
	p[0] = byte(len(name))
	copy(p[1:], name)
	return p
}

// account finds a user by name; role is the role byte of RAKP 1 with its name-only
// bit 10h. With the bit the first user of that name counts, without it the first whose
// limit allows the role. denied is why there is none, for our log only: the password is a
// decoy then, so that RAKP 2 does not tell who exists. b.mu is held.
func (b *BMC) account(name []byte, role byte) (a account, denied string) {
	mac := hmac.New(sha256.New, b.decoyKey[:])
	mac.Write(name)
	a = account{limit: privAdmin}
	copy(a.password[:], mac.Sum(nil))
	id, given := byte(0), padded(name)
	denied = "no such user"
	for i := byte(maxUserID); i >= configUserID; i-- { // all of them: the time tells nothing
		u := b.parts.users.get(i)
		ours := padded([]byte(u.Name))
		same := subtle.ConstantTimeCompare(given[:], ours[:]) == 1
		switch why := u.barred(); {
		case !same || u.Name == "":
		case why != "":
			denied = "the user is " + why
		case role&0x10 == 0 && role&0x0f > u.limit():
			denied = aboveLimit
		default:
			id = i
		}
	}
	u := b.parts.users.get(id)
	switch {
	case id == 0:
		return a, denied
	case role&0x0f > u.limit():
		return a, aboveLimit
	}
	a = account{id: id, limit: u.limit()}
	copy(a.password[:], u.Password)
	return a, ""
}

// aboveLimit is of who asks for more than the user may. ipmitool asks for ADMINISTRATOR
// unless told otherwise.
const aboveLimit = "the user may not have the privilege level that was asked for (ipmitool -L)"

// Lockout is what keeps the configuration's user from being ADMINISTRATOR.
type Lockout struct {
	Why   string // "": nothing
	Level byte   // the highest privilege level that it still gets (6.8); 0: none
	Lasts bool   // also when the BMC starts anew
}

// Lockout tells what was set over IPMI and has nobody in with the right password. Clients
// cannot tell that from a wrong one.
func (b *BMC) Lockout() Lockout {
	b.mu.Lock()
	defer b.mu.Unlock()
	u, channel := b.parts.users.config, b.parts.channel.now.limit
	switch why := u.barred(); {
	case why != "":
		return Lockout{"user " + u.Name + " is " + why + ", as it was set over IPMI", 0, true}
	case u.limit() < privAdmin:
		return Lockout{"user " + u.Name + " is limited to " + levelName(u.limit()) + ", as it was set over IPMI", min(channel, u.limit()), true}
	case channel < privAdmin:
		return Lockout{"all users are limited to " + levelName(channel) + ", as it was set over IPMI until the BMC starts anew", channel, false}
	}
	return Lockout{Level: privAdmin}
}

// levelName is a privilege level up to ADMINISTRATOR.
func levelName(level byte) string {
	return [...]string{"none", "CALLBACK", "USER", "OPERATOR", "ADMINISTRATOR"}[level]
}

// userPayloads tells which standard payloads a user may activate. b.mu is held.
func (b *BMC) userPayloads(id byte) uint16 {
	if b.parts.users.get(id).Name == "" {
		return 0
	}
	return payloadSOL
}

// endSessions ends the sessions of a user that was changed, those being set up too.
// The one that asked for it, if one did, stays: its client goes on with the next
// setting. b.mu is held.
func (b *BMC) endSessions(id byte, asking *session) {
	for n, s := range b.sessions.byID {
		if s.user == id && s != asking {
			b.sessions.remove(n, endChange)
		}
	}
}

// nameTaken tells whether another slot has a name. b.mu is held.
func (b *BMC) nameTaken(name string, id byte) bool {
	return slices.ContainsFunc(userIDs(), func(i byte) bool {
		return i != id && b.parts.users.get(i).Name == name
	})
}

// userIDs are the slots of users that may have a name.
func userIDs() []byte {
	var ids []byte
	for i := byte(configUserID); i <= maxUserID; i++ {
		ids = append(ids, i)
	}
	return ids
}
