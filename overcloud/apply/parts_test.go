package apply

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/overcloud/resource"
)

func TestFileReplacesALinkInsteadOfWritingThroughIt(t *testing.T) {
	n := newNode(t)
	n.put("etc/other", "keep")
	if err := os.Symlink("other", filepath.Join(n.Root, "etc/a")); err != nil {
		t.Fatal(err)
	}
	n.must("changed file:/etc/a\ndone", fileRes("/etc/a", "new"))
	if n.read("etc/other") != "keep" || n.read("etc/a") != "new" {
		t.Error("the link's target was written")
	}
}

func TestDirectoryLinkSysctlAndModule(t *testing.T) {
	n := newNode(t)
	n.put("proc/sys/net/ipv4/ip_forward", "0\n")
	rs := []resource.Resource{
		{Type: "directory", Directory: &resource.Directory{Path: "/var/lib/x", Mode: "0750"}},
		{Type: "link", Link: &resource.Link{Path: "/etc/l", Target: "/var/lib/x"}},
		{Type: "link", Link: &resource.Link{Path: "/etc/none"}},
		{Type: "sysctl", Sysctl: &resource.Sysctl{Key: "net.ipv4.ip_forward", Value: "1"}},
		{Type: "kernel_module", KernelModule: &resource.KernelModule{Name: "br_netfilter"}},
	}
	n.must("changed directory:/var/lib/x\nchanged link:/etc/l\nunchanged link:/etc/none\nchanged sysctl:net.ipv4.ip_forward\nchanged kernel_module:br_netfilter\ndone", rs...)
	if st, _ := os.Stat(filepath.Join(n.Root, "var/lib/x")); st.Mode().Perm() != 0o750 {
		t.Errorf("mode %v", st.Mode())
	}
	if n.read("proc/sys/net/ipv4/ip_forward") != "1\n" || n.read("etc/sysctl.d/90-overcloud-net-ipv4-ip_forward.conf") != "net.ipv4.ip_forward = 1\n" {
		t.Error("the kernel setting is not set and kept")
	}
	n.put("sys/module/br_netfilter/refcnt", "0")
	n.must("unchanged directory:/var/lib/x\nunchanged link:/etc/l\nunchanged link:/etc/none\nunchanged sysctl:net.ipv4.ip_forward\nunchanged kernel_module:br_netfilter\ndone", rs...)
}

// Where there is to be no link, a file of another configuration goes, and a directory does not.
func TestNoLinkInTheFilesPlace(t *testing.T) {
	n := newNode(t)
	n.put("etc/conf.d/x.conf", "of before")
	none := resource.Resource{Type: "link", Link: &resource.Link{Path: "/etc/conf.d/x.conf"}}
	n.must("changed link:/etc/conf.d/x.conf\ndone", none)
	if _, err := os.Lstat(filepath.Join(n.Root, "etc/conf.d/x.conf")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	n.must("unchanged link:/etc/conf.d/x.conf\ndone", none)
	if got, err := n.apply(resource.Resource{Type: "link", Link: &resource.Link{Path: "/etc/conf.d"}}); !strings.Contains(fmt.Sprint(got, err), "is there and is a directory") {
		t.Errorf("%s %v", got, err)
	}
}

// linked is a tree with symbolic links on the way to directories.
func linked(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for _, dir := range []string{"etc", "lib/nova", "data/images"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{"lib/nova/tmp": "../../etc", "lib/nova/up": filepath.Join(root, "etc"), "lib/images": filepath.Join(root, "data/images"),
		"lib/round": "round", "lib/nova/lost": "gone/far"} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return root
}

// What a service may put in a directory's place must not get the owner and mode that the
// directory is to have; links that root made are the operator's.
func TestDirectoryBehindASymbolicLink(t *testing.T) {
	root := linked(t)
	for _, x := range []struct {
		path    string
		trusted bool
		want    string // where it leads, or what is said
	}{
		{"lib/nova/tmp", false, "lib/nova/tmp is a symbolic link that user"},
		{"lib/nova/up/x", false, "lib/nova/up is a symbolic link that user"},
		{"lib/nova/lost", false, "lib/nova/lost is a symbolic link that user"},
		{"lib/nova/tmp", true, "etc"},
		{"lib/images", true, "data/images"},
		{"lib/nova/up/x/y", true, "etc/x/y"},
		{"lib/nova/lost", true, "lib/nova/gone/far"},
		{"lib/round", true, "more than 40 symbolic links"},
		{"file", true, "file is there and is not a directory"},
		{"file/x", true, "file is there and is not a directory"},
		{"a//b/./c", false, "a/b/c"},
	} {
		f, err := openDirectory(root+"/"+x.path, true, func(uint32) bool { return x.trusted })
		if err != nil {
			if !strings.Contains(err.Error(), x.want) || errs.CodeOf(err) != errs.Conflict {
				t.Errorf("%s: %v", x.path, err)
			}
			continue
		}
		at, _ := f.Stat()
		f.Close()
		if is, err := os.Stat(filepath.Join(root, x.want)); err != nil || !os.SameFile(at, is) {
			t.Errorf("%s leads elsewhere than %s: %v", x.path, x.want, err)
		}
	}
	if _, err := os.Stat(filepath.Join(root, "etc/x")); err != nil {
		t.Error(err)
	}
}

// A link of another user on a machine, where this program is root.
func TestDirectoryThatAServiceExchanged(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make another user's link")
	}
	n := newNode(t)
	n.put("etc/shadow", "")
	n.put("var/lib/nova/x", "")
	link := filepath.Join(n.Root, "var/lib/nova/tmp")
	r := resource.Resource{Type: "directory", Directory: &resource.Directory{Path: "/var/lib/nova/tmp", Mode: "0707"}}
	if err := errors.Join(os.Symlink("../../../etc", link), os.Lchown(link, 65534, 65534)); err != nil {
		t.Fatal(err)
	}
	if out, err := n.apply(r); err == nil || !strings.Contains(err.Error()+out, "is a symbolic link that user 65534 made") {
		t.Errorf("%s %v", out, err)
	}
	if st, err := os.Stat(filepath.Join(n.Root, "etc")); err != nil || st.Mode().Perm() == 0o707 {
		t.Errorf("what it leads to was changed: %v %v", st.Mode(), err)
	}
}

func TestDatabasesAndUsersGoInOneConversationWithoutThePassword(t *testing.T) {
	n := newNode(t)
	rs := []resource.Resource{
		{Type: "mysql_database", MySQLDatabase: &resource.MySQLDatabase{Name: "keystone"}},
		{Type: "mysql_database", MySQLDatabase: &resource.MySQLDatabase{Name: "nova_api", Charset: "utf8mb4"}},
		{Type: "mysql_user", MySQLUser: &resource.MySQLUser{Name: "nova", Password: "password", Databases: []string{"nova_api"}}},
	}
	n.sys.look = "d\tkeystone\t\t\n"
	n.must("unchanged mysql_database:keystone\nchanged mysql_database:nova_api\nchanged mysql_user:nova\ndone", rs...)
	if len(n.sys.sql) != 2 {
		t.Fatalf("%d conversations", len(n.sys.sql))
	}
	for _, want := range []string{"CREATE DATABASE IF NOT EXISTS `nova_api` CHARACTER SET utf8mb4;",
		// the known hash of the word "password"
		"ALTER USER 'nova'@'localhost' IDENTIFIED BY PASSWORD '*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19';",
		"GRANT ALL PRIVILEGES ON `nova\\_api`.* TO 'nova'@'%';"} {
		if !strings.Contains(n.sys.sql[1], want) {
			t.Errorf("no %s in\n%s", want, n.sys.sql[1])
		}
	}
	os.RemoveAll(filepath.Join(n.Root, stateDir))
	n.sys.look = "d\tkeystone\t\t\nd\tnova_api\t\t\n"
	for _, h := range []string{"localhost", "%"} {
		n.sys.look += "u\tnova\t" + h + "\t*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19\ng\tnova\t" + h + "\tnova\\\\_api\n"
	}
	n.must("unchanged mysql_database:keystone\nunchanged mysql_database:nova_api\nunchanged mysql_user:nova\ndone", rs...)
	if len(n.sys.sql) != 1 {
		t.Errorf("%d conversations when nothing is to do", len(n.sys.sql))
	}
}

func TestBridgesAndPorts(t *testing.T) {
	n := newNode(t)
	rs := []resource.Resource{
		{Type: "ovs_bridge", OVSBridge: &resource.OVSBridge{Name: "br-ex", Ports: []string{"eth1"}}},
		{Type: "ovs_bridge", OVSBridge: &resource.OVSBridge{Name: "br-tun"}},
		{Type: "ovs_port", OVSPort: &resource.OVSPort{Bridge: "br-tun", Name: "vx1", Type: "vxlan", Options: map[string]string{"remote_ip": "192.0.2.1", "key": "flow"}}},
	}
	n.must("changed ovs_bridge:br-ex\nchanged ovs_bridge:br-tun\nchanged ovs_port:vx1\ndone", rs...)
	os.RemoveAll(filepath.Join(n.Root, stateDir))
	n.must("unchanged ovs_bridge:br-ex\nunchanged ovs_bridge:br-tun\nunchanged ovs_port:vx1\ndone", rs...)
	rs[2].OVSPort.Options["remote_ip"] = "192.0.2.2"
	n.must("unchanged ovs_bridge:br-ex\nunchanged ovs_bridge:br-tun\nchanged ovs_port:vx1\ndone", rs...)
}

func TestExecIsGuardedAndGetsSecretsInItsEnvironment(t *testing.T) {
	n := newNode(t)
	r := resource.Resource{Type: "exec", Exec: &resource.Exec{Name: "boot", Command: []string{"keystone-manage", "bootstrap"},
		Env: map[string]string{"OS_BOOTSTRAP_PASSWORD": "admin-pass"}, Creates: "/var/done"}}
	n.must("changed exec:boot\ndone", r)
	if strings.Contains(strings.Join(n.sys.ran, " "), "admin-pass") || n.sys.envs[0]["OS_BOOTSTRAP_PASSWORD"] != "admin-pass" {
		t.Errorf("ran %q with %v", n.sys.ran, n.sys.envs)
	}
	n.put("var/done", "")
	os.RemoveAll(filepath.Join(n.Root, stateDir))
	n.must("unchanged exec:boot\ndone", r)

	r.Exec.Creates, r.Exec.Unless = "", []string{"is-done"}
	n.must("unchanged exec:boot\ndone", r)
	n.sys.codes["is-done"] = 1
	os.RemoveAll(filepath.Join(n.Root, stateDir))
	r.Exec.User = "keystone"
	n.must("changed exec:boot\ndone", r)
	if got := strings.Join(n.sys.users, ","); got != ",keystone" {
		t.Errorf("guard and command ran as %q; expected root, then the user", got)
	}

	n.sys.codes["keystone-manage"], n.sys.output = 1, "Traceback\nlogin with admin-pass was refused\n"
	os.RemoveAll(filepath.Join(n.Root, stateDir))
	if _, err := n.apply(r); err == nil {
		t.Fatal("a failed program is no failure")
	}
	e := n.events[len(n.events)-1]
	if len(e.Tail) != 2 || strings.Contains(e.Tail[1], "admin-pass") {
		t.Errorf("tail %q", e.Tail)
	}
}

func TestWaitGoesOnUntilTheAnswer(t *testing.T) {
	n := newNode(t)
	n.sys.answers = 20
	n.must("unchanged wait:api\ndone", resource.Resource{Type: "wait", Wait: &resource.Wait{Name: "api", TCP: "192.0.2.1:5000"}})
	waiting := 0
	for _, e := range n.events {
		if e.Event == "waiting" {
			waiting++
		}
	}
	if waiting == 0 {
		t.Error("nothing was said while waiting")
	}
}

// A unit that systemd starts again for ever has failed too: 127 is a program that is not
// there. So has one that ended without a word, as a start script that finds itself switched off.
func TestWaitEndsEarlyWhenItsUnitHasFailed(t *testing.T) {
	for _, state := range []string{"failed", "activating 7", "inactive"} {
		n := newNode(t)
		n.sys.answers, n.sys.units["api.service"] = 1<<30, state
		began := n.now
		if _, err := n.apply(resource.Resource{Type: "wait", Wait: &resource.Wait{Name: "api", TCP: "192.0.2.1:5000", Unit: "api"}}); err == nil || !strings.Contains(err.Error(), "has failed") {
			t.Fatalf("%s: error %v", state, err)
		}
		if n.now.Sub(began) > defaultTimeout/2 {
			t.Errorf("%s: it took %s", state, n.now.Sub(began))
		}
	}
}

func TestWaitThatTimesOutShowsTheEndOfTheLogFile(t *testing.T) {
	n := newNode(t)
	n.sys.answers = 1 << 30
	n.put("var/log/api.log", "first\npassword=hunter2-hunter2\n")
	if _, err := n.apply(resource.Resource{Type: "wait", Wait: &resource.Wait{Name: "api", HTTP: "http://192.0.2.1/", Log: "/var/log/api.log", Timeout: 20}}); err == nil || !strings.Contains(err.Error(), "no answer after 20s") {
		t.Fatalf("error %v", err)
	}
	e := n.events[len(n.events)-1]
	if strings.Join(e.Tail, "|") != "first|password=******" || !strings.Contains(e.Hint, "/var/log/api.log") {
		t.Errorf("event %+v", e)
	}
}

func TestDisksThatDoNotServeAreExplained(t *testing.T) {
	all := []Disk{{"/dev/vda", 40 << 30, "has 4 partitions", true, false}, {"/dev/vdb", 10 << 30, "", false, false}, {"/dev/vdc", 10 << 30, "ext4", false, false}, {"/dev/vdd", 1 << 30, "", false, false}, {"/dev/vde", 10 << 30, "ceph_bluestore", false, false}}
	if err := CheckDisks(&resource.Disks{Count: 2, MinSizeGB: 5}, slices.Delete(slices.Clone(all), 2, 3)); err != nil {
		t.Error(err)
	}
	err := CheckDisks(&resource.Disks{Count: 3, MinSizeGB: 5}, all)
	for _, want := range []string{"2 free data disks", "expected 3", "/dev/vda (40.0 GiB): has 4 partitions", "/dev/vdc (10.0 GiB): ext4", "/dev/vdd: 1.0 GiB is too small"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v; expected %q", err, want)
		}
	}
	if errs.HintOf(err) == "" {
		t.Error("it does not say what to do")
	}
	if err := CheckDisks(&resource.Disks{Count: 3, MinSizeGB: 5, Hint: "set Zap: true"}, all); errs.HintOf(err) != "set Zap: true" {
		t.Errorf("the template's own hint is lost: %q", errs.HintOf(err))
	}
	// Enough are free, and one that holds data would be taken with them.
	err = CheckDisks(&resource.Disks{Count: 1, MinSizeGB: 5, Hint: "set Zap: true"}, all)
	if err == nil || !strings.Contains(err.Error(), "would be overwritten: /dev/vdc (10.0 GiB): ext4") || strings.Contains(err.Error(), "/dev/vda") || errs.HintOf(err) != "set Zap: true" {
		t.Errorf("error %v", err)
	}
	if err := CheckDisks(&resource.Disks{Count: 1, MinSizeGB: 5, Devices: []string{"/dev/vdb", "/dev/vde"}}, all); err != nil {
		t.Errorf("only others are asked for: %v", err)
	}
	all = []Disk{{"/dev/vda", 40 << 30, "has 4 partitions", true, false}, {"/dev/sdb", 10 << 30, "", false, true}}
	if err := CheckDisks(&resource.Disks{Count: 1, MinSizeGB: 5}, all); err == nil || !strings.Contains(err.Error(), "/dev/sdb (10.0 GiB): reached over a network; only taken where it is named") {
		t.Errorf("a volume of a server: %v", err)
	}
	if err := CheckDisks(&resource.Disks{Count: 1, MinSizeGB: 5, Devices: []string{"/dev/sdb"}}, all); err != nil {
		t.Errorf("a LUN that somebody named: %v", err)
	}
	if err := CheckDisks(&resource.Disks{Count: 1, Devices: []string{"/dev/vdz"}}, all); err == nil || !strings.Contains(err.Error(), "/dev/vdz: no such disk") {
		t.Errorf("error %v", err)
	}
}

func TestMaskHidesWhatTheDocumentHolds(t *testing.T) {
	secret := fileRes("/etc/k.conf", "connection = mysql+pymysql://k:db-word-1@h/k\nadmin_token = tok-en-77\nport = 5000\n")
	secret.File.Secret = true
	m := newMask(&resource.Document{Resources: []resource.Resource{secret,
		{Type: "mysql_user", MySQLUser: &resource.MySQLUser{Name: "u", Password: "sql-word-2"}}}})
	got := m.line("db-word-1 tok-en-77 sql-word-2 5000 rabbit://a:other@h transport: PASSWORD='x y'")
	if want := "****** ****** ****** 5000 rabbit://a:******@h transport: PASSWORD=******"; got != want {
		t.Errorf("%s\nexpected %s", got, want)
	}
}

// TestABridgeThatIsThereKeepsItsFailMode: Neutron's agent has made it secure, where it serves it.
func TestABridgeThatIsThereKeepsItsFailMode(t *testing.T) {
	const standalone = "set-fail-mode br-ex standalone"
	r := resource.Resource{Type: "ovs_bridge", OVSBridge: &resource.OVSBridge{Name: "br-ex", Ports: []string{"eth1"}, FailMode: "standalone"}}
	n := newNode(t)
	n.must("changed ovs_bridge:br-ex\ndone", r)
	if ran := strings.Join(n.sys.ran, "\n"); !strings.Contains(ran, standalone) {
		t.Errorf("a new one:\n%s", ran)
	}
	os.RemoveAll(filepath.Join(n.Root, stateDir))
	n.must("unchanged ovs_bridge:br-ex\ndone", r)
	os.RemoveAll(filepath.Join(n.Root, stateDir))
	n.sys.bridges["br-ex"] = nil
	n.must("changed ovs_bridge:br-ex\ndone", r)
	if ran := strings.Join(n.sys.ran, "\n"); !strings.Contains(ran, "add-port br-ex eth1") || strings.Contains(ran, "fail-mode") {
		t.Errorf("one without its port:\n%s", ran)
	}
}
