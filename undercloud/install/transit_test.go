package install

import (
	"net"
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func cidr(t *testing.T, s string) *net.IPNet {
	t.Helper()
	_, n, err := net.ParseCIDR(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestRoutesSurviveTheRecord writes routes down, reads them again and compares
// what the kernel would be asked for.
func TestRoutesSurviveTheRecord(t *testing.T) {
	gw4, gw6 := net.ParseIP("10.0.0.1").To4(), net.ParseIP("fe80::1")
	kernel := []netlink.Route{
		{LinkIndex: 2, Gw: gw4, Table: unix.RT_TABLE_MAIN, Protocol: unix.RTPROT_BOOT},
		{LinkIndex: 2, Dst: cidr(t, "0.0.0.0/0"), Gw: gw4, Priority: 100, Src: net.ParseIP("10.0.0.9").To4()},
		{LinkIndex: 2, Dst: cidr(t, "172.16.0.0/12"), Gw: gw4, MTU: 1400, Flags: unix.RTNH_F_ONLINK},
		{LinkIndex: 2, Dst: cidr(t, "::/0"), Gw: gw6, Priority: 1024},
	}
	rec := &netRecord{Interface: "eth0", Transit: &transit{BootID: "b", Addresses: []string{"10.0.0.9/24"}}}
	for i := range kernel {
		r, ok := newRoute(&kernel[i])
		if !ok {
			t.Fatalf("%v is not taken", kernel[i])
		}
		rec.Transit.Routes = append(rec.Transit.Routes, r)
	}
	if _, ok := newRoute(&netlink.Route{LinkIndex: 2, Dst: cidr(t, "10.0.0.0/24")}); ok {
		t.Error("a route that the kernel makes itself is taken")
	}
	dir := t.TempDir()
	if err := rec.save(dir); err != nil {
		t.Fatal(err)
	}
	got, err := loadRecord(dir)
	if err != nil || !reflect.DeepEqual(got.Transit, rec.Transit) {
		t.Fatalf("%+v, %v", got.Transit, err)
	}
	for i, r := range got.Transit.Routes {
		want := kernel[i]
		want.LinkIndex = 7
		if back := r.on(7); !reflect.DeepEqual(*back, want) {
			t.Errorf("got  %#v\nwant %#v", *back, want)
		}
	}
}

// TestACutOffMoveIsTakenUp joins what was on its way and what is still there.
func TestACutOffMoveIsTakenUp(t *testing.T) {
	left := route{Via: netip.MustParseAddr("10.0.0.1")}
	more := route{Via: netip.MustParseAddr("10.0.0.2"), To: netip.MustParsePrefix("172.16.0.0/12")}
	rec := &netRecord{Transit: &transit{BootID: "now", Addresses: []string{"10.0.0.9/24"}, Routes: []route{left}}}
	got := rec.take("now", []string{"10.0.0.9/24", "10.1.0.9/24"}, []route{left, more})
	if !slices.Equal(got.Addresses, []string{"10.0.0.9/24", "10.1.0.9/24"}) || !slices.Equal(got.Routes, []route{left, more}) {
		t.Errorf("%+v", got)
	}
	if got := rec.take("after a reboot", nil, nil); len(got.Addresses)+len(got.Routes) != 0 {
		t.Errorf("what an earlier boot left is moved: %+v", got)
	}
}
