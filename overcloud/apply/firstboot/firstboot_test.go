package firstboot

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"trefoil/overcloud/image/gpt"
)

// fakeMachine mounts a directory instead of a device.
type fakeMachine struct {
	drive   fs.FS // nil: no config drive
	name    string
	grown   int
	newKeys int
	failing error
}

func (f *fakeMachine) ConfigDrive(_ context.Context, dir string) (func(), error) {
	if f.drive == nil {
		return nil, errors.New("no such device")
	}
	if err := os.CopyFS(dir, f.drive); err != nil {
		return nil, err
	}
	return func() { os.RemoveAll(dir) }, nil
}
func (f *fakeMachine) SetHostname(n string) error { f.name = n; return nil }
func (f *fakeMachine) GrowRoot() (int64, error)   { f.grown++; return 1 << 30, f.failing }
func (f *fakeMachine) NewHostKey(path string) error {
	f.newKeys++
	return os.WriteFile(path, []byte("new"), 0o600)
}
func (f *fakeMachine) Chown(path, user string) error { _, err := os.Stat(path); return err }

const (
	meta    = `{"uuid":"u-1","hostname":"node-0.example.org","public_keys":{"b":"ssh-ed25519 BBBB\n","a":"ssh-ed25519 AAAA"}}`
	netData = `{"links":[{"id":"e0","type":"phy","ethernet_mac_address":"52:54:00:aa:00:01","mtu":1450},{"id":"e1","type":"phy","ethernet_mac_address":"52:54:00:AA:00:02","mtu":null}],
 "networks":[{"id":"n","link":"e0","type":"ipv4","ip_address":"192.168.24.9","netmask":"255.255.255.0","routes":[{"network":"0.0.0.0","netmask":"0.0.0.0","gateway":"192.168.24.1"},{"network":"0.0.0.0","netmask":"0.0.0.0","gateway":""}]},
  {"id":"m","link":"e1","type":"ipv4_dhcp"},{"id":"six","link":"e0","type":"ipv6","ip_address":"fd00::9/64"}],
 "services":[{"type":"dns","address":"192.0.2.53"},{"type":"dns","address":"junk"}]}`
	userDoc = "#cloud-config\nssh_keys:\n  ed25519_private: |\n    PRIVATE\n  ed25519_public: ssh-ed25519 PUB\nruncmd: [ignored]\n"
)

func driveOf(files map[string]string) fs.FS {
	m := fstest.MapFS{}
	for n, c := range files {
		m["openstack/latest/"+n] = &fstest.MapFile{Data: []byte(c)}
	}
	return m
}

func boot(t *testing.T, root string, m *fakeMachine) (string, error) {
	t.Helper()
	var log bytes.Buffer
	err := Run(t.Context(), Options{Root: root, User: User, Machine: m, Log: &log})
	return log.String(), err
}

func read(t *testing.T, root, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

func TestFirstBootMakesTheMachineThatWasAskedFor(t *testing.T) {
	root := t.TempDir()
	m := &fakeMachine{drive: driveOf(map[string]string{"meta_data.json": meta, "network_data.json": netData, "user_data": userDoc})}
	log, err := boot(t, root, m)
	if err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	for name, want := range map[string]string{
		"etc/hostname": "node-0.example.org\n",
		"etc/hosts":    "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n192.168.24.9 node-0.example.org node-0\n",
		"etc/systemd/network/10-link0.network": "[Match]\nMACAddress=52:54:00:aa:00:01\nType=ether\nKind=!*\n\n[Link]\nMTUBytes=1450\n" +
			"\n[Network]\nIPv6AcceptRA=no\nLinkLocalAddressing=no\nAddress=192.168.24.9/24\nAddress=fd00::9/64\n\n[Route]\nDestination=0.0.0.0/0\nGateway=192.168.24.1\n",
		"etc/systemd/network/10-link1.network": "[Match]\nMACAddress=52:54:00:aa:00:02\nType=ether\nKind=!*\n\n[Network]\nIPv6AcceptRA=no\nLinkLocalAddressing=no\nDHCP=ipv4\n",
		"etc/resolv.conf":                      "nameserver 192.0.2.53\n",
		"home/heat-admin/.ssh/authorized_keys": "ssh-ed25519 AAAA\nssh-ed25519 BBBB\n",
		"etc/ssh/ssh_host_ed25519_key":         "PRIVATE\n",
		"etc/ssh/ssh_host_ed25519_key.pub":     "ssh-ed25519 PUB\n",
	} {
		if got := read(t, root, name); got != want {
			t.Errorf("%s:\n%q\nexpected\n%q", name, got, want)
		}
	}
	if m.name != "node-0.example.org" || m.grown != 1 || m.newKeys != 0 {
		t.Errorf("machine %+v", m)
	}
	if strings.Contains(log, "PRIVATE") {
		t.Error("the host key is in the log")
	}
	for _, name := range []string{"etc/ssh/ssh_host_ed25519_key", "home/heat-admin/.ssh/authorized_keys"} {
		if st, err := os.Stat(filepath.Join(root, name)); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, st.Mode(), err)
		}
	}
}

func TestLaterBootsLeaveTheMachineAloneUntilTheInstanceChanges(t *testing.T) {
	root := t.TempDir()
	m := &fakeMachine{drive: driveOf(map[string]string{"meta_data.json": meta, "network_data.json": netData, "user_data": userDoc})}
	if log, err := boot(t, root, m); err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	os.WriteFile(filepath.Join(root, "etc/hosts"), []byte("edited"), 0o644)
	if _, err := boot(t, root, m); err != nil || read(t, root, "etc/hosts") != "edited" || m.grown != 1 {
		t.Errorf("error %v; the second boot changed the machine", err)
	}
	m.drive = driveOf(map[string]string{"meta_data.json": strings.ReplaceAll(meta, "u-1", "u-2"), "user_data": userDoc})
	if _, err := boot(t, root, m); err != nil || read(t, root, "etc/hosts") == "edited" {
		t.Errorf("error %v; a new instance was not set up", err)
	}
}

func TestWithoutConfigDriveTheMachineStillComesUp(t *testing.T) {
	root := t.TempDir()
	os.MkdirAll(filepath.Join(root, "etc/ssh"), 0o755)
	m := &fakeMachine{}
	if _, err := boot(t, root, m); err == nil || !strings.Contains(err.Error(), "find config drive") {
		t.Errorf("error %v", err)
	}
	if m.newKeys != 1 || m.grown != 1 || !strings.Contains(read(t, root, "etc/systemd/network/90-dhcp.network"), "DHCP=yes") {
		t.Error("no host key, disk or network")
	}
}

// TestMachinesOfAnImageHaveInitiatorsOfTheirOwn: made before anybody reads the name, with a config
// drive or without, and once.
func TestMachinesOfAnImageHaveInitiatorsOfTheirOwn(t *testing.T) {
	drive := driveOf(map[string]string{"meta_data.json": meta, "network_data.json": netData, "user_data": userDoc})
	valid := regexp.MustCompile(`^InitiatorName=iqn\.1993-08\.org\.debian:01:[0-9a-f]{12}\n$`)
	seen := map[string]bool{}
	for _, m := range []*fakeMachine{{drive: drive}, {drive: drive}, {drive: driveOf(map[string]string{"meta_data.json": "junk"})}, {}} {
		root := t.TempDir()
		file := filepath.Join(root, InitiatorPath)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(NoInitiator), 0o600)); err != nil {
			t.Fatal(err)
		}
		boot(t, root, m)
		name := read(t, root, InitiatorPath)
		if !valid.MatchString(name) || seen[name] {
			t.Errorf("the initiator is %q; those of other machines are %v", name, seen)
		}
		seen[name] = true
		if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
			t.Errorf("mode %v: %v", info.Mode(), err)
		}
		os.Remove(filepath.Join(root, stampPath)) // another instance
		if boot(t, root, m); read(t, root, InitiatorPath) != name {
			t.Errorf("the name has changed from %q", name)
		}
	}
	root := t.TempDir()
	if _, err := boot(t, root, &fakeMachine{drive: drive}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, InitiatorPath)); err == nil {
		t.Error("a machine without iSCSI has an initiator")
	}
}

func TestOneFailureDoesNotStopTheRest(t *testing.T) {
	root := t.TempDir()
	m := &fakeMachine{drive: driveOf(map[string]string{"meta_data.json": meta, "network_data.json": netData, "user_data": userDoc}), failing: errors.New("disk is odd")}
	if _, err := boot(t, root, m); err == nil || !strings.Contains(err.Error(), "disk is odd") {
		t.Errorf("error %v", err)
	}
	read(t, root, "home/heat-admin/.ssh/authorized_keys")
	if _, err := os.Stat(filepath.Join(root, stampPath)); err == nil {
		t.Error("a failed first boot is taken for done")
	}
}

func TestBadDrivesAreRefusedWithTheReason(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"empty":          {map[string]string{}, "meta_data.json"},
		"broken":         {map[string]string{"meta_data.json": "{"}, "parse meta_data.json"},
		"name with text": {map[string]string{"meta_data.json": `{"hostname":"a; rm -rf /"}`}, "is not a host name"},
		"broken network": {map[string]string{"meta_data.json": meta, "network_data.json": "[]"}, "network_data.json"},
	} {
		if _, err := ReadDrive(driveOf(c.files)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v; expected %q", name, err, c.want)
		}
	}
}

func TestUserDataOfAnotherKindIsAWarning(t *testing.T) {
	d, err := ReadDrive(driveOf(map[string]string{"meta_data.json": meta, "user_data": "#!/bin/sh\ntrue\n"}))
	if err != nil || len(d.Warnings) != 1 {
		t.Errorf("error %v, warnings %v", err, d)
	}
}

func TestNetworkMistakesNameTheEntry(t *testing.T) {
	link := NetLink{ID: "e0", MAC: "52:54:00:aa:00:01"}
	for want, n := range map[string]Network{
		`links[0] "e0": ethernet_mac_address "x"`: {Links: []NetLink{{ID: "e0", MAC: "x"}}},
		`links[0] "b": type "bond"`:               {Links: []NetLink{{ID: "b", Type: "bond"}}},
		`networks[0] "n": no link "e9"`:           {Links: []NetLink{link}, Networks: []NetAddress{{ID: "n", Link: "e9"}}},
		`networks[0] "n": netmask "ffff::"`:       {Links: []NetLink{link}, Networks: []NetAddress{{ID: "n", Link: "e0", Address: "192.0.2.1", Netmask: "ffff::"}}},
		`networks[0] "n": routes[0]: gateway`: {Links: []NetLink{link}, Networks: []NetAddress{{ID: "n", Link: "e0", Address: "192.0.2.1/24",
			Routes: []NetRoute{{"0.0.0.0", "0.0.0.0", "x"}}}}},
	} {
		if _, err := n.Networkd(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v; expected %q", err, want)
		}
	}
}

func TestRootGrowsToTheNextPartitionOrTheEndOfTheDisk(t *testing.T) {
	const disk = 1 << 20 // sectors
	root := gpt.Partition{Type: gpt.TypeRoot, First: 4096, Last: 204799}
	for name, c := range map[string]struct {
		next gpt.Partition
		size uint64
		want uint64 // last sector
	}{
		"free to the end":       {gpt.Partition{}, disk, disk - 2048 - 1},
		"config drive behind":   {gpt.Partition{Type: gpt.TypeRoot, First: 900000, Last: 1000000}, disk, 900000/2048*2048 - 1},
		"nothing to gain":       {gpt.Partition{}, 204800 + 40, 204799},
		"partition before it":   {gpt.Partition{Type: gpt.TypeESP, First: 2048, Last: 4095}, disk, disk - 2048 - 1},
		"next one touches root": {gpt.Partition{Type: gpt.TypeESP, First: 204800, Last: 300000}, disk, 204799},
	} {
		table := &gpt.Table{Partitions: []gpt.Partition{root, c.next}}
		gained, err := Extend(table, 1, c.size)
		if got := table.Partitions[0].Last; err != nil || got != c.want || gained != int64(got-root.Last) {
			t.Errorf("%s: ends at %d, gained %d, error %v; expected %d", name, got, gained, err, c.want)
		}
	}
	if _, err := Extend(&gpt.Table{}, 1, disk); err == nil {
		t.Error("a missing partition was extended")
	}
}

func FuzzReadDrive(f *testing.F) {
	f.Add(meta, netData, userDoc)
	f.Fuzz(func(t *testing.T, m, n, u string) {
		d, err := ReadDrive(driveOf(map[string]string{"meta_data.json": m, "network_data.json": n, "user_data": u}))
		if err != nil {
			return
		}
		files, err := d.Network.Networkd()
		if err != nil {
			return
		}
		for _, c := range files {
			// Text from outside must not bring sections or commands of its own.
			for line := range strings.Lines(c) {
				if line = strings.TrimSpace(line); strings.HasPrefix(line, "[") && !strings.Contains("[Match] [Link] [Network] [Route]", line) {
					t.Fatalf("section %q", line)
				}
			}
		}
		d.Network.Nameservers()
		d.AuthorizedKeys()
	})
}
