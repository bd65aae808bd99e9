package plan_test

import (
	"slices"
	"strings"
	"testing"

	"trefoil/overcloud/plan"
)

// TestMachinesKnowEachOthersHostKeys: by each name and address that they have, and by the key that
// the deployer made; of a machine without one nothing is said.
func TestMachinesKnowEachOthersHostKeys(t *testing.T) {
	o := apart(t, "")
	lines := strings.Split(fileOf(t, o, machines, "overcloud-novacompute-0", "/etc/ssh/ssh_known_hosts"), "\n")
	want := "192.168.255.26,overcloud-novacompute-1.localdomain,overcloud-novacompute-1,overcloud-novacompute-1.ctlplane.localdomain,overcloud-novacompute-1.ctlplane," +
		"172.16.2.6,overcloud-novacompute-1.internalapi.localdomain,overcloud-novacompute-1.internalapi,"
	at := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, want) })
	if at < 0 || !strings.HasSuffix(lines[at], " ssh-ed25519 AAAA-of-novacompute-1") || len(lines) != len(machines)+2 {
		t.Errorf("no line %s… of %d in\n%s", want, len(machines), strings.Join(lines, "\n"))
	}
	unknown := slices.Clone(machines)
	unknown[0].HostKey = ""
	if got := fileOf(t, o, unknown, "overcloud-novacompute-0", "/etc/ssh/ssh_known_hosts"); strings.Contains(got, "overcloud-novacompute-1") || !strings.Contains(got, "overcloud-novacompute-0") {
		t.Errorf("a machine whose key is not made yet:\n%s", got)
	}
}

// TestHypervisorsMoveServers: libvirtd, which is root, has nova's key, and nobody takes a host
// for another. Where nova-compute is root too it logs in as nova, at the addresses Nova knows.
func TestHypervisorsMoveServers(t *testing.T) {
	o := apart(t, "")
	const path = "/etc/ssh/ssh_config.d/nova-compute.conf"
	file := func(path string) string { return fileOf(t, o, machines, "overcloud-novacompute-0", path) }
	if conf := file("/etc/nova/nova-compute.conf"); !strings.Contains(conf, "\nlive_migration_uri = qemu+ssh://nova@%s/system?keyfile=/var/lib/nova/.ssh/id_ed25519&no_tty=1\n") {
		t.Error(conf)
	}
	if conf := file("/var/lib/nova/.ssh/config"); !strings.Contains(conf, "StrictHostKeyChecking yes\nUserKnownHostsFile /dev/null\n") {
		t.Error(conf)
	}
	cfg, err := build(t, o).Configure(machines)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range cfg["overcloud-novacompute-0"][0].Resources {
		if r.File != nil && r.File.Path == path {
			t.Errorf("root is nova where it need not be:\n%s", r.File.Content)
		}
	}
	o.Environments = append([]plan.File{labEnvironment()}, o.Environments...)
	conf := file(path)
	if !strings.HasPrefix(conf, "Match localuser root host 172.16.2.5,overcloud-novacompute-0.localdomain,overcloud-novacompute-0,172.16.2.6,overcloud-novacompute-1.localdomain,overcloud-novacompute-1\n") ||
		!strings.Contains(conf, "User nova\n") || !strings.Contains(conf, "StrictHostKeyChecking yes\n") {
		t.Error(conf)
	}
}
