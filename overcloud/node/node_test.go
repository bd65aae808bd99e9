package node_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/overcloud/inventory"
	"trefoil/overcloud/node"
	"trefoil/overcloud/session"
	"trefoil/undercloud/undercloudtest"
)

type world struct {
	*undercloudtest.Cloud
	*node.Workflow
	out *bytes.Buffer
}

func newWorld(t *testing.T) *world {
	t.Helper()
	c := undercloudtest.New(t)
	s, err := session.Open(t.Context(), gophercloud.AuthOptions{IdentityEndpoint: c.AuthURL + "/v3", Username: "admin", Password: undercloudtest.Password,
		DomainName: "Default", Scope: &gophercloud.AuthScope{ProjectName: "admin", DomainName: "Default"}}, gophercloud.EndpointOpts{}, nil, session.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	return &world{Cloud: c, out: &out, Workflow: &node.Workflow{Session: s, Out: &out, Progress: io.Discard, Poll: time.Millisecond, Retries: 3}}
}

// lines returns what was printed since the last call, with identifiers made equal:
// known nodes by name, others as <uuid>.
func (w *world) lines(t *testing.T) string {
	t.Helper()
	all, err := w.Nodes.Nodes(t.Context(), ironic.NodeFilter{})
	if err != nil {
		t.Fatal(err)
	}
	s := w.out.String()
	w.out.Reset()
	for _, n := range all {
		s = strings.ReplaceAll(s, n.UUID, "<"+n.Name+">")
	}
	return regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}`).ReplaceAllString(s, "<id>")
}

func (w *world) same(t *testing.T, want string) {
	t.Helper()
	if got := w.lines(t); got != want {
		t.Errorf("printed\n%s\nwant\n%s", got, want)
	}
}

const started = "Started Mistral Workflow tripleo.baremetal.v1.%s. Execution ID: <id>\nWaiting for messages on queue 'tripleo' with no timeout.\n"

// machines reads an inventory as the operator writes it.
func machines(t *testing.T, json string) []inventory.Machine {
	t.Helper()
	entries, err := inventory.Parse("nodes.json", []byte(json))
	if err != nil {
		t.Fatal(err)
	}
	ms, err := inventory.Machines(entries, inventory.Options{BootOption: "local"})
	if err != nil {
		t.Fatal(err)
	}
	return ms
}

const (
	entryA = `{"name":"a","pm_type":"pxe_ipmitool","pm_addr":"10.0.0.1","pm_port":"6230","pm_user":"admin","pm_password":"password","mac":["52:54:00:AA:00:01"],"cpu":"2","memory":"4096","disk":"40","arch":"x86_64"}`
	entryB = `{"name":"b","pm_type":"pxe_ipmitool","pm_addr":"10.0.0.1","pm_port":"6231","pm_user":"admin","pm_password":"password","mac":["52:54:00:aa:00:02","52:54:00:aa:00:03"],"cpu":"2","memory":"4096","disk":"40","arch":"x86_64"}`
)

func (w *world) bootImages() (kernel, ramdisk string) {
	return w.AddImage("bm-deploy-kernel", 0), w.AddImage("bm-deploy-ramdisk", 0)
}

func (w *world) ports(t *testing.T, name string) []string {
	t.Helper()
	all, err := w.Nodes.Ports(t.Context(), ironic.PortFilter{NodeUUID: w.Node(name).UUID})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, p := range all {
		out = append(out, p.Address)
	}
	slices.Sort(out)
	return out
}

func TestRegisterNew(t *testing.T) {
	w := newWorld(t)
	kernel, ramdisk := w.bootImages()
	ids, err := w.Register(t.Context(), machines(t, "["+entryA+","+entryB+"]"), true)
	if err != nil {
		t.Fatal(err)
	}
	w.same(t, fmt.Sprintf(started, "register_or_update")+"\n\n2 node(s) successfully moved to the \"manageable\" state.\n"+
		"Successfully registered node UUID <a>\nSuccessfully registered node UUID <b>\n")
	a, b := w.Node("a"), w.Node("b")
	if !slices.Equal(ids, []string{a.UUID, b.UUID}) || a.ProvisionState != "manageable" || b.ProvisionState != "manageable" {
		t.Errorf("ids %v, states %s %s", ids, a.ProvisionState, b.ProvisionState)
	}
	if a.DriverInfo["deploy_kernel"] != kernel || a.DriverInfo["deploy_ramdisk"] != ramdisk || a.Driver != "ipmi" || fmt.Sprint(a.DriverInfo["ipmi_port"]) != "6230" {
		t.Errorf("driver %s, driver_info %v", a.Driver, a.DriverInfo)
	}
	if got := w.ports(t, "b"); !slices.Equal(got, []string{"52:54:00:aa:00:02", "52:54:00:aa:00:03"}) {
		t.Errorf("ports %v", got)
	}
}

// The same file again changes nothing but what it says: no second node, new
// MACs become ports, and what the operator has set since is kept.
func TestRegisterAgain(t *testing.T) {
	w := newWorld(t)
	w.bootImages()
	first, err := w.Register(t.Context(), machines(t, "["+entryA+","+entryB+"]"), true)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Provide(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	w.SetNode(first[0], func(n *ironic.Node) { n.Properties["capabilities"] = "profile:control,boot_option:local" })
	w.lines(t)
	more := strings.Replace(entryA, `"52:54:00:AA:00:01"`, `"52:54:00:AA:00:01","52:54:00:aa:00:09"`, 1)
	more = strings.Replace(more, `"memory":"4096"`, `"memory":"8192"`, 1)
	again, err := w.Register(t.Context(), machines(t, "["+entryB+","+more+"]"), true)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(again, []string{first[1], first[0]}) {
		t.Errorf("ids %v, first %v", again, first)
	}
	w.same(t, fmt.Sprintf(started, "register_or_update")+"\n\nSuccessfully registered node UUID <b>\nSuccessfully registered node UUID <a>\n")
	if all, _ := w.Nodes.Nodes(t.Context(), ironic.NodeFilter{}); len(all) != 2 {
		t.Errorf("%d nodes", len(all))
	}
	a := w.Node("a")
	if a.ProvisionState != "available" || a.Properties["capabilities"] != "profile:control,boot_option:local" || fmt.Sprint(a.Properties["memory_mb"]) != "8192" {
		t.Errorf("%s %v", a.ProvisionState, a.Properties)
	}
	if got := w.ports(t, "a"); !slices.Equal(got, []string{"52:54:00:aa:00:01", "52:54:00:aa:00:09"}) {
		t.Errorf("ports %v", got)
	}
}

// A node beyond Ironic's first page of a thousand is known as well.
func TestRegisterAgainBeyondTheFirstPage(t *testing.T) {
	w := newWorld(t)
	for i := range 1001 {
		w.AddNode(fmt.Sprintf("n%d", i), nil, fmt.Sprintf("52:54:00:bb:%02x:%02x", i/256, i%256))
	}
	w.AddNode("a", withIPMI, "52:54:00:aa:00:01")
	w.Requests()
	ids, err := w.Register(t.Context(), machines(t, "["+entryA+"]"), false)
	if err != nil || len(ids) != 1 || ids[0] != w.Node("a").UUID {
		t.Fatalf("%v %v", ids, err)
	}
	if got := w.Requests(); len(got) > 8 {
		t.Errorf("%d requests for one node: %v", len(got), got)
	}
}

func TestRegisterRefuses(t *testing.T) {
	for _, c := range []struct {
		name, file string
		images     bool
		nodes      func(w *world)
		want       string
	}{
		{name: "no boot images", file: "[" + entryA + "]", nodes: func(w *world) {},
			want: "No image with the name 'bm-deploy-kernel' found - make sure you have uploaded boot images."},
		{name: "boot images whose upload was broken off", file: "[" + entryA + "]", nodes: func(w *world) { w.AddHalfImage("bm-deploy-kernel") },
			want: "No image with the name 'bm-deploy-kernel' found - make sure you have uploaded boot images."},
		{name: "several candidates", file: "[" + entryB + "," + entryA + "]", images: true, nodes: func(w *world) {
			w.AddNode("mac", nil, "52:54:00:aa:00:01")
			w.AddNode("bmc", func(n *ironic.Node) {
				n.DriverInfo = map[string]any{"ipmi_address": "10.0.0.1", "ipmi_port": "6230"}
			})
		}, want: "Exception registering nodes: node #1 a: Several candidates found for the same node data: "},
		{name: "another driver", file: "[" + entryA + "]", images: true, nodes: func(w *world) {
			w.AddNode("a", func(n *ironic.Node) { n.Driver = "fake-hardware" }, "52:54:00:aa:00:01")
		}, want: "Exception registering nodes: node #0 a: pm_type means the driver ipmi, and the node is registered with fake-hardware: "},
		{name: "two entries, one node", file: "[" + entryA + "," + entryB + "]", images: true, nodes: func(w *world) {
			w.AddNode("both", withIPMI, "52:54:00:aa:00:01", "52:54:00:aa:00:02")
		}, want: "Exception registering nodes: node #1 b: entry #0 is the same node already: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			if c.images {
				w.bootImages()
			}
			c.nodes(w)
			before, _ := w.Nodes.Nodes(t.Context(), ironic.NodeFilter{})
			_, err := w.Register(t.Context(), machines(t, c.file), true)
			if err == nil || !strings.Contains(err.Error(), c.want) || errs.HintOf(err) == "" {
				t.Errorf("got %v (hint %q), want %s", err, errs.HintOf(err), c.want)
			}
			after, _ := w.Nodes.Nodes(t.Context(), ironic.NodeFilter{})
			if fmt.Sprint(versions(before)) != fmt.Sprint(versions(after)) {
				t.Errorf("something was done by halves: %v, then %v", versions(before), versions(after))
			}
		})
	}
}

func versions(all []*ironic.Node) (out []string) {
	for _, n := range all {
		out = append(out, fmt.Sprint(n.UUID, n.Version))
	}
	return out
}

// A node whose ports cannot be made does not stay without them.
func TestRegisterTakesBackANodeWithoutPorts(t *testing.T) {
	w := newWorld(t)
	m := machines(t, "["+entryA+"]")
	m[0].MACs = []string{"52:54:00:aa:00:01", "52:54:00:aa:00:01"}
	if _, err := w.Register(t.Context(), m, false); !errs.Is(err, errs.Conflict) {
		t.Errorf("got %v", err)
	}
	if all, _ := w.Nodes.Nodes(t.Context(), ironic.NodeFilter{}); len(all) != 0 {
		t.Errorf("left behind: %s", all[0].Name)
	}
}

// fails has verb end in a failure state on the nodes that are named.
func (w *world) fails(target, state, why string, times int, names ...string) {
	var mu sync.Mutex
	left := map[string]int{}
	for _, n := range names {
		left[n] = times
	}
	w.Conductor.Do = func(ctx context.Context, ident string, req api.ProvisionRequest) error {
		n, err := w.Nodes.Node(ctx, ident)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		if req.Target != target || left[n.Name] == 0 {
			return w.Conductor.Conductor.Provision(ctx, ident, req)
		}
		left[n.Name]--
		w.SetNode(n.UUID, func(n *ironic.Node) { n.ProvisionState, n.LastError = state, why })
		return nil
	}
}

// A wrong password or a silent BMC leaves the node in enroll: a line per node
// says why, and the next import tries again.
func TestRegisterBMCThatRefuses(t *testing.T) {
	w := newWorld(t)
	w.fails("manage", "enroll", "Failed to get power state for node a.\nError: IPMI call failed: wrong user name or password", 1, "a")
	file := machines(t, "["+entryA+","+entryB+"]")
	_, err := w.Register(t.Context(), file, false)
	want := `Exception registering nodes: Node a did not reach state "manageable", the state is "enroll", error: Failed to get power state for node a. Error: IPMI call failed: wrong user name or password`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if got := w.lines(t); strings.Contains(got, "Successfully") {
		t.Errorf("printed %s", got)
	}
	if got := w.Node("b").ProvisionState; got != "manageable" {
		t.Errorf("the other node is %s", got)
	}
	if _, err := w.Register(t.Context(), machines(t, "["+entryA+","+entryB+"]"), false); err != nil {
		t.Fatal(err)
	}
	w.same(t, fmt.Sprintf(started, "register_or_update")+"\n\n1 node(s) successfully moved to the \"manageable\" state.\n"+
		"Successfully registered node UUID <a>\nSuccessfully registered node UUID <b>\n")
}

func withIPMI(n *ironic.Node) { n.Driver = "ipmi" }

func manageable(n *ironic.Node) { n.ProvisionState = "manageable" }

func TestIntrospect(t *testing.T) {
	w := newWorld(t)
	w.AddNode("a", manageable)
	b := w.AddNode("b", manageable)
	w.fails("inspect", "inspect failed", "no DHCP request was seen", 1, "b")
	if err := w.Introspect(t.Context(), []string{"a", b.UUID, "b"}); err != nil { // named twice, done once
		t.Fatal(err)
	}
	w.same(t, "Waiting for introspection to finish...\n"+fmt.Sprintf(started, "introspect")+
		"Introspection of node <a> completed. Status:SUCCESS. Errors:None\n"+
		"Introspection of node <b> completed. Status:FAILED. Errors:Node b did not reach state \"manageable\", the state is \"inspect failed\", error: no DHCP request was seen\n"+
		"Retrying 1 nodes that failed introspection. Attempt 2 of 3 \n"+
		"Introspection of node <b> completed. Status:SUCCESS. Errors:None\n"+
		"Successfully introspected 2 node(s).\n")
}

// A refusal that cannot change is not tried again; the others are introspected.
func TestIntrospectRefuses(t *testing.T) {
	w := newWorld(t)
	w.AddNode("a", func(n *ironic.Node) { n.ProvisionState = "available" })
	w.AddNode("b", func(n *ironic.Node) { n.ProvisionState = "active" })
	w.AddNode("c", manageable)
	err := w.Introspect(t.Context(), []string{"a", "b", "c"})
	want := "Node a is \"available\", and only manageable nodes are introspected\nNode b is \"active\", and only manageable nodes are introspected"
	if err == nil || err.Error() != want || errs.HintOf(err) != "openstack baremetal node manage NODE makes an available node manageable again; one with an instance stays as it is" {
		t.Errorf("got %v (hint %q)", err, errs.HintOf(err))
	}
	w.same(t, "Waiting for introspection to finish...\n"+fmt.Sprintf(started, "introspect")+
		"Introspection of node <c> completed. Status:SUCCESS. Errors:None\nSuccessfully introspected 1 node(s).\n")
}

func TestIntrospectGivesUp(t *testing.T) {
	w := newWorld(t)
	w.AddNode("a", manageable)
	w.fails("inspect", "inspect failed", "no DHCP request was seen", 99, "a")
	err := w.Introspect(t.Context(), []string{"a"})
	want := "Introspection completed with errors:\nRetry limit reached with 1 nodes still failing introspection\n" +
		"Node a did not reach state \"manageable\", the state is \"inspect failed\", error: no DHCP request was seen"
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
	if got := w.lines(t); strings.Count(got, "Status:FAILED") != 3 || strings.Contains(got, "Successfully") {
		t.Errorf("printed\n%s", got)
	}
}

func TestProvide(t *testing.T) {
	w := newWorld(t)
	w.AddNode("a", manageable)
	w.AddNode("b", nil) // available already
	if err := w.Provide(t.Context(), []string{"a", "b"}); err != nil {
		t.Fatal(err)
	}
	w.same(t, fmt.Sprintf(started, "provide")+"2 node(s) successfully moved to the \"available\" state.\n")

	w.AddNode("c", manageable)
	w.AddNode("d", func(n *ironic.Node) { n.ProvisionState = "active" })
	w.fails("provide", "clean failed", "the disk is read-only", 1, "c")
	err := w.Provide(t.Context(), []string{"d", "c"})
	if err == nil {
		t.Fatal("no error")
	}
	got := strings.Split(err.Error(), "\n") // a line per node, in the order given
	if len(got) != 2 || !strings.HasPrefix(got[0], "Failed to set nodes to available state: Node d: ") ||
		got[1] != `Node c did not reach state "available", the state is "clean failed", error: the disk is read-only` {
		t.Errorf("got %q", got)
	}
}

func TestUnknownNodeChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.AddNode("a", manageable)
	for _, f := range []func(context.Context, []string) error{w.Introspect, w.Provide} {
		if err := f(t.Context(), []string{"a", "nope"}); !errs.Is(err, errs.NotFound) || !strings.Contains(err.Error(), "Node nope could not be found.") {
			t.Errorf("got %v", err)
		}
	}
	if n := w.Node("a"); n.ProvisionState != "manageable" || n.Version != 1 {
		t.Errorf("%s, version %d", n.ProvisionState, n.Version)
	}
}
