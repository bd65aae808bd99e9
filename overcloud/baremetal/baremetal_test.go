package baremetal_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/internal/golden"
	"trefoil/internal/yaml"
	"trefoil/overcloud/baremetal"
)

func parse(t *testing.T, name string) *baremetal.File {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	f, err := baremetal.Parse(name, data)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// options are those with which testdata/golden.py expands.
func options() baremetal.Options {
	return baremetal.Options{Stack: "overcloud", UserName: "tripleo-admin", SSHKeys: "ssh-ed25519 AAAA admin"}
}

// TestExpandsAsTripleoAnsible: testdata/NAME.json is what tripleo-ansible's own
// code made of NAME.yaml (testdata/golden.py).
func TestExpandsAsTripleoAnsible(t *testing.T) {
	for _, name := range []string{"counts", "pinned", "scaled", "deployed"} {
		t.Run(name, func(t *testing.T) {
			d, err := parse(t, name+".yaml").Expand(options())
			if err != nil {
				t.Fatal(err)
			}
			said := map[string]any{"present": append([]baremetal.Instance{}, d.Instances...), "environment": environment(d)}
			absent, nets, roles := []string{}, map[string][]string{}, map[string]string{}
			for _, in := range d.Absent {
				absent = append(absent, in.Hostname)
			}
			for _, in := range d.Instances {
				roles[in.Hostname] = in.Role
			}
			for _, r := range d.Roles {
				nets[r.Name] = append([]string{}, r.Networks...)
			}
			said["absent"], said["networks"], said["roles"] = absent, nets, roles
			want, err := os.ReadFile(filepath.Join("testdata", name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			if got := normal(t, said); got != normal(t, json.RawMessage(want)) {
				t.Errorf("got:\n%s", got)
			}
		})
	}
}

// environment is that of machines with the addresses that golden.py gives them.
func environment(d *baremetal.Deployment) map[string]any {
	capitals := map[string]string{}
	for _, r := range d.Roles {
		for _, n := range r.Networks {
			words := strings.Split(n, "_")
			for i, w := range words {
				words[i] = strings.ToUpper(w[:1]) + w[1:]
			}
			capitals[n] = strings.Join(words, "")
		}
	}
	nets := slices.Sorted(maps.Keys(capitals))
	ports := baremetal.Ports{}
	for i, in := range d.Instances {
		ports[in.Hostname] = map[string]baremetal.Address{}
		for _, n := range in.Networks() {
			at := slices.Index(nets, n.Network)
			ports[in.Hostname][n.Network] = baremetal.Address{IP: fmt.Sprintf("10.%d.0.%d", at, i+1), CIDR: fmt.Sprintf("10.%d.0.0/24", at)}
		}
	}
	return d.Environment(ports, capitals, "/usr/share/openstack-tripleo-heat-templates")
}

// normal writes a value as JSON with sorted keys.
func normal(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var plain any
	if err := json.Unmarshal(data, &plain); err != nil {
		t.Fatal(err)
	}
	out, err := json.MarshalIndent(plain, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out) + "\n"
}

func TestAllThatIsWrongIsTold(t *testing.T) {
	data, err := os.ReadFile("testdata/wrong.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, err = baremetal.Parse("wrong.yaml", data)
	if !errs.Is(err, errs.Invalid) {
		t.Fatalf("got %v", err)
	}
	golden.Check(t, "wrong.txt", err.Error()+"\n")
	_, err = parse(t, "wrong-instances.yaml").Expand(options())
	if !errs.Is(err, errs.Invalid) {
		t.Fatalf("got %v", err)
	}
	golden.Check(t, "wrong-instances.txt", err.Error()+"\n")
	if _, err := baremetal.Parse("empty.yaml", nil); err == nil || !strings.Contains(err.Error(), "no roles") {
		t.Errorf("an empty file: %v", err)
	}
}

func TestTypedViewOfAnInstance(t *testing.T) {
	d, err := parse(t, "pinned.yaml").Expand(options())
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]baremetal.Instance{}
	for _, in := range d.Instances {
		byName[in.Hostname] = in
	}
	odd := byName["odd-name"]
	if odd.Index != 1 || odd.GeneratedName != "ctrl-1.overcloud" || odd.FixedIP() != "192.168.24.20" || odd.Node() != "" ||
		odd.Capabilities()["node"] != "controller-9" || odd.Capabilities()["profile"] != "" || odd.DefaultRoutes()[0] != "external" {
		t.Errorf("got %+v", odd)
	}
	gpu := byName["overcloud-novacompute-0"]
	if gpu.Capabilities()["profile"] != "gpu" || gpu.ConductorGroup() != "rack2" || gpu.ResourceClass() != "compute-large" ||
		len(gpu.Traits()) != 2 || gpu.RootGB() != 50 || gpu.SwapMB() != 1024 || gpu.Image() != "overcloud-full" || !gpu.Managed() {
		t.Errorf("got %+v", gpu)
	}
	u9 := byName["rack2-u9"]
	if u9.Node() != "rack2-u9" || u9.CloudConfig()["bootcmd"] == nil || u9.MetaData()["rack"] != 2 || u9.MetaData()["instance-type"] != "Compute" ||
		u9.SSHKeys() != "ssh-ed25519 AAAA admin" || u9.ManagementIP() != "" {
		t.Errorf("got %+v", u9)
	}
}

// TestEnvironment: the form of the file that node provision writes, worked out
// from tripleo_baremetal_populate_environment.py and tripleo_network_ports_populate_environment.py.
func TestEnvironment(t *testing.T) {
	f, err := baremetal.Parse("f", []byte("- name: Controller\n  instances: [{hostname: CTRL0}]\n  defaults: {networks: [{network: internal_api}, {network: tenant_six}]}\n- name: Compute\n"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := f.Expand(baremetal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ports := baremetal.Ports{
		"CTRL0": {"ctlplane": {"192.168.24.9", "192.168.24.0/24"}, "internal_api": {"172.16.2.9", "172.16.2.0/24"},
			"tenant_six": {"fd00::9", "fd00::/64"}},
		"overcloud-novacompute-0": {"ctlplane": {"192.168.24.10", "192.168.24.0/24"}},
	}
	env := d.Environment(ports, map[string]string{"internal_api": "InternalApi", "tenant_six": "TenantSix"}, "/usr/share/openstack-tripleo-heat-templates/")
	data, err := yaml.Marshal(env)
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "environment.txt", string(data))
}

// FuzzParse: whatever the bytes, an answer comes; what is taken has names without doubles.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := baremetal.Parse("f", data)
		if err != nil {
			return
		}
		d, err := file.Expand(baremetal.Options{})
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, in := range d.Instances {
			if seen[in.Hostname] || in.Hostname == "" {
				t.Fatalf("hostname %q", in.Hostname)
			}
			seen[in.Hostname] = true
		}
		d.Environment(nil, nil, "")
	})
}

func TestKeysWithoutEffectAreTold(t *testing.T) {
	f, err := baremetal.Parse("b.yaml", []byte(`- name: Compute
  defaults:
    user_name: me
    passwordless_sudo: true
    netboot: false
    network_config: {template: t.j2, default_route_network: [ctlplane]}
    image:
      href: i
      checksum: c
      kernel: k
      ramdisk: r
  instances:
  - hostname: aa
    management_ip: 192.0.2.1
    network_config: {default_route_network: [ctlplane]}
`))
	if err != nil {
		t.Fatal(err)
	}
	told := strings.Join(f.Warnings(), "\n")
	for _, want := range []string{"b.yaml:3: defaults of role Compute: user_name", "b.yaml:4: defaults of role Compute: passwordless_sudo", "b.yaml:5: defaults of role Compute: netboot",
		"b.yaml:6: defaults of role Compute: network_config", "b.yaml:9: an image: image.checksum", "b.yaml:10: an image: image.kernel", "b.yaml:11: an image: image.ramdisk",
		"b.yaml:14: an instance of role Compute: management_ip"} {
		if !strings.Contains(told, want+" has no effect here") {
			t.Errorf("not told: %s in\n%s", want, told)
		}
	}
	if len(f.Warnings()) != 8 {
		t.Errorf("told too much:\n%s", told)
	}
}
