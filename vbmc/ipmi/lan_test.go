package ipmi

import (
	"bytes"
	"net/netip"
	"testing"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/domain/fake"
	"trefoil/vbmc/ipmi/wire"
)

// local is an ADMIN whose packets come from this host.
func local(t *testing.T, b *BMC) *client {
	t.Helper()
	c := newClient(t, b, wire.Suite17())
	c.src = netip.MustParseAddrPort("127.0.0.1:40000")
	c.mustLogin(privAdmin)
	c.call(wire.App, 0x3b, privAdmin)
	return c
}

func zeros(n int) []byte { return make([]byte, n) }

func TestLANParameters(t *testing.T) {
	r := newRig(t)
	public := append([]byte("public"), zeros(12)...)
	rows := []struct {
		name string
		ask  []byte
		cc   byte
		want []byte
	}{
		{"revision only", []byte{0x81, 3, 0, 0}, ccOK, nil},
		{"progress", []byte{1, 0, 0, 0}, ccOK, []byte{0}},
		{"authentication", []byte{0x0e, 1, 0, 0}, ccOK, []byte{0}},
		{"authentication enabled", []byte{1, 2, 0, 0}, ccOK, zeros(5)},
		{"address", []byte{1, 3, 0, 0}, ccOK, []byte{127, 0, 0, 1}},
		{"source", []byte{1, 4, 0, 0}, ccOK, []byte{1}},
		{"mask", []byte{1, 6, 0, 0}, ccOK, []byte{255, 0, 0, 0}},
		{"gateway", []byte{1, 12, 0, 0}, ccOK, zeros(4)},
		{"gateway's MAC", []byte{1, 13, 0, 0}, ccOK, zeros(6)},
		{"community", []byte{1, 16, 0, 0}, ccOK, public},
		{"destinations", []byte{1, 17, 0, 0}, ccOK, []byte{0}},
		{"destination", []byte{1, 18, 0, 0}, ccOK, zeros(4)},
		{"destination that is none", []byte{1, 18, 1, 0}, ccLANOutOfRange, nil},
		{"VLAN", []byte{1, 20, 0, 0}, ccOK, zeros(2)},
		{"suites", []byte{1, 22, 0, 0}, ccOK, []byte{2}},
		{"suite entries", []byte{1, 23, 0, 0}, ccOK, append([]byte{0, 17, 3}, zeros(14)...)},
		{"suite levels", []byte{1, 24, 0, 0}, ccOK, append([]byte{0, 0, 0x40}, zeros(6)...)},
		{"both families", []byte{1, 51, 0, 0}, ccOK, []byte{2}},
		{"unknown", []byte{1, 200, 0, 0}, ccLANParamUnknown, nil},
		{"another channel", []byte{2, 3, 0, 0}, ccDataInvalid, nil},
		{"too short", []byte{1, 3, 0}, ccLength, nil},
	}
	c := local(t, r.BMC)
	for _, tc := range rows {
		var full []byte
		if tc.cc == ccOK {
			full = append([]byte{lanParamRevision}, tc.want...)
		}
		cc, d := c.call(wire.Transport, 2, tc.ask...)
		want(t, tc.name, cc, d, tc.cc, full...)
	}
}

// TestLANWrites: what can be written is read back and survives a restart.
func TestLANWrites(t *testing.T) {
	store := NewMemStore()
	r := newRig(t).restarted(t, store)
	c := local(t, r.BMC)
	name := append([]byte("lab"), zeros(15)...)
	for _, tc := range []struct {
		name string
		data []byte
		cc   byte
	}{
		{"begin", []byte{1, 0, 1}, ccOK},
		{"begin again", []byte{1, 0, 1}, ccSetInProgress},
		{"end", []byte{1, 0, 0}, ccOK},
		{"commit", []byte{1, 0, 2}, ccDataInvalid},
		{"progress without value", []byte{1, 0}, ccLength},
		{"address", []byte{1, 3, 10, 0, 0, 1}, ccLANReadOnly},
		{"suite levels", append([]byte{1, 24}, zeros(9)...), ccLANReadOnly},
		{"unknown", []byte{1, 200, 0}, ccLANParamUnknown},
		{"short community", []byte{1, 16, 'x'}, ccLength},
		{"community", append([]byte{1, 16}, name...), ccOK},
		{"another channel", []byte{2, 0, 1}, ccDataInvalid},
	} {
		cc, d := c.call(wire.Transport, 1, tc.data...)
		want(t, tc.name, cc, d, tc.cc)
	}
	again := local(t, newRig(t).restarted(t, store).BMC)
	cc, d := again.call(wire.Transport, 2, 1, 16, 0, 0)
	want(t, "community after a restart", cc, d, ccOK, append([]byte{lanParamRevision}, name...)...)
}

func TestLANLevels(t *testing.T) {
	r := newRig(t)
	c := newClient(t, r.BMC, wire.Suite17()).mustLogin(privOperator)
	cc, d := c.call(wire.Transport, 2, 1, 22, 0, 0)
	want(t, "read as USER", cc, d, ccPrivilege)
	c.call(wire.App, 0x3b, privOperator)
	cc, d = c.call(wire.Transport, 2, 1, 22, 0, 0)
	want(t, "read as OPERATOR", cc, d, ccOK, lanParamRevision, 2)
	cc, d = c.call(wire.Transport, 1, 1, 0, 0)
	want(t, "write as OPERATOR", cc, d, ccPrivilege)
}

// nameless is a machine of which the hypervisor has not told yet.
type nameless struct{ *fake.Machine }

func (nameless) UUID() ([16]byte, error) { return [16]byte{}, domain.ErrUnavailable }

// TestIdentityNotKnown: zeros would be taken for the machine's own UUID, and a MAC address
// made of them would be the same for all machines.
func TestIdentityNotKnown(t *testing.T) {
	b, err := New(Config{Machine: nameless{fake.New([16]byte{1})}, Username: "admin", Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	c := local(t, b)
	for _, command := range []byte{0x37, 0x08} {
		cc, d := c.call(wire.App, command)
		want(t, "identity", cc, d, ccBusy)
	}
	cc, d := c.call(wire.Transport, 2, 1, 5, 0, 0)
	want(t, "MAC address", cc, d, ccOK, lanParamRevision, 0, 0, 0, 0, 0, 0)
}

// TestMACAddress: it is the machine's own, the same each time, and no vendor's.
func TestMACAddress(t *testing.T) {
	mac := func(uuid byte) []byte {
		b, err := New(Config{Machine: fake.New([16]byte{uuid}), Username: "admin", Password: "secret"})
		if err != nil {
			t.Fatal(err)
		}
		cc, d := local(t, b).call(wire.Transport, 2, 1, 5, 0, 0)
		if cc != ccOK || len(d) != 7 || d[1]&3 != 2 {
			t.Fatalf("MAC: %#x % x", cc, d)
		}
		return d[1:]
	}
	if a, b := mac(1), mac(1); !bytes.Equal(a, b) {
		t.Errorf("% x then % x", a, b)
	}
	if a, b := mac(1), mac(2); bytes.Equal(a, b) {
		t.Errorf("two machines have % x", a)
	}
}

// TestAddressOfIPv6: parameter 3 has room for IPv4 only.
func TestAddressOfIPv6(t *testing.T) {
	if got := v4(routeTo(netip.MustParseAddr("::1"))); !bytes.Equal(got, zeros(4)) {
		t.Errorf("% x", got)
	}
	if got := maskOf(netip.MustParseAddr("::1")); !bytes.Equal(got, zeros(4)) {
		t.Errorf("mask % x", got)
	}
}
