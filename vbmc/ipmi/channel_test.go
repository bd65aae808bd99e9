package ipmi

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"trefoil/vbmc/domain/fake"
	"trefoil/vbmc/ipmi/wire"
)

type row struct {
	what string
	cmd  byte
	data []byte
	cc   byte
	want []byte
}

func (c *client) rows(t *testing.T, rows []row) {
	t.Helper()
	for _, x := range rows {
		cc, d := c.call(wire.App, x.cmd, x.data...)
		want(t, x.what, cc, d, x.cc, x.want...)
	}
}

func TestChannelInfo(t *testing.T) {
	admin(t, newRig(t)).rows(t, []row{
		{"IPMB", 0x42, []byte{0}, ccOK, []byte{0, 1, 1, 0, 0xf2, 0x1b, 0, 0, 0}},
		{"LAN", 0x42, []byte{1}, ccOK, []byte{1, 4, 1, 0x81, 0xf2, 0x1b, 0, 0, 0}},
		{"this one", 0x42, []byte{0x0e}, ccOK, []byte{1, 4, 1, 0x81, 0xf2, 0x1b, 0, 0, 0}},
		{"system interface", 0x42, []byte{0x0f}, ccOK, []byte{0x0f, 0x0c, 5, 0, 0xf2, 0x1b, 0, 0xff, 0xff}},
		{"one that is not there", 0x42, []byte{2}, ccDataInvalid, nil},
	})
}

func TestChannelAccess(t *testing.T) {
	r := newRig(t)
	store := NewMemStore()
	r = r.restarted(t, store)
	admin(t, r).rows(t, []row{
		{"lasting at first", 0x41, []byte{1, 0x40}, ccOK, []byte{0x22, 4}},
		{"present at first", 0x41, []byte{0x0e, 0x80}, ccOK, []byte{0x22, 4}},
		{"get without a place", 0x41, []byte{1, 0}, ccDataInvalid, nil},
		{"get IPMB", 0x41, []byte{0, 0x80}, ccSessionLess, nil},
		{"get system interface", 0x41, []byte{0x0f, 0x80}, ccSessionLess, nil},
		{"get none", 0x41, []byte{7, 0x80}, ccDataInvalid, nil},
		{"set IPMB", 0x40, []byte{0, 0x82, 0x84}, ccSessionLess, nil},
		{"disabled", 0x40, []byte{1, 0x80, 0}, ccAccessMode, nil},
		{"no authentication of messages", 0x40, []byte{1, 0x92, 0}, ccDataInvalid, nil},
		{"no authentication of users", 0x40, []byte{1, 0x8a, 0}, ccDataInvalid, nil},
		{"limit above ADMIN", 0x40, []byte{1, 0, 0x85}, ccDataInvalid, nil},
		{"limit of nobody", 0x40, []byte{1, 0, 0x80}, ccDataInvalid, nil},
		{"reserved place", 0x40, []byte{1, 0xc2, 0}, ccDataInvalid, nil},
		{"nothing", 0x40, []byte{1, 0x00, 0x02}, ccOK, nil},
		{"still as at first", 0x41, []byte{1, 0x80}, ccOK, []byte{0x22, 4}},
		{"lasting alerts", 0x40, []byte{1, 0x42, 0}, ccOK, nil},
		{"lasting limit that nobody could take back", 0x40, []byte{1, 0, 0x43}, ccDataInvalid, nil},
		{"lasting limit of ADMIN", 0x40, []byte{1, 0, 0x44}, ccOK, nil},
		{"present limit", 0x40, []byte{1, 0, 0x83}, ccOK, nil},
		{"lasting", 0x41, []byte{1, 0x40}, ccOK, []byte{0x02, 4}},
		{"present", 0x41, []byte{1, 0x80}, ccOK, []byte{0x22, 3}},
	})
	if st := newClient(t, r.BMC, wire.Suite17()).login("admin", "secret", privAdmin); st != wire.StatusUnauthorizedRole {
		t.Errorf("ADMIN on a channel for OPERATOR: status %#x", st)
	}
	if st := newClient(t, r.BMC, wire.Suite17()).login("admin", "secret", privOperator); st != wire.StatusOK {
		t.Errorf("OPERATOR: status %#x", st)
	}
	admin(t, r.restarted(t, store)).rows(t, []row{
		{"lasting after a restart", 0x41, []byte{1, 0x40}, ccOK, []byte{0x02, 4}},
		{"present after a restart", 0x41, []byte{1, 0x80}, ccOK, []byte{0x02, 4}},
	})
}

// TestChannelLimitHasAWayBack: whoever was locked out by a limit of before, or by a
// present one, gets in when the BMC starts anew.
func TestChannelLimitHasAWayBack(t *testing.T) {
	store := NewMemStore()
	if err := store.Save("channel", []byte(`{"NoPEF":true,"Limit":2}`)); err != nil {
		t.Fatal(err)
	}
	r := newRig(t).restarted(t, store)
	admin(t, r).rows(t, []row{
		{"present limit", 0x40, []byte{1, 0x42, 0x82}, ccOK, nil}, // and something that is stored
		{"present", 0x41, []byte{1, 0x80}, ccOK, []byte{0x22, 2}},
	})
	if st := newClient(t, r.BMC, wire.Suite17()).login("admin", "secret", privAdmin); st == wire.StatusOK {
		t.Error("the present limit holds nobody back")
	}
	admin(t, r.restarted(t, store)).rows(t, []row{{"after a restart", 0x41, []byte{1, 0x80}, ccOK, []byte{0x02, 4}}})
}

func TestMessages(t *testing.T) {
	admin(t, newRig(t)).rows(t, []row{
		{"enables", 0x2f, nil, ccOK, []byte{8}},
		{"the same enables", 0x2e, []byte{8}, ccOK, nil},
		{"log off", 0x2e, []byte{0}, ccDataInvalid, nil},
		{"event buffer", 0x2e, []byte{0x0c}, ccDataInvalid, nil},
		{"clear flags", 0x30, []byte{0xff}, ccOK, nil},
		{"flags", 0x31, nil, ccOK, []byte{0}},
		{"receive?", 0x32, []byte{0x0e, 2}, ccOK, []byte{1, 0}},
		{"receive off", 0x32, []byte{0, 0}, ccOK, []byte{0, 0}},
		{"receive on", 0x32, []byte{1, 1}, ccDataInvalid, nil},
		{"receive of no channel", 0x32, []byte{5, 2}, ccDataInvalid, nil},
		{"get message", 0x33, nil, ccNoMessage, nil},
		{"event buffer", 0x35, nil, ccNoMessage, nil},
	})
	user := newClient(t, newRig(t).BMC, wire.Suite17()).mustLogin(privUser)
	user.rows(t, []row{
		{"enables as USER", 0x2e, []byte{8}, ccPrivilege, nil},
		{"channel access as USER", 0x40, []byte{1, 0x82, 0}, ccPrivilege, nil},
	})
}

// bridge sends a request inside Send Message and returns all that comes back.
func (c *client) bridge(channel byte, inner wire.Message) [][]byte {
	c.t.Helper()
	got := make(chan []byte, 2)
	p := c.packet(wire.App, 0x34, append([]byte{channel}, inner.AppendRequest(nil)...)...)
	c.b.Handle(c.src, p, func(b []byte) { got <- b })
	all := [][]byte{<-got}
	if cc, _ := c.decode(all[0]); cc == ccOK {
		all = append(all, <-got)
	}
	return all
}

// TestSendMessage: what is for the BMC itself comes back as a second message, at the
// level of the session; other addresses do not answer.
func TestSendMessage(t *testing.T) {
	r := newRig(t)
	c := newClient(t, r.BMC, wire.Suite17()).mustLogin(privAdmin)
	m := wire.Message{To: 0x20, From: 0x24, NetFn: wire.App, Seq: 33, Cmd: 4}
	all := c.bridge(0x40, m)
	if len(all) != 2 {
		t.Fatalf("%d answers, want 2", len(all))
	}
	cc, d := c.decode(all[1])
	want(t, "bridged self test", cc, d, ccOK, 0x55, 0)
	m.NetFn, m.Cmd, m.Data = wire.Chassis, 2, []byte{1}
	cc, d = c.decode(c.bridge(0x40, m)[1])
	want(t, "bridged power on as USER", cc, d, ccPrivilege)
	c.call(wire.App, 0x3b, privAdmin)
	cc, d = c.decode(c.bridge(0x40, m)[1])
	want(t, "bridged power on", cc, d, ccOK)
	if on, _ := r.m.Power(); !on {
		t.Error("the machine is off")
	}
	for name, x := range map[string]struct {
		channel byte
		change  func(*wire.Message)
		cc      byte
	}{
		"other address":  {0x40, func(m *wire.Message) { m.To = 0x24 }, ccNAK},
		"other channel":  {0x47, func(*wire.Message) {}, ccDataInvalid},
		"not tracked":    {0x00, func(*wire.Message) {}, ccDataInvalid},
		"bridge in it":   {0x40, func(m *wire.Message) { m.NetFn, m.Cmd = wire.App, 0x34 }, ccDataInvalid},
		"encrypted form": {0x60, func(*wire.Message) {}, ccDataInvalid},
	} {
		inner := m
		x.change(&inner)
		cc, d := c.decode(c.bridge(x.channel, inner)[0])
		want(t, name, cc, d, x.cc)
	}
	cc, d = c.call(wire.App, 0x34, 0x40, 0x20, 0x18, 0xc8, 0x24, 0, 4, 1) // wrong checksum
	want(t, "checksum", cc, d, ccDataInvalid)
}

// TestALimitOfAnEarlierVersion is lifted, and told once.
func TestALimitOfAnEarlierVersion(t *testing.T) {
	for stored, times := range map[string]int{`{"NoPEF":false,"Limit":2}`: 1, `{"NoPEF":false,"Limit":4}`: 0, `{"NoPEF":false}`: 0} {
		store := NewMemStore()
		if err := store.Save("channel", []byte(stored)); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		for range 2 {
			b, err := New(Config{Machine: fake.New([16]byte{1}), Username: "admin", Password: "secret", Store: store, Log: slog.New(slog.NewTextHandler(&log, nil))})
			if err != nil {
				t.Fatal(err)
			}
			if a := b.parts.channel.kept; a.limit != privAdmin || a.NoPEF {
				t.Errorf("%s: %+v", stored, a)
			}
			b.Close()
		}
		if n := strings.Count(log.String(), "lasting channel limit"); n != times {
			t.Errorf("%s: told %d times, want %d: %s", stored, n, times, log.String())
		}
	}
}
