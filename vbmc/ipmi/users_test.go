package ipmi

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"testing"

	"trefoil/vbmc/domain/fake"
	"trefoil/vbmc/ipmi/wire"
)

// userRow is one request about users and its answer.
type userRow struct {
	name string
	cmd  byte
	data []byte
	cc   byte
	want []byte
}

func checkUsers(t *testing.T, c *client, rows []userRow) {
	t.Helper()
	for _, r := range rows {
		cc, d := c.call(wire.App, r.cmd, r.data...)
		want(t, r.name, cc, d, r.cc, r.want...)
	}
}

// field is a text, padded with zeros, behind the bytes before it.
func field(size int, text string, before ...byte) []byte {
	return append(before, append([]byte(text), zeros(size-len(text))...)...)
}

// maas makes a user as MAAS does: name, password, enable, access.
func maas(id byte, name, password string, level byte) []userRow {
	return []userRow{
		{"set name", 0x45, field(16, name, id), ccOK, nil},
		{"set password", 0x47, field(20, password, 0x80|id, passwordSet), ccOK, nil},
		{"enable", 0x47, []byte{id, passwordEnable}, ccOK, nil},
		{"access", 0x43, []byte{0x91, id, level}, ccOK, nil},
	}
}

func login(t *testing.T, b *BMC, name, password string, role byte) wire.Status {
	t.Helper()
	c := newClient(t, b, wire.Suite17())
	c.src = netip.MustParseAddrPort("192.0.2.8:40000")
	return c.login(name, password, role)
}

func TestUserCommands(t *testing.T) {
	c := local(t, newRig(t).BMC)
	checkUsers(t, c, []userRow{
		{"the configuration's user", 0x44, []byte{1, 2}, ccOK, []byte{15, 0x41, 2, 0x34}},
		{"its name", 0x46, []byte{2}, ccOK, field(16, "admin")},
		{"the null user", 0x44, []byte{1, 1}, ccOK, []byte{15, 0x81, 2, 0x0f}},
		{"an unused slot", 0x44, []byte{0x0e, 3}, ccOK, []byte{15, 0x81, 2, 0x1f}},
		{"its name", 0x46, []byte{3}, ccOK, zeros(16)},
		{"slot 0", 0x44, []byte{1, 0}, ccDataInvalid, nil},
		{"slot 16", 0x46, []byte{16}, ccDataInvalid, nil},
		{"another channel", 0x44, []byte{2, 2}, ccDataInvalid, nil},
	})
	checkUsers(t, c, maas(3, "maas", "a password of 20 byt", privAdmin))
	checkUsers(t, c, []userRow{
		{"made", 0x44, []byte{1, 3}, ccOK, []byte{15, 0x42, 2, 0x14}},
		{"named", 0x46, []byte{3}, ccOK, field(16, "maas")},
		{"right password", 0x47, field(20, "a password of 20 byt", 0x83, passwordTest), ccOK, nil},
		{"wrong password", 0x47, field(20, "b password of 20 byt", 0x83, passwordTest), ccPasswordWrong, nil},
		{"wrong form", 0x47, field(16, "a password of 20", 3, passwordTest), ccPasswordForm, nil},
		{"configuration's in 16 bytes", 0x47, field(16, "secret", 2, passwordTest), ccOK, nil},
		{"configuration's in 20 bytes", 0x47, field(20, "secret", 0x82, passwordTest), ccOK, nil},
		{"never set", 0x47, field(16, "", 4, passwordTest), ccPasswordWrong, nil},
		{"short password", 0x47, field(16, "x", 0x83, passwordSet), ccLength, nil},
		{"limit without bits", 0x43, []byte{1, 3, privUser}, ccOK, nil},
		{"bits stay", 0x44, []byte{1, 3}, ccOK, []byte{15, 0x42, 2, 0x12}},
		{"bits change", 0x43, []byte{0xf1, 3, privUser, 0}, ccOK, nil},
		{"bits are", 0x44, []byte{1, 3}, ccOK, []byte{15, 0x42, 2, 0x72}},
		{"OEM level", 0x43, []byte{1, 3, 5}, ccDataInvalid, nil},
		{"no level", 0x43, []byte{1, 3, 0}, ccDataInvalid, nil},
		{"session limit", 0x43, []byte{1, 3, privUser, 1}, ccDataInvalid, nil},
		{"access of the null user", 0x43, []byte{1, 1, privUser}, ccDataInvalid, nil},
		{"name of the null user", 0x45, field(16, "x", 1), ccDataInvalid, nil},
		{"null user enabled", 0x47, []byte{1, passwordEnable}, ccDataInvalid, nil},
		{"null user disabled", 0x47, []byte{1, passwordDisable}, ccOK, nil},
		{"name of the configuration's user", 0x45, field(16, "root", 2), ccDataInvalid, nil},
		{"the same name", 0x45, field(16, "admin", 2), ccOK, nil},
		{"a name twice", 0x45, field(16, "admin", 4), ccDataInvalid, nil},
		{"a name that is none", 0x45, field(16, "a\nb", 4), ccDataInvalid, nil},
		{"short name", 0x45, []byte{4, 'a'}, ccLength, nil},
		{"disable", 0x47, field(16, "", 3, passwordDisable), ccOK, nil},
		{"disabled", 0x44, []byte{1, 3}, ccOK, []byte{15, 0x81, 2, 0x72}},
		{"freed", 0x45, field(16, "", 3), ccOK, nil},
		{"free", 0x44, []byte{1, 3}, ccOK, []byte{15, 0x81, 2, 0x1f}},
		{"its password went too", 0x47, field(20, "a password of 20 byt", 0x83, passwordTest), ccPasswordWrong, nil},
	})
}

// TestNewUserLogsIn: only when all of it was set, and over a restart.
func TestNewUserLogsIn(t *testing.T) {
	store := NewMemStore()
	r := newRig(t).restarted(t, store)
	c := local(t, r.BMC)
	for _, row := range maas(3, "maas", "pw", privAdmin) {
		if st := login(t, r.BMC, "maas", "pw", 0x10|privAdmin); st == wire.StatusOK {
			t.Fatalf("is let in before %s", row.name)
		}
		checkUsers(t, c, []userRow{row})
	}
	checkUsers(t, c, append(maas(5, "watcher", "look", privUser), maas(6, "off", "off", privNone)...))
	for name, b := range map[string]*BMC{"at once": r.BMC, "after a restart": r.restarted(t, store).BMC} {
		for _, tc := range []struct {
			user, password string
			role           byte
			in             bool
		}{
			{"maas", "pw", privAdmin, true},
			{"maas", "pw", 0x10 | privAdmin, true},
			{"maas", "pw", 0x10, true},
			{"maas", "secret", privAdmin, false},
			{"admin", "secret", privAdmin, true},
			{"watcher", "look", privUser, true},
			{"watcher", "look", 0, true},
			{"watcher", "look", privAdmin, false},
			{"watcher", "look", 0x10 | privOperator, false},
			{"off", "off", privUser, false},
			{"", "", privUser, false},
		} {
			if st := login(t, b, tc.user, tc.password, tc.role); (st == wire.StatusOK) != tc.in {
				t.Errorf("%s: %s with role %#x: %#x", name, tc.user, tc.role, st)
			}
		}
	}
}

// TestLimitOfAUser: the highest level that is asked for is the user's limit.
func TestLimitOfAUser(t *testing.T) {
	r := newRig(t)
	checkUsers(t, local(t, r.BMC), maas(3, "watcher", "look", privUser))
	c := newClient(t, r.BMC, wire.Suite17())
	if st := c.login("watcher", "look", 0x10); st != wire.StatusOK {
		t.Fatalf("%#x", st)
	}
	cc, _ := c.call(wire.App, 0x3b, privOperator)
	want(t, "above the limit", cc, nil, ccPrivLimit)
	cc, _ = c.call(wire.Chassis, 2, 1)
	want(t, "power", cc, nil, ccPrivilege)
	cc, d := c.call(wire.App, 0x3d, 0)
	if cc != ccOK || d[3] != 3 {
		t.Errorf("session info: %#x % x, want user 3", cc, d)
	}
	checkUsers(t, c, []userRow{{"users as USER", 0x44, []byte{1, 3}, ccPrivilege, nil}})
}

// TestRefusedUsersLookAlike: RAKP 2 does not tell a user that may not from none.
func TestRefusedUsersLookAlike(t *testing.T) {
	r := newRig(t)
	checkUsers(t, local(t, r.BMC), maas(3, "watcher", "look", privUser))
	for _, name := range []string{"watcher", "nobody", "admin"} {
		c := newClient(t, r.BMC, wire.Suite17())
		c.open()
		d := c.setup(wire.PayloadRAKP1, c.rakp1Payload(privAdmin, name))
		if wire.Status(d[1]) != wire.StatusOK || len(d) != 72 {
			t.Errorf("%s: % x", name, d)
		}
	}
}

// TestSessionsOfAChangedUserEnd, but not the one that asked nor those of others.
func TestSessionsOfAChangedUserEnd(t *testing.T) {
	for name, row := range map[string]userRow{
		"disabled":     {"", 0x47, []byte{3, passwordDisable}, ccOK, nil},
		"new password": {"", 0x47, field(20, "other", 0x83, passwordSet), ccOK, nil},
		"lower limit":  {"", 0x43, []byte{1, 3, privOperator}, ccOK, nil},
		"freed":        {"", 0x45, field(16, "", 3), ccOK, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			first := local(t, r.BMC)
			checkUsers(t, first, maas(3, "maas", "pw", privAdmin))
			c := newClient(t, r.BMC, wire.Suite17())
			c.src = netip.MustParseAddrPort("192.0.2.8:40000")
			c.login("maas", "pw", privAdmin)
			half := newClient(t, r.BMC, wire.Suite17())
			half.open()
			half.setup(wire.PayloadRAKP1, half.rakp1Payload(privAdmin, "maas"))
			checkUsers(t, first, maas(3, "maas", "pw", privAdmin)) // changes nothing
			if cc, _ := c.call(wire.App, 0x04); cc != ccOK {
				t.Fatalf("no change: %#x", cc)
			}
			checkUsers(t, first, []userRow{row})
			if c.exchange(c.packet(wire.App, 0x04)) != nil {
				t.Error("still answers")
			}
			if st := r.Stats(); st.Sessions != 1 || st.HalfOpen != 0 {
				t.Errorf("sessions: %+v", st)
			}
		})
	}
}

func TestAskingSessionStays(t *testing.T) {
	r := newRig(t)
	c := local(t, r.BMC)
	checkUsers(t, c, maas(3, "maas", "pw", privAdmin))
	own := newClient(t, r.BMC, wire.Suite17())
	own.login("maas", "pw", privAdmin)
	own.call(wire.App, 0x3b, privAdmin)
	checkUsers(t, own, []userRow{
		{"own password", 0x47, field(16, "new", 3, passwordSet), ccOK, nil},
		{"goes on", 0x47, field(16, "new", 3, passwordTest), ccOK, nil},
	})
}

// TestConfigurationsPassword: it is changed where it is stored, or not at all.
func TestConfigurationsPassword(t *testing.T) {
	set := []userRow{{"", 0x47, field(16, "changed", 2, passwordSet), ccOK, nil}}
	var b *BMC
	var got []string
	var fails error
	conf := Config{Machine: fake.New([16]byte{1}), Username: "admin", Password: "secret"}
	conf.PasswordSet = func(name, password string) error {
		if fails != nil {
			return fails
		}
		got = append(got, name, password)
		return b.Update(Credentials{Username: name, Password: password}) // as a manager that reads the file again
	}
	b, err := New(conf)
	if err != nil {
		t.Fatal(err)
	}
	c := local(t, b)
	fails = errors.New("disk is full")
	set[0].cc = ccUnspecified
	checkUsers(t, c, set)
	if st := login(t, b, "admin", "secret", privAdmin); st != wire.StatusOK {
		t.Errorf("old password after a failure: %#x", st)
	}
	fails, set[0].cc = nil, ccOK
	checkUsers(t, c, set)
	checkUsers(t, c, []userRow{{"a second line", 0x47, field(16, "x\ny=1", 2, passwordSet), ccDataInvalid, nil}})
	if len(got) != 2 || got[0] != "admin" || got[1] != "changed" {
		t.Errorf("stored %q", got)
	}
	if st := login(t, b, "admin", "changed", privAdmin); st != wire.StatusOK {
		t.Errorf("new password: %#x", st)
	}
	set[0].cc = ccWrongState
	checkUsers(t, local(t, newRig(t).BMC), set) // nobody to store it
}

// TestEditWins: who locked the configuration's user out gets in again by an edit.
func TestEditWins(t *testing.T) {
	store := NewMemStore()
	r := newRig(t).restarted(t, store)
	checkUsers(t, local(t, r.BMC), []userRow{{"disable", 0x47, []byte{2, passwordDisable}, ccOK, nil}})
	if st := login(t, r.restarted(t, store).BMC, "admin", "secret", privAdmin); st == wire.StatusOK {
		t.Error("the restart enabled a disabled user")
	}
	edited, err := New(Config{Machine: r.m, Username: "admin", Password: "edited", Store: store})
	if err != nil {
		t.Fatal(err)
	}
	if st := login(t, edited, "admin", "edited", privAdmin); st != wire.StatusOK {
		t.Errorf("after an edit: %#x", st)
	}
}

// TestEditIsStored: an edit back to the old password does not bring old locks back.
func TestEditIsStored(t *testing.T) {
	store := NewMemStore()
	r := newRig(t).restarted(t, store)
	done := make(chan struct{}, 2)
	checkUsers(t, local(t, r.BMC), []userRow{{"disable", 0x47, []byte{2, passwordDisable}, ccOK, nil}})
	r.BMC.store = savedStore{store, done}
	for _, p := range []string{"edited", "secret"} {
		if err := r.Update(Credentials{Username: "admin", Password: p}); err != nil {
			t.Fatal(err)
		}
		<-done
	}
	if st := login(t, r.restarted(t, store).BMC, "admin", "secret", privAdmin); st != wire.StatusOK {
		t.Errorf("after the restart: %#x", st)
	}
}

// savedStore tells of every save.
type savedStore struct {
	Store
	done chan struct{}
}

func (s savedStore) Save(name string, data []byte) error {
	err := s.Store.Save(name, data)
	s.done <- struct{}{}
	return err
}

func TestStoredUsersAreChecked(t *testing.T) {
	store := NewMemStore()
	bad := `{"More":{"1":{"Name":"root","Enabled":true},"2":{"Name":"x"},"16":{"Name":"y"},"4":{"Name":"longer than sixteen"},"5":{"Name":"ok"}}}`
	if err := store.Save("users", []byte(bad)); err != nil {
		t.Fatal(err)
	}
	us := newRig(t).restarted(t, store).parts.users
	if len(us.more) != 1 || us.more[5].Name != "ok" || us.config.Name != "admin" {
		t.Errorf("%+v", us)
	}
}

func FuzzUserCommands(f *testing.F) {
	f.Add(byte(0x47), []byte("\x83\x02secret"))
	f.Add(byte(0x45), field(16, "maas", 3))
	f.Fuzz(func(t *testing.T, cmd byte, data []byte) {
		b, err := New(Config{Machine: fake.New([16]byte{1}), Username: "admin", Password: "secret"})
		if err != nil {
			t.Fatal(err)
		}
		for k, c := range userCommands() {
			if byte(k) != cmd || len(data) < c.min || len(data) > c.max {
				continue
			}
			cc, out := c.run(b, request{ctx: context.Background(), data: bytes.Clone(data)})
			if cc != ccOK && out != nil {
				t.Errorf("%s: %#x with data % x", c.name, cc, out)
			}
		}
		if b.parts.users.get(nullUserID).barred() == "" {
			t.Error("the null user may log in")
		}
	})
}

// One user with all the sessions that it can get does not keep the others out.
func TestOneUserKeepsNobodyOut(t *testing.T) {
	r := newRig(t)
	first := local(t, r.BMC)
	checkUsers(t, first, maas(3, "maas", "pw", privUser))
	for i := range maxEstablished + 8 {
		c := newClient(t, r.BMC, wire.Suite17())
		c.src = netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), 5000)
		st := c.login("maas", "pw", privUser)
		if want := map[bool]wire.Status{true: wire.StatusOK, false: wire.StatusNoResources}[i < maxPerUser]; st != want {
			t.Fatalf("login %d: status %#x, want %#x", i, st, want)
		}
	}
	newClient(t, r.BMC, wire.Suite17()).mustLogin(privAdmin)
}
