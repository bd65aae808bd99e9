package compute_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/flavors"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/keypairs"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"

	"trefoil/ironic"
	"trefoil/undercloud/compute"
	"trefoil/undercloud/network"
	"trefoil/undercloud/store/sqlite"
)

// nodes is a store of nodes that only lists.
type nodes struct {
	ironic.Store
	list []*ironic.Node
}

func (n *nodes) Nodes(context.Context, ironic.NodeFilter) ([]*ironic.Node, error) { return n.list, nil }

type fixture struct {
	s    *compute.Service
	c    *gophercloud.ServiceClient
	nets *network.Service
	h    http.Handler
}

func newFixture(t *testing.T, list ...*ironic.Node) *fixture {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	f := &fixture{nets: network.New(network.Config{Store: sqlite.NewNetworks(db)})}
	f.s = compute.New(compute.Config{Store: sqlite.NewCompute(db), Hostname: "undercloud.openstack.rnd",
		Servers: &compute.Nodes{Store: &nodes{list: list}, Network: f.nets}})
	f.h = f.s.Handler()
	srv := httptest.NewServer(f.h)
	t.Cleanup(srv.Close)
	f.c = &gophercloud.ServiceClient{ProviderClient: &gophercloud.ProviderClient{}, Endpoint: srv.URL + "/v2.1/", Type: "compute"}
	return f
}

func (f *fixture) flavor(t *testing.T, name string) *flavors.Flavor {
	t.Helper()
	disk := 40
	fl, err := flavors.Create(t.Context(), f.c, flavors.CreateOpts{Name: name, RAM: 4096, VCPUs: 1, Disk: &disk}).Extract()
	if err != nil {
		t.Fatal(err)
	}
	return fl
}

// post sends a JSON body to another service of the fixture.
func post(t *testing.T, h http.Handler, path, body string) string {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("POST", path, strings.NewReader(body)))
	if w.Code != http.StatusCreated {
		t.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	var out map[string]struct{ ID string }
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		t.Fatal(err)
	}
	for _, v := range out {
		return v.ID
	}
	return ""
}

func TestDeployedNodesAreServers(t *testing.T) {
	when := time.Date(2020, 8, 14, 8, 39, 21, 0, time.UTC)
	f := newFixture(t,
		&ironic.Node{UUID: "n1", Name: "control-1", InstanceUUID: "i1", ProvisionState: "active", PowerState: ironic.PowerOn, CreatedAt: when,
			InstanceInfo: map[string]any{"display_name": "overcloud-controller-0", "flavor": "control", "image_source": "img"}},
		&ironic.Node{UUID: "n2", Name: "compute-1", InstanceUUID: "i2", ProvisionState: "deploy failed", LastError: "disk too small", CreatedAt: when.Add(-time.Hour)},
		&ironic.Node{UUID: "n3", Name: "free"})
	fl := f.flavor(t, "control")
	net := post(t, f.nets.Handler(), "/v2.0/networks", `{"network":{"name":"ctlplane"}}`)
	post(t, f.nets.Handler(), "/v2.0/subnets", `{"subnet":{"network_id":"`+net+`","cidr":"192.168.255.0/24"}}`)
	post(t, f.nets.Handler(), "/v2.0/ports", `{"port":{"network_id":"`+net+`","device_id":"i1","fixed_ips":[{"ip_address":"192.168.255.15"}]}}`)
	page, err := servers.List(f.c, servers.ListOpts{}).AllPages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	list, err := servers.ExtractServers(page)
	if err != nil || len(list) != 2 {
		t.Fatalf("servers %v, %v", list, err)
	}
	a, b := list[0], list[1]
	if a.ID != "i1" || a.Name != "overcloud-controller-0" || a.Status != "ACTIVE" || a.Flavor["id"] != fl.ID || a.Image["id"] != "img" || a.PowerState != 1 {
		t.Errorf("the active server: %+v", a)
	}
	if addrs, err := json.Marshal(a.Addresses); err != nil || !strings.Contains(string(addrs), `"ctlplane":[{"OS-EXT-IPS-MAC:mac_addr"`) ||
		!strings.Contains(string(addrs), `"addr":"192.168.255.15"`) {
		t.Errorf("addresses %s, %v", addrs, err)
	}
	if b.Status != "ERROR" || b.Fault.Message != "disk too small" || b.Name != "compute-1" {
		t.Errorf("the failed server: %+v", b)
	}
	if _, err := servers.Get(t.Context(), f.c, "i1").Extract(); err != nil {
		t.Error(err)
	}
	if _, err := servers.Get(t.Context(), f.c, "n3").Extract(); !gophercloud.ResponseCodeIs(err, 404) {
		t.Errorf("a free node is a server: %v", err)
	}
	if err := servers.Delete(t.Context(), f.c, "i1").ExtractErr(); !gophercloud.ResponseCodeIs(err, 403) {
		t.Errorf("deleting a server: %v", err)
	}
}

func TestFlavors(t *testing.T) {
	f := newFixture(t)
	for _, want := range compute.DefaultFlavors() {
		fl := f.flavor(t, want.Name)
		if _, err := flavors.CreateExtraSpecs(t.Context(), f.c, fl.ID, flavors.ExtraSpecsOpts(want.ExtraSpecs)).Extract(); err != nil {
			t.Fatal(err)
		}
	}
	got, err := f.s.Flavor(t.Context(), "ceph-storage")
	if err != nil || got.ExtraSpecs["capabilities:profile"] != "ceph-storage" || got.ExtraSpecs["resources:VCPU"] != "0" {
		t.Errorf("flavor %+v, %v", got, err)
	}
	if base, err := f.s.Flavor(t.Context(), "baremetal"); err != nil || base.ExtraSpecs["capabilities:profile"] != "" {
		t.Errorf("flavor baremetal has a profile: %+v, %v", base, err)
	}
	disk := 1
	if _, err := flavors.Create(t.Context(), f.c, flavors.CreateOpts{Name: "control", RAM: 1, VCPUs: 1, Disk: &disk}).Extract(); !gophercloud.ResponseCodeIs(err, 409) {
		t.Errorf("a second flavor of one name: %v", err)
	}
	if err := flavors.DeleteExtraSpec(t.Context(), f.c, got.ID, "capabilities:profile").ExtractErr(); err != nil {
		t.Error(err)
	}
	if _, err := flavors.GetExtraSpec(t.Context(), f.c, got.ID, "capabilities:profile").Extract(); !gophercloud.ResponseCodeIs(err, 404) {
		t.Errorf("a deleted property: %v", err)
	}
	if err := flavors.Delete(t.Context(), f.c, got.ID).ExtractErr(); err != nil {
		t.Error(err)
	}
	if _, err := flavors.Get(t.Context(), f.c, got.ID).Extract(); !gophercloud.ResponseCodeIs(err, 404) {
		t.Errorf("a deleted flavor: %v", err)
	}
	page, err := flavors.ListDetail(f.c, flavors.ListOpts{Limit: 2}).AllPages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if list, err := flavors.ExtractFlavors(page); err != nil || len(list) != 5 {
		t.Errorf("flavors %v, %v", list, err)
	}
}

func TestKeypairs(t *testing.T) {
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS stack@undercloud"
	f := newFixture(t)
	k, err := keypairs.Create(t.Context(), f.c, keypairs.CreateOpts{Name: "default", PublicKey: key}).Extract()
	if err != nil || strings.Count(k.Fingerprint, ":") != 15 {
		t.Fatalf("%+v, %v", k, err)
	}
	if _, err := keypairs.Create(t.Context(), f.c, keypairs.CreateOpts{Name: "default", PublicKey: key}).Extract(); !gophercloud.ResponseCodeIs(err, 409) {
		t.Errorf("a second one: %v", err)
	}
	if _, err := keypairs.Create(t.Context(), f.c, keypairs.CreateOpts{Name: "x", PublicKey: "ssh-rsa nonsense"}).Extract(); !gophercloud.ResponseCodeIs(err, 400) {
		t.Errorf("no key: %v", err)
	}
	if got, err := keypairs.Get(t.Context(), f.c, "default", nil).Extract(); err != nil || got.PublicKey != key {
		t.Errorf("%+v, %v", got, err)
	}
	if err := keypairs.Delete(t.Context(), f.c, "default", nil).ExtractErr(); err != nil {
		t.Error(err)
	}
}

func TestMicroversions(t *testing.T) {
	f := newFixture(t)
	for version, want := range map[string]int{"": 200, "compute 2.1": 200, "compute latest": 200, "compute 2.79": 406, "volume 3.0": 200} {
		r := httptest.NewRequest("GET", "/v2.1/flavors", nil)
		r.Header.Set("OpenStack-API-Version", version)
		w := httptest.NewRecorder()
		f.h.ServeHTTP(w, r)
		if w.Code != want || w.Header().Get("X-OpenStack-Nova-API-Version") != "2.1" {
			t.Errorf("%q: %d, want %d", version, w.Code, want)
		}
	}
}

func TestHostListIsTheArticles(t *testing.T) {
	f := newFixture(t)
	w := httptest.NewRecorder()
	f.h.ServeHTTP(w, httptest.NewRequest("GET", "/v2.1/os-hosts", nil))
	want := `{"hosts":[{"host_name":"undercloud.openstack.rnd","service":"conductor","zone":"internal"},` +
		`{"host_name":"undercloud.openstack.rnd","service":"scheduler","zone":"internal"},{"host_name":"undercloud.openstack.rnd","service":"compute","zone":"nova"}]}`
	if got := strings.TrimSpace(w.Body.String()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
