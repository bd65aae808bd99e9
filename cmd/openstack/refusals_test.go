package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"trefoil/internal/dpkg"
	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/overcloud/resource"
	"trefoil/overcloud/stack"
	"trefoil/undercloud/image"
	"trefoil/undercloud/store/sqlite"
)

// article is the deployment that is refused below, but for what is wrong in it.
const article = "overcloud deploy --templates --control-flavor control --compute-flavor compute --ceph-storage-flavor ceph-storage --libvirt-type qemu "

// storage adds a machine for OSDs, of which introspection has seen the data disks.
func (o *operator) storage(name, mac string, disks ...string) {
	o.t.Helper()
	o.AddNode(name, func(x *ironic.Node) {
		x.ResourceClass, x.Properties = "baremetal", map[string]any{"capabilities": "profile:ceph-storage", "local_gb": 40}
	}, mac)
	all := []any{map[string]any{"name": "/dev/vda", "size": int64(40 << 30)}}
	for _, d := range disks {
		all = append(all, map[string]any{"name": d, "size": int64(40 << 30)})
	}
	o.Inspected(name, map[string]any{"disks": all}, map[string]any{"root_disk": all[0]})
}

// untouched fails where the refusal before it has changed something.
func (o *operator) untouched(what string) {
	o.t.Helper()
	if all, err := o.DB.Stacks(o.t.Context()); err != nil || len(all) > 0 {
		o.t.Errorf("%s: there are %d stacks, %v", what, len(all), err)
	}
	for _, name := range []string{"control-1", "compute-1", "compute-2", "storage-1"} {
		if n := o.Node(name); n.InstanceUUID != "" || n.ProvisionState != "available" {
			o.t.Errorf("%s: %s is %s with instance %q", what, name, n.ProvisionState, n.InstanceUUID)
		}
	}
	for _, r := range o.Requests() {
		if !strings.HasPrefix(r, "GET ") && !strings.HasPrefix(r, "POST /v3/auth/tokens") {
			o.t.Errorf("%s: %s was asked for", what, r)
		}
	}
}

// TestBadInputIsRefusedBeforeAnythingIsTouched: text, cure and exit code of what an operator
// may have got wrong.
func TestBadInputIsRefusedBeforeAnythingIsTouched(t *testing.T) {
	o := newOperator(t)
	o.engine()
	o.storage("storage-1", "52:54:00:aa:00:09", "/dev/vdb")
	dir := t.TempDir()
	env := func(name, text string) string { return " -e " + o.in(dir, name+".yaml", text) }
	const networks = "- {name: Storage, name_lower: storage, ip_subnet: 172.16.1.0/24}\n- {name: InternalApi, name_lower: internal_api, ip_subnet: 172.16.0.0/16}\n"
	for _, x := range []struct{ name, line, want string }{
		{"fewer disks than copies", "--ceph-storage-scale 1" + env("copies", "parameter_defaults:\n  CephPoolDefaultSize: 3\n  CephAnsibleDisksConfig: {devices: [/dev/vdb]}\n"),
			"copies.yaml:2: CephPoolDefaultSize asks for 3 copies, and there are 1 OSDs"},
		{"fewer disks than copies, as introspection saw them", "--ceph-storage-scale 1" + env("seen", "parameter_defaults:\n  CephPoolDefaultSize: 2\n"),
			"seen.yaml:2: CephPoolDefaultSize asks for 2 copies, and there are 1 data disks: storage-1 has 1"},
		{"a disk that is not there", "--ceph-storage-scale 1" + env("disk", "parameter_defaults:\n  CephAnsibleDisksConfig: {devices: [/dev/vdz]}\n"),
			"node storage-1, chosen for role CephStorage, has no disk /dev/vdz"},
		{"a virtual address outside its network", env("vip", "parameter_defaults:\n  InternalApiVirtualFixedIPs: [{ip_address: 10.9.9.9}]\n"),
			"vip.yaml:2: InternalApiVirtualFixedIPs[0]: 10.9.9.9 is not in network internal_api"},
		{"a fixed address twice", env("twice", "parameter_defaults:\n  InternalApiVirtualFixedIPs: [{ip_address: 172.16.2.7}]\n  ControllerIPs: {internal_api: [172.16.2.7]}\n"),
			"ControllerIPs internal_api[0]: 172.16.2.7 is also that of InternalApiVirtualFixedIPs[0]"},
		{"a fixed address outside its network", env("outside", "parameter_defaults:\n  ControllerIPs: {internal_api: [172.16.9.9]}\n"),
			"outside.yaml:2: ControllerIPs internal_api[0]: 172.16.9.9 is not in network internal_api"},
		{"VLANs that go backwards", env("vlans", "parameter_defaults:\n  NeutronNetworkVLANRanges: ['datacentre:200:100']\n"),
			"vlans.yaml:2: NeutronNetworkVLANRanges: datacentre:200:100: the first number, 200, is above the last one"},
		{"networks that overlap", "-n " + o.in(dir, "networks.yaml", networks), "172.16.0.0/16 overlaps with 172.16.1.0/24"},
		{"controllers without a clock", "--control-scale 3", "Specify --ntp-server as parameter or NtpServer in environments when using multiple controllers (with HA)"},
		{"controllers that are no cloud", "--control-scale 3 --ntp-server ntp.example.com" + env("apart", "parameter_defaults: {EnableHighAvailability: 'false'}\n"),
			"mysql on 3 machines, rabbitmq on 3 machines: each would stand by itself"},
		{"a virtual address that nobody has", env("nobody", "parameter_defaults: {EnableHighAvailability: 'true'}\nresource_registry: {OS::TripleO::Services::Keepalived: OS::Heat::None}\n"),
			"no machine runs keepalived, so that nobody would have the address"},
		{"a service without its need", env("need", "resource_registry: {OS::TripleO::Services::ComputeNeutronOvsAgent: OS::Heat::None}\n"),
			"service nova_compute (deployment/nova/nova-compute.yaml) of role Compute needs neutron_ovs_agent on the same machine"},
		{"a type that the processor has not", "--libvirt-type kvm", "no virtualisation (introspection saw no cpu_vt)"},
		{"a parameter that no template knows", "--validation-warnings-fatal" + env("slip", "parameter_defaults: {NovaComputeLibvirtTyp: qemu}\n"),
			`parameter NovaComputeLibvirtTyp is not used by any template; did you mean "NovaComputeLibvirtType"?`},
		{"a role that is not there", "--swift-storage-scale 1", "no role ObjectStorage"},
	} {
		o.SetNode("compute-1", func(n *ironic.Node) { n.Properties["capabilities"] = "profile:compute,cpu_aes:true" })
		o.SetNode("compute-2", func(n *ironic.Node) { n.Properties["capabilities"] = "profile:compute,cpu_aes:true" })
		o.Requests()
		scale := "--compute-scale 1 "
		if !strings.Contains(x.line, "--ceph-storage-scale") {
			scale += "--ceph-storage-scale 0 "
		}
		for _, way := range []string{"", "--dry-run "} {
			o.want(article+way+scale+x.line, 1, "", x.want)
			o.untouched(way + x.name)
		}
	}
}

// TestManyMachinesAreRefusedBeforeTheyAreEvaluated: two of them would be called alike, which
// the evaluation of all finds, so that what is told here shows which came first. More than the
// template takes are told as that, not as missing.
func TestManyMachinesAreRefusedBeforeTheyAreEvaluated(t *testing.T) {
	o := newOperator(t)
	o.engine()
	alike := o.in(t.TempDir(), "alike.yaml", "parameter_defaults: {HostnameMap: {overcloud-novacompute-120: overcloud-novacompute-121}}\n")
	for _, way := range []string{"", "--dry-run "} {
		o.want(article+way+"--compute-scale 150 --ceph-storage-scale 0 -e "+alike, 1, "", "not enough baremetal nodes: Compute: 150 wanted, 148 missing (flavor compute, profile compute)")
	}
	o.want(article+"--compute-scale 50000 --ceph-storage-scale 0", 1, "", "command line: parameter ComputeCount is 50000, which is above 1000")
	o.want(article+"--update-plan-only --compute-scale 150 --ceph-storage-scale 0 -e "+alike, 1, "", "machine 120 of role Compute and machine 121 of role Compute would both be called overcloud-novacompute-121")
}

// TestAnImageForOtherRolesIsRefused: its list of packages tells, at the terminal.
func TestAnImageForOtherRolesIsRefused(t *testing.T) {
	o := newOperator(t)
	o.engine()
	o.storage("storage-1", "52:54:00:aa:00:09", "/dev/vdb")
	store := sqlite.NewImages(o.DB)
	all, err := store.Images(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatalf("%d images, %v", len(all), err)
	}
	_, err = store.UpdateImage(t.Context(), all[0].ID, func(i *image.Image) error {
		i.Properties = map[string]string{dpkg.ImageProperty: "ceph-common ceph-osd chrony kmod nftables procps python3-rados tzdata util-linux"}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	o.Requests()
	o.want(article+"--compute-scale 1 --ceph-storage-scale 0", 1, "", "image overcloud-full lacks mariadb-server, which service mysql of role Controller needs")
	o.untouched("an image for storage")
	o.want(article+"--compute-scale 1 --ceph-storage-scale 0", 1, "", "openstack overcloud image build -r ROLES_FILE")
}

// stubborn is machines one of which does not do one step.
type stubborn struct {
	reached
	mu  sync.Mutex
	at  string // "STEP MACHINE"; "": all do
	how func(doc resource.Document, tell func(resource.Event)) error
}

func (s *stubborn) Apply(ctx context.Context, n stack.Node, doc resource.Document, tell func(resource.Event)) error {
	s.mu.Lock()
	at, how := s.at, s.how
	s.mu.Unlock()
	if at == fmt.Sprintf("%d %s", doc.Step, n.Name) {
		return how(doc, tell)
	}
	return s.reached.Apply(ctx, n, doc, tell)
}

func (s *stubborn) set(at string, how func(resource.Document, func(resource.Event)) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at, s.how = at, how
}

// TestWhatOnlyTheMachineKnowsIsToldAndGoneOnFrom: a data disk that holds data, a package that
// is not there, a full disk, a machine that goes away: what is told, the exit code, and that
// the same command goes on when it is cured.
func TestWhatOnlyTheMachineKnowsIsToldAndGoneOnFrom(t *testing.T) {
	failing := func(key, text, hint string) func(resource.Document, func(resource.Event)) error {
		return func(_ resource.Document, tell func(resource.Event)) error {
			tell(resource.Event{Event: "failed", Key: key, Error: text, Hint: hint})
			return nil
		}
	}
	deploy := article + "--compute-scale 1 --ceph-storage-scale 1"
	for _, x := range []struct {
		name, at string
		how      func(resource.Document, func(resource.Event)) error
		want     []string
	}{
		{"a disk that holds data", "1 overcloud-cephstorage-0", func(doc resource.Document, tell func(resource.Event)) error {
			for _, r := range doc.Resources {
				if r.Disks != nil {
					tell(resource.Event{Event: "failed", Key: r.Key(), Error: "what is on these data disks would be overwritten: /dev/vdb (40.0 GiB): ext4", Hint: r.Disks.Hint})
				}
			}
			return nil
		}, []string{"overcloud-cephstorage-0: step 1: ceph_osd: disks", "would be overwritten: /dev/vdb (40.0 GiB): ext4", "to try: ", "CephOsdZapDevices: true"}},
		{"a package that the image lacks", "1 overcloud-novacompute-0", failing("packages:nova_compute", "the image lacks nova-compute, which service nova_compute of role Compute needs", "build the image"),
			[]string{"overcloud-novacompute-0: step 1: nova_compute: packages:nova_compute: the image lacks nova-compute", "to try: build the image"}},
		{"a full disk", "2 overcloud-controller-0", failing("file:/etc/nova/nova.conf", "the filesystem of / is full (0 of 40 GiB free)", "find what fills it"),
			[]string{"overcloud-controller-0: step 2:", "the filesystem of / is full", "to try: find what fills it"}},
		{"a machine that goes away in step 3", "3 overcloud-controller-0", func(doc resource.Document, tell func(resource.Event)) error {
			tell(resource.Event{Event: "start", Key: "unit:keystone"})
			return errs.New(errs.Unavailable, "the connection broke: EOF")
		}, []string{"overcloud-controller-0: step 3: keystone: unit:keystone: node overcloud-controller-0 (192.168.24.", "cannot be reached any more", "goes on with step 3 and repeats nothing that is done"}},
	} {
		o := newOperator(t)
		nodes := &stubborn{}
		o.engineOn(nodes)
		o.storage("storage-1", "52:54:00:aa:00:09", "/dev/vdb")
		line := deploy + " -e " + o.in(t.TempDir(), "one.yaml", "parameter_defaults: {CephPoolDefaultSize: 1}\n")
		nodes.set(x.at, x.how)
		code, out, errw := o.types(t.Context(), line)
		for _, want := range x.want {
			if code != 1 || !strings.Contains(out, want) {
				t.Errorf("%s: code %d, no %q in\n%s%s", x.name, code, want, out, errw)
			}
		}
		if !strings.Contains(errw, "run the same command again: it goes on where it stopped") {
			t.Errorf("%s:\n%s", x.name, errw)
		}
		nodes.set("", nil)
		o.want(line, 0, "Overcloud Deployed", "")
	}
}

// TestAStackThatStandsIsWarned: what would be refused of a new one.
func TestAStackThatStandsIsWarned(t *testing.T) {
	o := newOperator(t)
	o.engine()
	dir := t.TempDir()
	line := article + "--compute-scale 1 --ceph-storage-scale 0 -e " + o.in(dir, "ha.yaml", "parameter_defaults: {EnableHighAvailability: 'true'}\n")
	without := " -e " + o.in(dir, "without.yaml", "resource_registry: {OS::TripleO::Services::Keepalived: OS::Heat::None}\n")
	o.want(line+without, 1, "", "no machine runs keepalived")
	o.want(line, 0, "Overcloud Deployed", "")
	o.want(line+without, 0, "Overcloud Deployed", "WARNING: the cloud is to answer at 192.168.24.")
}
