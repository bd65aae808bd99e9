package cloud_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/overcloud/deploy"
	"trefoil/overcloud/deploy/cloud"
	"trefoil/overcloud/session"
	"trefoil/undercloud/compute"
	"trefoil/undercloud/store/sqlite"
	"trefoil/undercloud/undercloudtest"
)

type world struct {
	under *undercloudtest.Cloud
	cloud *cloud.Cloud
	s     *session.Session
	asked []api.ProvisionRequest
}

func newWorld(t *testing.T) *world {
	t.Helper()
	c := undercloudtest.New(t)
	s, err := session.Open(t.Context(), gophercloud.AuthOptions{IdentityEndpoint: c.AuthURL + "/v3", Username: "admin", Password: undercloudtest.Password,
		DomainName: "Default", Scope: &gophercloud.AuthScope{ProjectName: "admin", DomainName: "Default"}}, gophercloud.EndpointOpts{}, nil, session.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{under: c, s: s, cloud: &cloud.Cloud{Poll: time.Millisecond, Open: func(context.Context) (*session.Session, error) { return s, nil }}}
	c.Conductor.Do = func(ctx context.Context, ident string, req api.ProvisionRequest) error {
		w.asked = append(w.asked, req)
		return c.Conductor.Conductor.Provision(ctx, ident, req)
	}
	return w
}

// ctlplane makes the article's provisioning network.
func (w *world) ctlplane(t *testing.T) {
	t.Helper()
	nw, err := w.s.Network()
	if err != nil {
		t.Fatal(err)
	}
	n, err := networks.Create(t.Context(), nw, networks.CreateOpts{Name: "ctlplane"}).Extract()
	if err != nil {
		t.Fatal(err)
	}
	gw := "192.168.255.1"
	if err := subnets.Create(t.Context(), nw, subnets.CreateOpts{NetworkID: n.ID, Name: "ctlplane-subnet", CIDR: "192.168.255.0/24", IPVersion: 4, GatewayIP: &gw,
		DNSNameservers: []string{"192.168.255.1"}, AllocationPools: []subnets.AllocationPool{{Start: "192.168.255.11", End: "192.168.255.50"}}}).Err; err != nil {
		t.Fatal(err)
	}
}

func TestNodesBeyondTheFirstPage(t *testing.T) {
	w := newWorld(t)
	for i := range 1003 {
		w.under.AddNode(fmt.Sprintf("n%d", i), nil)
	}
	w.under.AddNode("last", func(n *ironic.Node) {
		n.PowerState, n.ResourceClass = ironic.PowerOn, "baremetal"
		n.Properties = map[string]any{"capabilities": "profile:control,boot_option:local", "local_gb": "39", "memory_mb": 4096}
	})
	all, err := w.cloud.Nodes(t.Context())
	if err != nil || len(all) != 1004 {
		t.Fatalf("%d nodes, %v", len(all), err)
	}
	n := all[1003]
	if n.Name != "last" || n.State != "available" || n.PowerState != ironic.PowerOn || n.ResourceClass != "baremetal" ||
		n.Capabilities["profile"] != "control" || n.LocalGB != 39 || n.MemoryMB != 4096 {
		t.Errorf("%+v", n)
	}
}

func TestFlavor(t *testing.T) {
	w := newWorld(t)
	store := sqlite.NewCompute(w.under.DB)
	for _, f := range compute.DefaultFlavors() {
		f.ID = uuid.NewString()
		if err := store.CreateFlavor(t.Context(), &f); err != nil {
			t.Fatal(err)
		}
	}
	if profile, class, err := w.cloud.Flavor(t.Context(), "control"); err != nil || profile != "control" || class != "baremetal" {
		t.Errorf("%s %s %v", profile, class, err)
	}
	if profile, _, err := w.cloud.Flavor(t.Context(), "baremetal"); err != nil || profile != "" {
		t.Errorf("%s %v", profile, err)
	}
	if _, _, err := w.cloud.Flavor(t.Context(), "contrl"); !errs.Is(err, errs.NotFound) || !strings.Contains(err.Error(), `"contrl"`) || errs.HintOf(err) != "openstack flavor list" {
		t.Errorf("%v", err)
	}
}

func TestImage(t *testing.T) {
	w := newWorld(t)
	w.under.AddHalfImage("overcloud-full")
	if _, err := w.cloud.Image(t.Context(), "overcloud-full"); !errs.Is(err, errs.NotFound) || !strings.Contains(errs.HintOf(err), "overcloud image upload") {
		t.Errorf("%v", err)
	}
	want := w.under.AddImage("overcloud-full", 7)
	if i, err := w.cloud.Image(t.Context(), "overcloud-full"); err != nil || i.ID != want || i.MinDiskGB != 7 || len(i.Packages) > 0 {
		t.Errorf("%+v %v", i, err)
	}
	w.under.AddImage("overcloud-full", 7)
	if _, err := w.cloud.Image(t.Context(), "overcloud-full"); !errs.Is(err, errs.Conflict) || errs.HintOf(err) == "" {
		t.Errorf("two of a name: %v", err)
	}
}

func TestEnsurePort(t *testing.T) {
	w := newWorld(t)
	ctx, instance := t.Context(), uuid.NewString()
	n := w.under.AddNode("a", nil, "52:54:00:aa:00:01")
	if _, err := w.cloud.EnsurePort(ctx, n.UUID, "overcloud-controller-0", instance, ""); !errs.Is(err, errs.NotFound) || errs.HintOf(err) == "" {
		t.Errorf("without a network: %v", err)
	}
	w.ctlplane(t)
	first, err := w.cloud.EnsurePort(ctx, n.UUID, "overcloud-controller-0", instance, "")
	if err != nil {
		t.Fatal(err)
	}
	want := deploy.Address{PortID: first.PortID, MAC: "52:54:00:aa:00:01", IP: "192.168.255.11", CIDR: "192.168.255.0/24", Gateway: "192.168.255.1",
		Nameservers: []string{"192.168.255.1"}, MTU: 1500}
	if !reflect.DeepEqual(first, want) {
		t.Errorf("got  %+v\nwant %+v", first, want)
	}
	if again, err := w.cloud.EnsurePort(ctx, n.UUID, "overcloud-controller-0", instance, ""); err != nil || !reflect.DeepEqual(again, first) {
		t.Errorf("a second time: %+v %v", again, err)
	}
	for range 2 { // the second time there is nothing left, and that is no error
		if err := w.cloud.DeletePorts(ctx, instance); err != nil {
			t.Error(err)
		}
	}
	if other, err := w.cloud.EnsurePort(ctx, n.UUID, "overcloud-controller-0", uuid.NewString(), ""); err != nil || other.PortID == first.PortID {
		t.Errorf("the port was not deleted: %+v %v", other, err)
	}
	bare := w.under.AddNode("b", nil)
	if _, err := w.cloud.EnsurePort(ctx, bare.UUID, "x", uuid.NewString(), ""); !errs.Is(err, errs.Conflict) || !strings.Contains(errs.HintOf(err), bare.UUID) {
		t.Errorf("a node without a NIC: %v", err)
	}
}

func anInstance() deploy.Instance {
	return deploy.Instance{UUID: uuid.NewString(), Name: "overcloud-controller-0", Flavor: "control", Image: uuid.NewString(), Domain: "localdomain",
		PublicKeys: []string{"ssh-ed25519 AAAA one", "ssh-ed25519 AAAA two"}, HostKey: "ssh-ed25519 BBBB host", HostKeyPEM: "-----BEGIN\nline\n",
		Address: deploy.Address{MAC: "52:54:00:aa:00:01", IP: "192.168.255.11", CIDR: "192.168.255.0/24", Gateway: "192.168.255.1",
			Nameservers: []string{"192.168.255.1"}, MTU: 1450}}
}

func TestDeploy(t *testing.T) {
	w := newWorld(t)
	ctx, d := t.Context(), anInstance()
	n := w.under.AddNode("a", nil)
	if err := w.cloud.Deploy(ctx, n.UUID, d); err != nil {
		t.Fatal(err)
	}
	got := w.under.Node("a")
	if got.InstanceUUID != d.UUID || got.ProvisionState != "active" || got.InstanceInfo["image_source"] != d.Image || got.InstanceInfo["display_name"] != d.Name {
		t.Errorf("%s %s %v", got.InstanceUUID, got.ProvisionState, got.InstanceInfo)
	}
	st, err := w.cloud.State(ctx, n.UUID)
	if err != nil || st.Provision != "active" || st.InstanceUUID != d.UUID {
		t.Errorf("%+v %v", st, err)
	}
	for _, state := range []string{"active", "deploying", "wait call-back"} { // again: nothing is done
		w.under.SetNode(n.UUID, func(n *ironic.Node) { n.ProvisionState, n.TargetProvisionState = state, "active" })
		if err := w.cloud.Deploy(ctx, n.UUID, d); err != nil {
			t.Errorf("again while %s: %v", state, err)
		}
	}
	if len(w.asked) != 1 {
		t.Errorf("asked %d times", len(w.asked))
	}
	w.under.SetNode(n.UUID, func(n *ironic.Node) { n.ProvisionState = "deploy failed" })
	if err := w.cloud.Deploy(ctx, n.UUID, d); err != nil || len(w.asked) != 2 {
		t.Errorf("after a failure it is tried again: %v, asked %d times", err, len(w.asked))
	}
}

func TestDeployRefuses(t *testing.T) {
	w := newWorld(t)
	taken := w.under.AddNode("taken", func(n *ironic.Node) { n.InstanceUUID, n.ProvisionState = uuid.NewString(), "active" })
	busy := w.under.AddNode("busy", func(n *ironic.Node) { n.ProvisionState = "cleaning" })
	free := w.under.AddNode("free", nil)
	for _, id := range []string{taken.UUID, busy.UUID} {
		if err := w.cloud.Deploy(t.Context(), id, anInstance()); !errs.Is(err, errs.Conflict) {
			t.Errorf("%s: %v", w.under.Node(id).Name, err)
		}
	}
	d := anInstance()
	d.Address.CIDR = "nonsense"
	if err := w.cloud.Deploy(t.Context(), free.UUID, d); !errs.Is(err, errs.Invalid) {
		t.Errorf("%v", err)
	}
	for _, name := range []string{"taken", "busy", "free"} {
		if n := w.under.Node(name); n.Version != 1 {
			t.Errorf("%s was changed", name)
		}
	}
}

// A crash between choosing the node and the verb is made good.
func TestDeployAfterACrash(t *testing.T) {
	w := newWorld(t)
	d := anInstance()
	n := w.under.AddNode("a", func(n *ironic.Node) { n.InstanceUUID = d.UUID })
	if err := w.cloud.Deploy(t.Context(), n.UUID, d); err != nil || w.under.Node("a").ProvisionState != "active" {
		t.Errorf("%v, %s", err, w.under.Node("a").ProvisionState)
	}
}

func TestConfigDrive(t *testing.T) {
	w := newWorld(t)
	n, d := w.under.AddNode("a", nil), anInstance()
	if err := w.cloud.Deploy(t.Context(), n.UUID, d); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(w.asked[0].ConfigDrive)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		MetaData    map[string]any `json:"meta_data"`
		NetworkData map[string]any `json:"network_data"`
		UserData    string         `json:"user_data"`
	}
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"uuid": d.UUID, "name": d.Name, "hostname": "overcloud-controller-0.localdomain",
		"public_keys": map[string]any{"default": "ssh-ed25519 AAAA one", "default_": "ssh-ed25519 AAAA two"}}
	if !reflect.DeepEqual(got.MetaData, want) {
		t.Errorf("meta data %v", got.MetaData)
	}
	var network any
	text := `{"links":[{"id":"ctlplane","type":"phy","ethernet_mac_address":"52:54:00:aa:00:01","mtu":1450}],
	 "networks":[{"id":"ctlplane","type":"ipv4","link":"ctlplane","ip_address":"192.168.255.11","netmask":"255.255.255.0",
	              "routes":[{"network":"0.0.0.0","netmask":"0.0.0.0","gateway":"192.168.255.1"}]}],
	 "services":[{"type":"dns","address":"192.168.255.1"}]}`
	if err := json.Unmarshal([]byte(text), &network); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(any(got.NetworkData), network) {
		t.Errorf("network data %v", got.NetworkData)
	}
	body, ok := strings.CutPrefix(got.UserData, "#cloud-config\n")
	var user struct {
		Keys   map[string]string `json:"ssh_keys"`
		Delete bool              `json:"ssh_deletekeys"`
	}
	if err := json.Unmarshal([]byte(body), &user); err != nil || !ok || !user.Delete ||
		user.Keys["ed25519_private"] != d.HostKeyPEM || user.Keys["ed25519_public"] != d.HostKey {
		t.Errorf("user data %q: %v", got.UserData, err)
	}
}

func TestUndeploy(t *testing.T) {
	const mine, other = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
	for _, c := range []struct {
		state, instance string
		want            string // the state afterwards
		code            errs.Code
	}{
		{"active", mine, "available", ""},
		{"deploy failed", mine, "available", ""},
		{"wait call-back", mine, "available", ""},
		{"available", mine, "available", ""},
		{"available", "", "available", ""},
		{"cleaning", "", "cleaning", ""},
		{"deleting", mine, "deleting", ""},
		{"clean failed", "", "clean failed", ""},
		{"active", other, "active", errs.NotFound},
		{"available", other, "available", errs.NotFound},
		{"manageable", "", "manageable", errs.NotFound},
	} {
		t.Run(c.state+" "+c.instance, func(t *testing.T) {
			w := newWorld(t)
			n := w.under.AddNode("a", func(n *ironic.Node) { n.ProvisionState, n.InstanceUUID = c.state, c.instance })
			err := w.cloud.Undeploy(t.Context(), n.UUID, mine)
			if errs.CodeOf(err) != c.code {
				t.Errorf("%v", err)
			}
			got := w.under.Node("a")
			if got.ProvisionState != c.want || c.instance == other && got.InstanceUUID != other {
				t.Errorf("%s %s", got.ProvisionState, got.InstanceUUID)
			}
			if c.state == "available" && got.InstanceUUID == mine {
				t.Error("the node is still chosen")
			}
		})
	}
	t.Run("no such node", func(t *testing.T) {
		if err := newWorld(t).cloud.Undeploy(t.Context(), uuid.NewString(), mine); !errs.Is(err, errs.NotFound) {
			t.Errorf("%v", err)
		}
	})
}

// A machine that is just being written to is given back when it can be stopped.
func TestUndeployWhileDeploying(t *testing.T) {
	w := newWorld(t)
	instance := uuid.NewString()
	n := w.under.AddNode("a", func(n *ironic.Node) { n.ProvisionState, n.InstanceUUID = "deploying", instance })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := w.cloud.Undeploy(ctx, n.UUID, instance); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	done := make(chan error, 1)
	w.under.Requests()
	go func() { done <- w.cloud.Undeploy(t.Context(), n.UUID, instance) }()
	for len(w.under.Requests()) == 0 { // it has looked
		time.Sleep(time.Millisecond)
	}
	w.under.SetNode(n.UUID, func(n *ironic.Node) { n.ProvisionState = "wait call-back" })
	if err := <-done; err != nil || w.under.Node("a").ProvisionState != "available" {
		t.Errorf("%v, %s", err, w.under.Node("a").ProvisionState)
	}
}
