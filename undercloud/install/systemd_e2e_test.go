//go:build e2e

package install_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"trefoil/overcloud/image/imagetest"
)

// TestUnderSystemd: the article's user stack installs the undercloud on a machine of systemd's, where
// the virtual BMC and the bare-metal API alone run as their units say, too. All of them outlive a
// kill and a reboot.
func TestUnderSystemd(t *testing.T) {
	m := imagetest.Boot(t, imagetest.OvercloudFull(t), "-netdev", "user,id=n1,net=10.77.0.0/24,restrict=on",
		"-device", "virtio-net-pci,netdev=n1,mac=52:54:00:aa:00:02,romfile=")
	s := &systemd{m}
	s.prepare()
	s.undercloud()
	s.virtualBMC()
	s.bareMetal()
	m.Reboot()
	for _, unit := range []string{"undercloud", "vbmcd", "undercloud-baremetal"} {
		s.m.Await(unit+" after the reboot", func() bool { return s.is(unit) == "active" })
	}
	s.has("ip -br -4 address show br-ctlplane", "192.168.255.1/24")
	s.has("sudo nft list ruleset", "masquerade")
	s.has(stack("openstack baremetal node list"), "")
	s.has("sudo vbmc list", "n1", "running")
	m.Run(ask + `/n1/states/power -X PUT -d '{"target": "power on"}'`)
	m.Await("power by IPMI after the reboot", func() bool { return strings.Contains(s.node(), `"power_state":"power on"`) })
	s.has("sudo -iu stack openstack undercloud uninstall --purge; systemctl status undercloud 2>&1; true", "Unit undercloud.service could not be found")
	if got := m.Run("systemctl --failed --no-legend --plain"); got != "" {
		t.Errorf("failed units: %s", got)
	}
}

// systemd is a machine on which it is PID 1.
type systemd struct{ m *imagetest.VM }

// has wants words in what a command prints.
func (s *systemd) has(command string, words ...string) {
	s.m.T.Helper()
	out := s.m.Run(command)
	for _, w := range words {
		if !strings.Contains(out, w) {
			s.m.T.Errorf("%s: %q is missing in:\n%s", command, w, out)
		}
	}
}

func (s *systemd) is(unit string) string  { return s.m.Run("systemctl is-active " + unit + "; true") }
func (s *systemd) pid(unit string) string { return s.m.Run("systemctl show -P MainPID " + unit) }

// killed ends a unit's process as a crash would.
func (s *systemd) killed(unit string) {
	s.m.T.Helper()
	before := s.pid(unit)
	s.m.Run("sudo kill -9 " + before)
	s.m.Await(unit+" is killed: it comes back", func() bool { now := s.pid(unit); return now != before && now != "0" && s.is(unit) == "active" })
}

func stack(command string) string {
	return "sudo -iu stack bash -c 'source stackrc && " + command + "'"
}

// prepare makes of an overcloud's machine what the article begins with: our programs, what Debian has
// for an undercloud, the user stack and undercloud.conf.
func (s *systemd) prepare() {
	s.m.T.Helper()
	bin := os.Getenv("TREFOIL_BIN")
	if bin == "" {
		s.m.T.Fatal("TREFOIL_BIN is not set: expected the folder of this tree's programs; make client sets it")
	}
	for _, name := range []string{"openstack", "undercloud", "vbmc"} {
		s.m.Send("/usr/local/bin/"+name, s.open(filepath.Join(bin, name)))
	}
	s.m.Run("sudo ln -sf vbmc /usr/local/bin/vbmcd")
	const debian = `tar -C / -chz usr/lib/ipxe/undionly.kpxe usr/lib/ipxe/ipxe.efi usr/sbin/nft $(ldd /usr/sbin/nft | grep -oE ' /lib/.*(nft|jansson|mnl|gmp|edit|bsd|md|xtables)[^ ]*' | cut -c3-)`
	tar, err := exec.Command("bash", "-c", debian).Output()
	if err != nil {
		s.m.T.Fatalf("%s: %v (packages nftables, ipxe)", debian, err)
	}
	s.m.Send("/root/debian.tar.gz", bytes.NewReader(tar))
	s.m.Run("sudo tar -C / -xzf /root/debian.tar.gz --keep-directory-symlink --skip-old-files && sudo nft list ruleset")
	s.m.Run("sudo useradd -m -s /bin/bash stack && echo 'stack ALL=(root) NOPASSWD:ALL' | sudo tee /etc/sudoers.d/stack")
	s.m.Send("/home/stack/undercloud.conf", s.open("../../examples/undercloud.conf"))
	s.m.Run("sudo sed -i 's/^local_interface = .*/local_interface = eth1/' /home/stack/undercloud.conf")
}

func (s *systemd) open(path string) *os.File {
	s.m.T.Helper()
	f, err := os.Open(path)
	if err != nil {
		s.m.T.Fatal(err)
	}
	s.m.T.Cleanup(func() { f.Close() })
	return f
}

func (s *systemd) undercloud() {
	s.m.T.Helper()
	s.has("sudo -iu stack openstack undercloud install 2>&1", "Undercloud install complete", "/home/stack/stackrc")
	s.has("systemctl is-enabled undercloud; systemctl is-active undercloud", "enabled", "\nactive")
	s.has("stat -c %U /home/stack/stackrc /home/stack/undercloud-passwords.conf", "stack\nstack")
	s.has(stack("openstack subnet list"), "ctlplane-subnet", "192.168.255.0/24")
	s.has("sudo -iu stack undercloud status 2>&1; true", "run this as root")
	s.has("sudo undercloud stop && systemctl is-active undercloud; sudo undercloud status 2>&1; true", "the undercloud is stopped", "inactive", "the undercloud is not running")
	s.has("sudo undercloud start && systemctl is-active undercloud", "the undercloud runs as process", "\nactive")
	s.killed("undercloud")
	s.has("sudo -iu stack openstack undercloud install 2>&1", "Undercloud install complete")
}

// virtualBMC: the unit takes over from the daemon that a command has started.
func (s *systemd) virtualBMC() {
	s.m.T.Helper()
	s.m.Send("/etc/systemd/system/vbmcd.service", s.open("../../examples/vbmcd.service"))
	s.m.Send("/root/n1.xml", strings.NewReader(`<domain type='qemu'><name>n1</name><memory unit='MiB'>64</memory><os><type arch='x86_64'>hvm</type></os></domain>`))
	s.m.Run("sudo systemctl enable --now libvirtd && sudo virsh -q define /root/n1.xml")
	s.m.Run("echo not-so-secret | sudo install -m 600 /dev/stdin /root/password")
	s.has("sudo vbmc add n1 --port 6230 --password-file /root/password 2>&1 && sudo vbmc start n1 2>&1", "starting the vbmc daemon")
	s.m.Run("sudo systemctl daemon-reload && sudo systemctl enable --now vbmcd")
	if daemons, unit := s.m.Run("pgrep -x vbmcd"), s.pid("vbmcd"); daemons != unit {
		s.m.T.Errorf("processes %q, and the unit's is %s", daemons, unit)
	}
	s.killed("vbmcd")
	s.m.Run("sudo systemctl reload vbmcd")
	s.has("sudo vbmc doctor n1", "login, suite 17 | ok", "qemu:///system answers and has the domain")
}

// bareMetal has the bare-metal API alone ask the virtual BMC for the domain's power.
func (s *systemd) bareMetal() {
	s.m.T.Helper()
	s.m.Send("/etc/systemd/system/undercloud-baremetal.service", s.open("../../examples/undercloud-baremetal.service"))
	s.m.Send("/etc/trefoil/baremetal.conf", strings.NewReader("[DEFAULT]\nlisen = 127.0.0.1:6385\n"))
	s.has("sudo systemctl daemon-reload; sudo systemctl start undercloud-baremetal 2>&1; sudo systemctl stop undercloud-baremetal; sudo journalctl -o cat -u undercloud-baremetal", "Job for undercloud-baremetal.service failed", `baremetal.conf:2: unknown option lisen`)
	s.m.Run("sudo sed -i s/lisen/listen/ /etc/trefoil/baremetal.conf && sudo systemctl enable --now undercloud-baremetal")
	s.m.Run(ask + ` -d '{"name": "n1", "driver": "ipmi", "driver_info": {"ipmi_address": "127.0.0.1", "ipmi_port": 6230, "ipmi_username": "admin", "ipmi_password": "not-so-secret"}}'`)
	s.m.Run(ask + `/n1/states/provision -X PUT -d '{"target": "manage"}'`)
	s.m.Await("a manageable node", func() bool { return strings.Contains(s.node(), `"provision_state":"manageable"`) })
	s.killed("undercloud-baremetal")
}

// ask is a request of the bare-metal API alone.
const ask = `curl -sf -H "X-OpenStack-Ironic-API-Version: 1.50" -H "Content-Type: application/json" http://127.0.0.1:6385/v1/nodes`

// node is what the bare-metal API says of the domain's node.
func (s *systemd) node() string {
	return s.m.Run(ask + "/n1; true")
}
