package network_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"

	"trefoil/undercloud/network"
	"trefoil/undercloud/store/sqlite"
)

type fixture struct {
	s       *network.Service
	c       *gophercloud.ServiceClient
	net     string
	subnet  string
	handler http.Handler
}

// newFixture makes ctlplane with the article's subnet, whose pool has 40 addresses.
func newFixture(t *testing.T) *fixture {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	f := &fixture{s: network.New(network.Config{Store: sqlite.NewNetworks(db), Reserved: []netip.Addr{netip.MustParseAddr("192.168.255.12")}})}
	f.handler = f.s.Handler()
	srv := httptest.NewServer(f.handler)
	t.Cleanup(srv.Close)
	f.c = &gophercloud.ServiceClient{ProviderClient: &gophercloud.ProviderClient{}, Endpoint: srv.URL + "/", ResourceBase: srv.URL + "/v2.0/", Type: "network"}
	n, err := networks.Create(t.Context(), f.c, networks.CreateOpts{Name: "ctlplane"}).Extract()
	if err != nil {
		t.Fatal(err)
	}
	gw := "192.168.255.1"
	sub, err := subnets.Create(t.Context(), f.c, subnets.CreateOpts{NetworkID: n.ID, Name: "ctlplane-subnet", CIDR: "192.168.255.0/24", IPVersion: 4,
		GatewayIP: &gw, AllocationPools: []subnets.AllocationPool{{Start: "192.168.255.11", End: "192.168.255.50"}},
		HostRoutes: []subnets.HostRoute{{DestinationCIDR: "169.254.169.254/32", NextHop: "192.168.255.1"}}}).Extract()
	if err != nil {
		t.Fatal(err)
	}
	f.net, f.subnet = n.ID, sub.ID
	return f
}

func (f *fixture) port(t *testing.T, o ports.CreateOpts) (*ports.Port, error) {
	t.Helper()
	o.NetworkID = f.net
	return ports.Create(t.Context(), f.c, o).Extract()
}

func TestAddressesComeFromThePool(t *testing.T) {
	f := newFixture(t)
	a, err := f.port(t, ports.CreateOpts{Name: "a", MACAddress: "52:54:00:AA:00:01"})
	if err != nil {
		t.Fatal(err)
	}
	b, err := f.port(t, ports.CreateOpts{Name: "b"})
	if err != nil {
		t.Fatal(err)
	}
	// .12 is reserved for the undercloud.
	if a.FixedIPs[0].IPAddress != "192.168.255.11" || b.FixedIPs[0].IPAddress != "192.168.255.13" {
		t.Errorf("addresses %v %v", a.FixedIPs, b.FixedIPs)
	}
	if a.MACAddress != "52:54:00:aa:00:01" || !strings.HasPrefix(b.MACAddress, "fa:16:3e:") {
		t.Errorf("MACs %s %s", a.MACAddress, b.MACAddress)
	}
	if err := ports.Delete(t.Context(), f.c, a.ID).ExtractErr(); err != nil {
		t.Fatal(err)
	}
	if c, err := f.port(t, ports.CreateOpts{}); err != nil || c.FixedIPs[0].IPAddress != "192.168.255.11" {
		t.Errorf("the freed address is not given again: %v, %v", c, err)
	}
}

func TestManyPortsAtOnceGetDifferentAddresses(t *testing.T) {
	f := newFixture(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	seen, refused := map[string]int{}, 0
	for range 45 { // 39 addresses are free
		wg.Go(func() {
			p, err := f.port(t, ports.CreateOpts{})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				seen[p.FixedIPs[0].IPAddress]++
			case gophercloud.ResponseCodeIs(err, http.StatusConflict) && strings.Contains(err.Error(), "No more IP addresses available"):
				refused++
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(seen) != 39 || refused != 6 {
		t.Errorf("%d addresses given, %d ports refused; want 39 and 6", len(seen), refused)
	}
	for a, n := range seen {
		if n != 1 {
			t.Errorf("%s was given %d times", a, n)
		}
	}
}

func TestPortsThatAreRefused(t *testing.T) {
	f := newFixture(t)
	fixed := func(ip string) any { return []ports.IP{{SubnetID: f.subnet, IPAddress: ip}} }
	if _, err := f.port(t, ports.CreateOpts{MACAddress: "52:54:00:00:00:01", FixedIPs: fixed("192.168.255.200")}); err != nil {
		t.Fatalf("an address outside of the pool: %v", err)
	}
	for name, tc := range map[string]struct {
		o      ports.CreateOpts
		status int
	}{
		"a MAC in use, in capitals": {ports.CreateOpts{MACAddress: "52:54:00:00:00:01"}, 409},
		"an address in use":         {ports.CreateOpts{FixedIPs: fixed("192.168.255.200")}, 409},
		"the undercloud's address":  {ports.CreateOpts{FixedIPs: fixed("192.168.255.12")}, 409},
		"the gateway's address":     {ports.CreateOpts{FixedIPs: fixed("192.168.255.1")}, 409},
		"an address from elsewhere": {ports.CreateOpts{FixedIPs: fixed("10.0.0.1")}, 400},
		"no address":                {ports.CreateOpts{FixedIPs: fixed("x")}, 400},
		"no MAC":                    {ports.CreateOpts{MACAddress: "52:54"}, 400},
	} {
		if p, err := f.port(t, tc.o); !gophercloud.ResponseCodeIs(err, tc.status) {
			t.Errorf("%s: %v, %v, want %d", name, p, err, tc.status)
		}
	}
	if _, err := ports.Create(t.Context(), f.c, ports.CreateOpts{NetworkID: "nope"}).Extract(); !gophercloud.ResponseCodeIs(err, 404) {
		t.Errorf("a port on no network: %v", err)
	}
}

func TestListFilters(t *testing.T) {
	f := newFixture(t)
	for i := range 3 {
		if _, err := f.port(t, ports.CreateOpts{DeviceID: fmt.Sprintf("instance-%d", i), MACAddress: fmt.Sprintf("52:54:00:00:00:0%d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	for query, want := range map[string]int{"": 3, "device_id=instance-1": 1, "device_id=instance-1&device_id=instance-2": 2, "mac_address=52:54:00:00:00:02": 1,
		"fixed_ips=ip_address%3D192.168.255.11": 1, "fixed_ips=subnet_id%3D" + f.subnet: 3, "network_id=" + f.net: 3, "network_id=x": 0,
		"admin_state_up=True": 3, "fields=id&name=": 3} {
		w := httptest.NewRecorder()
		f.handler.ServeHTTP(w, httptest.NewRequest("GET", "/v2.0/ports?"+query, nil))
		if got := strings.Count(w.Body.String(), `"mac_address"`); got != want {
			t.Errorf("%q: %d ports, want %d", query, got, want)
		}
	}
	list, err := f.s.Ports(t.Context(), network.PortFilter{MACAddress: "52:54:00:00:00:02"})
	if err != nil || len(list) != 1 || list[0].DeviceID != "instance-2" {
		t.Errorf("by MAC: %v, %v", list, err)
	}
}

func TestSubnetUpdate(t *testing.T) {
	f := newFixture(t)
	dns := []string{"192.168.255.253"}
	got, err := subnets.Update(t.Context(), f.c, f.subnet, subnets.UpdateOpts{DNSNameservers: &dns}).Extract()
	if err != nil {
		t.Fatal(err)
	}
	if len(got.DNSNameservers) != 1 || got.RevisionNumber != 1 || len(got.HostRoutes) != 1 {
		t.Errorf("subnet %+v", got)
	}
	for name, body := range map[string]string{
		"gateway outside":          `{"subnet":{"gateway_ip":"10.0.0.1"}}`,
		"gateway in the pool":      `{"subnet":{"gateway_ip":"192.168.255.20"}}`,
		"nameserver that is none":  `{"subnet":{"dns_nameservers":["x"]}}`,
		"pool outside":             `{"subnet":{"allocation_pools":[{"start":"10.0.0.1","end":"10.0.0.2"}]}}`,
		"pool backwards":           `{"subnet":{"allocation_pools":[{"start":"192.168.255.9","end":"192.168.255.8"}]}}`,
		"overlapping pools":        `{"subnet":{"allocation_pools":[{"start":"192.168.255.8","end":"192.168.255.20"},{"start":"192.168.255.20","end":"192.168.255.30"}]}}`,
		"another CIDR":             `{"subnet":{"cidr":"10.0.0.0/24"}}`,
		"an unknown attribute":     `{"subnet":{"colour":"red"}}`,
		"a route that is none":     `{"subnet":{"host_routes":[{"destination":"x","nexthop":"y"}]}}`,
		"a text that is no number": `{"subnet":{"ip_version":"four"}}`,
		"no subnet":                `{}`,
		"no JSON":                  `[`,
	} {
		w := httptest.NewRecorder()
		f.handler.ServeHTTP(w, httptest.NewRequest("PUT", "/v2.0/subnets/"+f.subnet, strings.NewReader(body)))
		if w.Code != 400 && w.Code != 409 || !strings.Contains(w.Body.String(), `"NeutronError"`) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

func TestDeletionIsRefusedWhileInUse(t *testing.T) {
	f := newFixture(t)
	p, err := f.port(t, ports.CreateOpts{})
	if err != nil {
		t.Fatal(err)
	}
	if err := subnets.Delete(t.Context(), f.c, f.subnet).ExtractErr(); !gophercloud.ResponseCodeIs(err, 409) {
		t.Errorf("subnet: %v", err)
	}
	if err := networks.Delete(t.Context(), f.c, f.net).ExtractErr(); !gophercloud.ResponseCodeIs(err, 409) {
		t.Errorf("network: %v", err)
	}
	if err := ports.Delete(t.Context(), f.c, p.ID).ExtractErr(); err != nil {
		t.Fatal(err)
	}
	if err := networks.Delete(t.Context(), f.c, f.net).ExtractErr(); err != nil {
		t.Error(err)
	}
	if _, err := subnets.Get(t.Context(), f.c, f.subnet).Extract(); !gophercloud.ResponseCodeIs(err, 404) {
		t.Errorf("the subnet of a deleted network: %v", err)
	}
}

func TestDefaultPoolLeavesOutTheGateway(t *testing.T) {
	f := newFixture(t)
	gw := "10.9.0.3"
	sub, err := subnets.Create(t.Context(), f.c, subnets.CreateOpts{NetworkID: f.net, CIDR: "10.9.0.0/29", IPVersion: 4, GatewayIP: &gw}).Extract()
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(sub.AllocationPools); got != "[{10.9.0.1 10.9.0.2} {10.9.0.4 10.9.0.6}]" {
		t.Errorf("pools %s", got)
	}
	if _, err := subnets.Create(t.Context(), f.c, subnets.CreateOpts{NetworkID: f.net, CIDR: "10.9.0.0/24", IPVersion: 4}).Extract(); !gophercloud.ResponseCodeIs(err, 400) {
		t.Errorf("an overlapping subnet: %v", err)
	}
}
