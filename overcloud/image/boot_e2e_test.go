//go:build e2e

package image

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"trefoil/ironic/agent/disk"
	"trefoil/ironic/configdrive"
)

const (
	vmName    = "overcloud-controller-0"
	vmAddress = "192.168.24.20"
	vmMAC     = "52:54:00:aa:00:01"
)

// vm is one booted machine.
type vm struct {
	t      *testing.T
	port   int
	client *ssh.Client
	signer ssh.Signer
	host   ssh.PublicKey
	dir    string
	exited chan error
	pid    int
}

func newKey(t *testing.T) (ssh.Signer, string) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer, string(pem.EncodeToMemory(block))
}

// nodeDisk makes a disk of 8 GB as the ramdisk's agent leaves it: the image,
// and the config drive in a partition at the end. The agent's own code does it.
func nodeDisk(t *testing.T, image, path string, drive map[string]any) {
	t.Helper()
	files, err := configdrive.Files(drive, "", "")
	if err != nil {
		t.Fatal(err)
	}
	iso, err := configdrive.ISO(configdrive.Label, files)
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"convert", "-O", "raw", image, path}, {"resize", "-q", "-f", "raw", path, "8G"}} {
		if out, err := exec.Command("qemu-img", args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	d, err := disk.System(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := disk.FixTable(d); err != nil {
		t.Fatal(err)
	}
	if _, err := disk.WriteConfigDrive(d, iso); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []string{"bios", "uefi"} {
		if err := disk.CheckBootable(d, mode); err != nil {
			t.Errorf("the agent does not take the image for bootable by %s: %v", mode, err)
		}
	}
}

// boot starts QEMU without KVM on a disk with the image.
func boot(t *testing.T, image string, extra ...string) *vm {
	t.Helper()
	m := &vm{t: t, dir: t.TempDir(), exited: make(chan error, 1)}
	hostSigner, hostPrivate := newKey(t)
	m.host = hostSigner.PublicKey()
	m.signer, _ = newKey(t)
	path := filepath.Join(m.dir, "disk.raw")
	nodeDisk(t, image, path, map[string]any{
		"meta_data": map[string]any{"uuid": "5d6b3f0e-0000-4000-8000-000000000001", "hostname": vmName + ".localdomain", "name": vmName,
			"public_keys": map[string]any{"default": string(ssh.MarshalAuthorizedKey(m.signer.PublicKey()))}},
		"network_data": map[string]any{
			"links":    []map[string]any{{"id": "eth0", "type": "phy", "ethernet_mac_address": vmMAC, "mtu": 1500}},
			"networks": []map[string]any{{"id": "ctlplane", "link": "eth0", "type": "ipv4", "ip_address": vmAddress, "netmask": "255.255.255.0", "routes": []map[string]string{{"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "192.168.24.2"}}}},
			"services": []map[string]string{{"type": "dns", "address": "192.168.24.3"}}},
		"user_data": map[string]any{"ssh_deletekeys": true, "ssh_keys": map[string]string{"ed25519_private": hostPrivate, "ed25519_public": string(ssh.MarshalAuthorizedKey(m.host))}},
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m.port = l.Addr().(*net.TCPAddr).Port
	l.Close()
	args := append([]string{"-accel", "tcg,thread=multi,tb-size=512", "-cpu", "Opteron_G3,+ssse3,+sse4.1,+sse4.2,+rdrand,-svm", "-smp", "2", "-m", "2048", "-display", "none", "-monitor", "none",
		"-serial", "file:" + filepath.Join(m.dir, "console.log"), "-device", "virtio-rng-pci",
		"-drive", "file=" + path + ",if=virtio,format=raw,cache=unsafe,discard=unmap",
		"-netdev", fmt.Sprintf("user,id=n0,net=192.168.24.0/24,hostfwd=tcp:127.0.0.1:%d-%s:22,hostfwd=tcp:127.0.0.1:%d-%s:5000", m.port, vmAddress, m.port+1, vmAddress),
		"-device", "virtio-net-pci,netdev=n0,mac=" + vmMAC + ",romfile="}, extra...)
	qemu := exec.Command("qemu-system-x86_64", args...)
	qemu.Stderr = os.Stderr
	if err := qemu.Start(); err != nil {
		t.Fatal(err)
	}
	m.pid = qemu.Process.Pid
	go func() { m.exited <- qemu.Wait() }()
	t.Cleanup(func() { qemu.Process.Kill() })
	m.connect(10 * time.Minute) // other machines may run beside
	return m
}

// connect waits for sshd with the pinned host key.
func (m *vm) connect(limit time.Duration) {
	m.t.Helper()
	began := time.Now()
	conf := &ssh.ClientConfig{User: User, Auth: []ssh.AuthMethod{ssh.PublicKeys(m.signer)}, HostKeyCallback: ssh.FixedHostKey(m.host), Timeout: 5 * time.Second}
	var last error
	for time.Since(began) < limit {
		select {
		case err := <-m.exited:
			m.t.Fatalf("QEMU ended: %v\n%s", err, m.console())
		case <-time.After(300 * time.Millisecond):
		}
		if m.client, last = dial(m.port, conf); last == nil {
			m.t.Logf("ssh answers %.1f s after QEMU was started; it took %s of processor time", time.Since(began).Seconds(), processorTime(m.pid))
			m.t.Cleanup(func() { m.client.Close() })
			return
		}
	}
	m.t.Fatalf("no ssh after %s: %v\n%s", limit, last, m.console())
}

// processorTime is what a boot costs whatever else the machine does.
func processorTime(pid int) time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// dial bounds the handshake too: QEMU's forwarder takes connections long before sshd does.
func dial(port int, conf *ssh.ClientConfig) (*ssh.Client, error) {
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return nil, err
	}
	c.SetDeadline(time.Now().Add(8 * time.Second))
	conn, chans, reqs, err := ssh.NewClientConn(c, addr, conf)
	if err != nil {
		c.Close()
		return nil, err
	}
	c.SetDeadline(time.Time{})
	return ssh.NewClient(conn, chans, reqs), nil
}

func (m *vm) console() string {
	b, _ := os.ReadFile(filepath.Join(m.dir, "console.log"))
	return string(b[max(0, len(b)-4000):])
}

func (m *vm) run(command string) string {
	m.t.Helper()
	s, err := m.client.NewSession()
	if err != nil {
		m.t.Fatal(err)
	}
	defer s.Close()
	out, err := s.CombinedOutput(command)
	if err != nil {
		m.t.Errorf("%s: %v: %s", command, err, out)
	}
	return strings.TrimSpace(string(out))
}

func checkMachine(m *vm) {
	m.t.Helper()
	if got := m.run("hostname"); got != vmName+".localdomain" {
		m.t.Errorf("host name %q", got)
	}
	if got := m.run("ip -br -4 addr show eth0"); !strings.Contains(got, vmAddress+"/24") {
		m.t.Errorf("address: %s", got)
	}
	if got := m.run("sudo -n whoami"); got != "root" {
		m.t.Errorf("sudo gives %q", got)
	}
	m.t.Log(m.run("systemctl is-system-running --wait; systemd-analyze; systemd-analyze blame | head -12; journalctl -b -o cat -u os-first-boot; df -h / | tail -1; free -m | sed -n 2p"))
	if got := m.run("systemctl --failed --no-legend --plain"); got != "" {
		m.t.Errorf("failed units: %s\n%s", got, m.run("sudo journalctl -b -p warning --no-pager | tail -30"))
	}
	if got := m.run(`sudo ss -Hlntu | awk '$5 !~ /:22$/'`); got != "" {
		m.t.Errorf("something beside ssh listens:\n%s", got)
	}
	if got := m.run("df --output=size -BG / | tail -1"); strings.TrimSpace(got) != "8G" {
		m.t.Errorf("root filesystem was not grown to the disk of 8 GB: %s", got)
	}
	if got := m.run("ps -C systemd -o args= | grep -- --user; true"); got != "" {
		m.t.Errorf("a login starts %s", got)
	}
	if got := m.run("cat /sys/devices/system/clocksource/clocksource0/current_clocksource"); got != "tsc" && m.run("sudo dmesg | grep -c 'PIT calibration deviates'; true") == "0" {
		m.t.Errorf("the clock is %s, want tsc: GRUB did not see QEMU's SMBIOS; /proc/cmdline: %s", got, m.run("cat /proc/cmdline"))
	}
	if got := m.run("cd /proc/sys/kernel && echo $(cat softlockup_panic panic watchdog_thresh)"); strings.TrimSpace(got) != "1 10 60" {
		m.t.Errorf("a stuck kernel does not start anew: softlockup_panic, panic, watchdog_thresh are %s", got)
	}
	for _, g := range maskedGenerators {
		if got := m.run("readlink /etc/systemd/system-generators/" + g + "; true"); got != "/dev/null" {
			m.t.Errorf("systemd still runs %s at each daemon-reload: %q", g, got)
		}
	}
	// 1 is an address of the kernel's making; 3 would be one that udev set afterwards.
	if got := m.run("sudo ip link add probe0 type bridge && sudo udevadm settle && cat /sys/class/net/probe0/addr_assign_type && sudo ip link delete probe0"); got != "1" {
		m.t.Errorf("udev gives new devices addresses of its own (addr_assign_type %s): it would change those of Neutron's ports", got)
	}
	if got := m.run("cat /etc/machine-id"); len(got) != 32 {
		m.t.Errorf("machine-id %q", got)
	}
}

// By BIOS it boots in internal/e2e, on the controller.
func TestImageBootsByUEFI(t *testing.T) {
	const code, vars = "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"
	own := filepath.Join(t.TempDir(), "vars.fd")
	if err := copyFile(vars, own, 0o600); err != nil {
		t.Fatalf("%v (package ovmf)", err)
	}
	m := boot(t, overcloudFull(t), "-machine", "q35",
		"-drive", "if=pflash,unit=0,format=raw,readonly=on,file="+code, "-drive", "if=pflash,unit=1,format=raw,file="+own)
	checkMachine(m)
	checkAddress(m)
	checkClock(m)
}

// checkClock has Linux say that it measured the time stamp counter wrong, as it does at boot.
func checkClock(m *vm) {
	m.t.Helper()
	const source = "/sys/devices/system/clocksource/clocksource0/current_clocksource"
	m.run(`echo "<4>tsc: PIT calibration deviates from HPET: 94013 2445486" | sudo tee /dev/kmsg && sudo systemctl restart emulated-processor`)
	if got := m.run("cat " + source); got != "hpet" {
		m.t.Errorf("the clock is %s on a machine whose time stamp counter was measured wrong, want hpet", got)
	}
}
