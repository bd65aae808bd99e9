package ipmi

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"trefoil/vbmc/ipmi/wire"
)

// deniedRows are what is set over IPMI and who is not let in then, whatever the password.
func deniedRows() map[string]struct {
	rows   []userRow
	name   string
	role   byte
	reason string
} {
	type row = struct {
		rows   []userRow
		name   string
		role   byte
		reason string
	}
	return map[string]row{
		"nobody":      {nil, "nobody", privAdmin, "no such user"},
		"disabled":    {[]userRow{{"disable", 0x47, []byte{2, passwordDisable}, ccOK, nil}}, "admin", privAdmin, "the user is disabled"},
		"no IPMI":     {[]userRow{{"ipmi=off", 0x43, []byte{0x81, 2, privAdmin}, ccOK, nil}}, "admin", privAdmin, "the user is without access to IPMI"},
		"no level":    {[]userRow{{"priv 15", 0x43, []byte{1, 2, privNone}, ccOK, nil}}, "admin", privAdmin, "the user is without a privilege level"},
		"OPERATOR":    {[]userRow{{"priv 3", 0x43, []byte{1, 2, privOperator}, ccOK, nil}}, "admin", privAdmin, aboveLimit},
		"by its name": {[]userRow{{"priv 3", 0x43, []byte{1, 2, privOperator}, ccOK, nil}}, "admin", 0x10 | privAdmin, aboveLimit},
		"a new user":  {maas(3, "maas", "secret", privUser), "maas", privOperator, aboveLimit},
		"no password": {append(maas(3, "maas", "", privUser)[:1], userRow{"enable", 0x47, []byte{3, passwordEnable}, ccOK, nil}), "maas", privUser, "the user is without a password"},
		"the right":   {nil, "admin", privAdmin, "wrong password"},
		"within":      {maas(3, "maas", "secret", privUser), "maas", privUser, "wrong password"},
	}
}

// A client is told the same whether its password is wrong or its user is not let in: the log
// knows which, of those that leave by themselves and of those that are refused.
func TestWhoIsDeniedIsToldInTheLogWithTheReason(t *testing.T) {
	for name, tc := range deniedRows() {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			checkUsers(t, local(t, r.BMC), tc.rows)
			var log bytes.Buffer
			r.log = slog.New(slog.NewTextHandler(&log, nil))
			if st := login(t, r.BMC, tc.name, "not the password", tc.role); st != wire.StatusBadCheckValue {
				t.Errorf("the client is told %#x", st)
			}
			if said := log.String(); !strings.Contains(said, `"IPMI login refused: `+tc.reason+`"`) || !strings.Contains(said, "user="+tc.name) {
				t.Errorf("refused: %s", said)
			}
			log.Reset()
			c := newClient(t, r.BMC, wire.Suite17())
			c.open()
			if a := c.setup(wire.PayloadRAKP1, c.rakp1Payload(tc.role, tc.name)); wire.Status(a[1]) != wire.StatusOK {
				t.Fatalf("RAKP 1: %#x", a[1])
			}
			r.now = r.now.Add(setupTime + time.Second)
			r.Stats()
			if said := log.String(); !strings.Contains(said, `"IPMI login not completed: `) || !strings.Contains(said, tc.reason) {
				t.Errorf("not completed: %s", said)
			}
		})
	}
}

// What keeps the configuration's user out is known, with how far it comes; a new password
// of the configuration ends it.
func TestLockout(t *testing.T) {
	for name, tc := range map[string]struct {
		cmd    byte
		data   []byte
		reason string
		level  byte
		lasts  bool
	}{
		"nothing":       {0x44, []byte{1, 2}, "", privAdmin, false},
		"disabled":      {0x47, []byte{2, passwordDisable}, "user admin is disabled", 0, true},
		"no IPMI":       {0x43, []byte{0x81, 2, privAdmin}, "user admin is without access to IPMI", 0, true},
		"a level":       {0x43, []byte{1, 2, privOperator}, "user admin is limited to OPERATOR", privOperator, true},
		"the channel's": {0x40, []byte{1, 0, 0x80 | privUser}, "all users are limited to USER", privUser, false},
		"another user":  {0x47, []byte{3, passwordDisable}, "", privAdmin, false},
	} {
		t.Run(name, func(t *testing.T) {
			store := NewMemStore()
			r := newRig(t).restarted(t, store)
			cc, d := local(t, r.BMC).call(wire.App, tc.cmd, tc.data...)
			if cc != ccOK {
				t.Fatalf("%#x %x", cc, d)
			}
			if l := r.Lockout(); !strings.HasPrefix(l.Why, tc.reason) || (l.Why == "") != (tc.reason == "") || l.Level != tc.level || l.Lasts != tc.lasts {
				t.Errorf("%+v", l)
			}
			again := r.restarted(t, store)
			if l := again.Lockout(); (l.Why != "") != tc.lasts {
				t.Errorf("after a restart: %+v", l)
			}
			if err := again.Update(Credentials{Username: "admin", Password: "another"}); err != nil || again.Lockout().Why != "" {
				t.Errorf("after an edit: %v, %+v", err, again.Lockout())
			}
		})
	}
}
