package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/internal/golden"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/resource"
	"trefoil/templates"
)

// controllers are the article's machines with as many controllers.
func controllers(t testing.TB, n int) (plan.Options, []plan.Node) {
	t.Helper()
	o := article(t)
	o.Counts["Controller"], o.Parameters["NtpServer"] = n, []any{"ntp.example.com"}
	nodes := slices.Clone(machines)
	for i := 1; i < n; i++ {
		nodes = append(nodes, plan.Node{Name: "overcloud-controller-" + string(rune('0'+i)), Role: "Controller", Index: i, Address: "192.168.255.1" + string(rune('5'+i))})
	}
	return o, nodes
}

func described(r resource.Resource) string {
	var b strings.Builder
	describe(&b, r)
	return b.String()
}

// change is what a resource has beside what one controller has of it (+), and what it
// has no longer (-), each line once: several services may write the same file.
func change(head, before, now string) string {
	had, has := strings.Split(before, "\n"), strings.Split(now, "\n")
	out := missing("- ", had, has) + missing("+ ", has, had)
	if out == "" {
		return ""
	}
	return head + "\n" + out
}

// missing are the lines that are not among others.
func missing(mark string, lines, others []string) string {
	var out strings.Builder
	for i, line := range lines {
		if line != "" && !slices.Contains(others, line) && !slices.Contains(lines[:i], line) {
			fmt.Fprintf(&out, "%s%s\n", mark, line)
		}
	}
	return out.String()
}

// byKey are a machine's resources as text, by step and key.
func byKey(docs []resource.Document) (map[string]string, []string) {
	all, order := map[string]string{}, []string{}
	for _, d := range docs {
		for _, r := range d.Resources {
			key := fmt.Sprintf("step %d %s", d.Step, r.Key())
			if all[key] == "" {
				order = append(order, key)
			}
			all[key] += described(r)
		}
	}
	return all, order
}

// TestThreeControllersAreOneCloud: what differs from one controller, on the first and
// on another machine.
func TestThreeControllersAreOneCloud(t *testing.T) {
	o, nodes := controllers(t, 3)
	cfg, err := build(t, o).Configure(nodes)
	if err != nil {
		t.Fatal(err)
	}
	one, few := controllers(t, 1)
	alone, err := build(t, one).Configure(few)
	if err != nil {
		t.Fatal(err)
	}
	before, were := byKey(alone["overcloud-controller-0"])
	var b strings.Builder
	for _, name := range []string{"overcloud-controller-0", "overcloud-controller-2"} {
		now, order := byKey(cfg[name])
		for _, key := range order {
			b.WriteString(change(name+" "+key, before[key], now[key]))
		}
		for _, key := range were {
			if now[key] == "" {
				fmt.Fprintf(&b, "%s %s is not there\n", name, key)
			}
		}
	}
	golden.Check(t, "controllers.txt", b.String())
}

// TestEndpointsAreVirtual: the catalog, the outputs and what services are told.
func TestEndpointsAreVirtual(t *testing.T) {
	o, nodes := controllers(t, 3)
	o.Parameters["ControlFixedIPs"] = []any{map[string]any{"ip_address": "192.168.24.9"}}
	p := build(t, o)
	if got := p.CloudAddress(nodes); got != "192.168.24.9" || p.VirtualAddress() != got || p.WantedVirtualAddress() != got {
		t.Errorf("the cloud is at %q", got)
	}
	catalog, err := p.KeystoneResources(nodes)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range catalog {
		for kind, url := range r.Endpoints {
			if !strings.HasPrefix(url, "http://192.168.24.9:") {
				t.Errorf("%s %s is %s", r.Name, kind, url)
			}
		}
	}
	out, err := p.OutputsFor(nodes)
	if err != nil || out["KeystoneURL"] != "http://192.168.24.9:5000" {
		t.Errorf("%v, %v", out["KeystoneURL"], err)
	}
	if kept := p.Isolated()[plan.VirtualKey("overcloud")]; kept != "192.168.24.9" {
		t.Errorf("kept for the next plan: %q", kept)
	}
	single := build(t, article(t))
	if single.VirtualAddress() != "" || single.CloudAddress(machines[1:2]) != "192.168.255.15" {
		t.Error("one controller has a virtual address")
	}
}

func TestVirtualAddressIsFreeAndKept(t *testing.T) {
	o, _ := controllers(t, 3)
	first := build(t, o)
	for _, s := range first.Servers {
		if s.Networks["ctlplane"] == first.VirtualAddress() {
			t.Errorf("%s has the virtual address", s.Name)
		}
	}
	o.Addresses = map[string]string{plan.VirtualKey("overcloud"): "192.168.24.77"}
	if got := build(t, o).VirtualAddress(); got != "192.168.24.77" {
		t.Errorf("it moved to %s", got)
	}
	o.Parameters["ControlFixedIPs"] = []any{map[string]any{"ip_address": "10.9.9.9"}}
	if _, err := plan.Build(t.Context(), templates.FS, o); err != nil {
		t.Errorf("only the undercloud knows its network: %v", err)
	}
	o.Ctlplane = provisioning()
	if _, err := plan.Build(t.Context(), templates.FS, o); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "10.9.9.9 is not in network ctlplane") {
		t.Errorf("an address outside the network: %v", err)
	}
}

func TestOneControllerMayBeLaidOutToGrow(t *testing.T) {
	o, nodes := controllers(t, 1)
	o.Parameters["EnableHighAvailability"] = "true"
	p := build(t, o)
	if p.VirtualAddress() == "" || !slices.Contains(p.Roles[0].Packages, "haproxy") {
		t.Errorf("address %q, packages %q", p.VirtualAddress(), p.Roles[0].Packages)
	}
	// Nova knows numbers only of several servers.
	if cells := cellsOf(t, p, nodes); !strings.Contains(cells, "'{scheme}://{username}:{password}@{hostname}:{port}/?{query}'") {
		t.Errorf("of one server:\n%s", cells)
	}
	o, nodes = controllers(t, 3)
	if cells := cellsOf(t, build(t, o), nodes); !strings.Contains(cells, "'{scheme}://{username1}:{password1}@{hostname1}:{port1},{username2}:") {
		t.Errorf("of several servers:\n%s", cells)
	}
}

// cellsOf is the resource that writes Nova's cells.
func cellsOf(t *testing.T, p *plan.Plan, nodes []plan.Node) string {
	t.Helper()
	cfg, err := p.Configure(nodes)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range cfg["overcloud-controller-0"][1].Resources {
		if r.Exec != nil && r.Exec.Name == "nova-cells" {
			return strings.Join(r.Exec.Command, " ")
		}
	}
	t.Fatal("nobody writes Nova's cells")
	return ""
}

// fileOf is what a machine's file holds, or a failure.
func fileOf(t *testing.T, o plan.Options, nodes []plan.Node, machine, path string) string {
	t.Helper()
	cfg, err := build(t, o).Configure(nodes)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range cfg[machine] {
		for _, r := range d.Resources {
			if r.File != nil && r.File.Path == path {
				return r.File.Content
			}
		}
	}
	t.Fatalf("%s has no %s", machine, path)
	return ""
}

// TestKeepalivedOfOneHasNoPeers: with a list that is empty it would use multicast, and
// call its configuration wrong.
func TestKeepalivedOfOneHasNoPeers(t *testing.T) {
	o, nodes := controllers(t, 1)
	o.Parameters["EnableHighAvailability"] = "true"
	if text := fileOf(t, o, nodes, "overcloud-controller-0", "/etc/keepalived/keepalived.conf"); strings.Contains(text, "unicast") || !strings.Contains(text, "  advert_int 1\n  authentication {") {
		t.Errorf("one has\n%s", text)
	}
	o, nodes = controllers(t, 3)
	text := fileOf(t, o, nodes, "overcloud-controller-1", "/etc/keepalived/keepalived.conf")
	for _, peer := range []string{"192.168.255.15", "192.168.255.17"} {
		if !strings.Contains(text, "  unicast_src_ip 192.168.255.16\n  unicast_peer {\n    "+peer+"\n  }\n") {
			t.Errorf("no peer %s:\n%s", peer, text)
		}
	}
}

// TestKeystonesEndpointIsTheVirtualAddress, and what all of memcached's servers knew is forgotten.
func TestKeystonesEndpointIsTheVirtualAddress(t *testing.T) {
	o, nodes := controllers(t, 3)
	o.Parameters["ControlFixedIPs"] = []any{map[string]any{"ip_address": "192.168.24.9"}}
	cfg, err := build(t, o).Configure(nodes)
	if err != nil {
		t.Fatal(err)
	}
	var on []string
	for _, n := range nodes {
		for _, r := range cfg[n.Name][plan.CatalogStep-1].Resources {
			if k := r.KeystoneBootstrap; k != nil {
				on = append(on, n.Name)
				if k.URL != "http://192.168.24.9:5000/v3" || strings.Count(k.Memcached, ":11211") != 3 {
					t.Errorf("%s: endpoint %s, memcached %s", n.Name, k.URL, k.Memcached)
				}
			}
		}
	}
	if !slices.Equal(on, []string{"overcloud-controller-0"}) {
		t.Errorf("made on %q", on)
	}
}

// TestMarksOfMembersEnd: who begins the database's cluster, and who is new on the message bus.
func TestMarksOfMembersEnd(t *testing.T) {
	o, nodes := controllers(t, 3)
	if text := fileOf(t, o, nodes, "overcloud-controller-2", "/etc/systemd/system/mariadb.service.d/galera.conf"); !strings.Contains(text, "\nExecStopPost=/bin/rm -f /run/mysqld/galera.begun\n") {
		t.Errorf("one that failed is waited for for ever:\n%s", text)
	}
	cfg, err := build(t, o).Configure(nodes)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		if n.Role != "Controller" {
			continue
		}
		waited, gone := false, false
		for _, r := range cfg[n.Name][1].Resources {
			waited = waited || r.Wait != nil && r.Wait.Name == "rabbitmq"
			gone = gone || waited && r.Exec != nil && slices.Equal(r.Exec.Command, []string{"rm", "-f", "/run/rabbitmq-member.fresh"})
		}
		if !gone {
			t.Errorf("%s stays new on the message bus", n.Name)
		}
	}
}

// TestVirtualAddressOutlivesTheOtherControllers: the catalog and all machines know it.
func TestVirtualAddressOutlivesTheOtherControllers(t *testing.T) {
	o := article(t)
	o.Addresses, o.AddressHeld = map[string]string{plan.VirtualKey("overcloud"): "192.168.24.77"}, true
	if p := build(t, o); p.VirtualAddress() != "192.168.24.77" || !p.Clustered("mysql") {
		t.Errorf("one controller is left, and the cloud is at %q", p.VirtualAddress())
	}
	o.Parameters["EnableHighAvailability"] = "false"
	_, err := plan.Build(t.Context(), templates.FS, o)
	if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "has the virtual address 192.168.24.77") || errs.HintOf(err) == "" {
		t.Errorf("it is given up: %v", err)
	}
	o.AddressHeld = false
	if p := build(t, o); p.VirtualAddress() != "" {
		t.Errorf("what was only taken is not given up: %s", p.VirtualAddress())
	}
	delete(o.Parameters, "EnableHighAvailability")
	if p := build(t, o); p.VirtualAddress() != "" {
		t.Errorf("a stack that never used one has %s", p.VirtualAddress())
	}
}

func TestOutputsHaveAddressesOnlyWhereThereAreSome(t *testing.T) {
	o, nodes := controllers(t, 3)
	out, err := build(t, o).OutputsFor(nodes)
	if err != nil || out["VipMap"] == nil {
		t.Errorf("%v, %v", out["VipMap"], err)
	}
	if out, err = build(t, article(t)).OutputsFor(machines); err != nil {
		t.Fatal(err)
	}
	if v, there := out["VipMap"]; there {
		t.Errorf("one controller has the output VipMap: %v", v)
	}
}

func TestWarningsOfSeveralControllers(t *testing.T) {
	o, _ := controllers(t, 3)
	says := func(what string) bool {
		return slices.ContainsFunc(build(t, o).Warnings, func(w string) bool { return strings.Contains(w, what) })
	}
	if says("glance_api") || says("each stands by itself") || says("cinder_volume") {
		t.Errorf("with Ceph: %q", build(t, o).Warnings)
	}
	o.Counts["CephStorage"] = 0
	if !says("glance_api on 3 machines keeps images on the disk of the machine that took them") || !says("cinder_volume on 3 machines") {
		t.Errorf("without Ceph: %q", build(t, o).Warnings)
	}
	if o.Counts["Controller"] = 2; !says("mysql and rabbitmq on 2 machines: when one of them dies") {
		t.Errorf("two: %q", build(t, o).Warnings)
	}
	o.Counts["Controller"] = 1
	if says("glance_api") || says("mysql") {
		t.Errorf("one: %q", build(t, o).Warnings)
	}
}

// TestOneControllerDoesNotGrow: its APIs have the ports that HAProxy would listen at.
func TestOneControllerDoesNotGrow(t *testing.T) {
	o, nodes := controllers(t, 3)
	o.Machines = slices.Clone(nodes)
	try := func() error {
		_, err := plan.Build(t.Context(), templates.FS, o)
		return err
	}
	if err := try(); err != nil {
		t.Errorf("machines that were only provisioned: %v", err)
	}
	for i := range nodes {
		nodes[i].Configured = true
	}
	o.Machines = nodes[1:2] // the first controller
	err := try()
	if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "stack overcloud was laid out for one controller: the APIs of overcloud-controller-0 hold their ports") ||
		!strings.Contains(errs.HintOf(err), "EnableHighAvailability: 'true' from its first deployment") {
		t.Errorf("it grows: %v", err)
	}
	o.Addresses = map[string]string{plan.VirtualKey("overcloud"): "192.168.24.77"}
	if err := try(); !errs.Is(err, errs.Invalid) {
		t.Errorf("an address that was only taken: %v", err)
	}
	o.AddressHeld = true
	if err := try(); err != nil {
		t.Errorf("laid out to grow: %v", err)
	}
	o.AddressHeld, o.Counts["Controller"] = false, 1
	if err := try(); err != nil {
		t.Errorf("without an address: %v", err)
	}
	o.Counts["Controller"], o.Machines = 3, []plan.Node{nodes[0]}
	if err := try(); err != nil {
		t.Errorf("no machine with the APIs is there: %v", err)
	}
}
