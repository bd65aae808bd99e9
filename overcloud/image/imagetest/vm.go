// Package imagetest boots an overcloud image on a virtual machine, for tests of what only a whole
// system can show.
package imagetest

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"io"
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

// Name and Address are the machine's, in QEMU's own network.
const (
	Name    = "overcloud-controller-0"
	Address = "192.168.24.20"
	mac     = "52:54:00:aa:00:01"
	user    = "heat-admin"
)

// VM is one booted machine. Not safe for concurrent use.
type VM struct {
	T      *testing.T
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

// Boot starts QEMU without KVM on a disk with the image, with more arguments if there are any, and
// waits until it lets us in. It ends with the test.
func Boot(t *testing.T, image string, extra ...string) *VM {
	t.Helper()
	m := &VM{T: t, dir: t.TempDir(), exited: make(chan error, 1)}
	hostSigner, hostPrivate := newKey(t)
	m.host = hostSigner.PublicKey()
	m.signer, _ = newKey(t)
	path := filepath.Join(m.dir, "disk.raw")
	nodeDisk(t, image, path, map[string]any{
		"meta_data": map[string]any{"uuid": "5d6b3f0e-0000-4000-8000-000000000001", "hostname": Name + ".localdomain", "name": Name,
			"public_keys": map[string]any{"default": string(ssh.MarshalAuthorizedKey(m.signer.PublicKey()))}},
		"network_data": map[string]any{
			"links":    []map[string]any{{"id": "eth0", "type": "phy", "ethernet_mac_address": mac, "mtu": 1500}},
			"networks": []map[string]any{{"id": "ctlplane", "link": "eth0", "type": "ipv4", "ip_address": Address, "netmask": "255.255.255.0", "routes": []map[string]string{{"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "192.168.24.2"}}}},
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
		"-netdev", fmt.Sprintf("user,id=n0,net=192.168.24.0/24,hostfwd=tcp:127.0.0.1:%d-%s:22,hostfwd=tcp:127.0.0.1:%d-%s:5000", m.port, Address, m.port+1, Address),
		"-device", "virtio-net-pci,netdev=n0,mac=" + mac + ",romfile="}, extra...)
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
func (m *VM) connect(limit time.Duration) {
	m.T.Helper()
	began := time.Now()
	conf := &ssh.ClientConfig{User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(m.signer)}, HostKeyCallback: ssh.FixedHostKey(m.host), Timeout: 5 * time.Second}
	var last error
	for time.Since(began) < limit {
		select {
		case err := <-m.exited:
			m.T.Fatalf("QEMU ended: %v\n%s", err, m.console())
		case <-time.After(300 * time.Millisecond):
		}
		if m.client, last = dial(m.port, conf); last == nil {
			m.T.Logf("ssh answers %.1f s after QEMU was started; it took %s of processor time", time.Since(began).Seconds(), processorTime(m.pid))
			m.T.Cleanup(func() { m.client.Close() })
			return
		}
	}
	m.T.Fatalf("no ssh after %s: %v\n%s", limit, last, m.console())
}

// Reboot has the system start anew, and waits until it lets us in again.
func (m *VM) Reboot() {
	m.T.Helper()
	before := m.Run("cat /proc/sys/kernel/random/boot_id")
	m.Run("sudo systemd-run --on-active=1 systemctl reboot")
	m.client.Wait() // the connection ends with sshd
	m.connect(10 * time.Minute)
	if m.Run("cat /proc/sys/kernel/random/boot_id") == before {
		m.T.Fatal("the system did not start anew")
	}
}

// Send makes a file of what r has, readable for all and executable.
func (m *VM) Send(name string, r io.Reader) {
	m.T.Helper()
	s, err := m.client.NewSession()
	if err != nil {
		m.T.Fatal(err)
	}
	defer s.Close()
	s.Stdin = r
	if out, err := s.CombinedOutput("sudo install -D -m 755 /dev/stdin " + name); err != nil {
		m.T.Fatalf("%s: %v: %s", name, err, out)
	}
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

func (m *VM) console() string {
	b, _ := os.ReadFile(filepath.Join(m.dir, "console.log"))
	return string(b[max(0, len(b)-4000):])
}

// Run types a command as the user heat-admin, whom sudo asks nothing, and returns what it printed.
// One that fails is an error of the test.
func (m *VM) Run(command string) string {
	m.T.Helper()
	s, err := m.client.NewSession()
	if err != nil {
		m.T.Fatal(err)
	}
	defer s.Close()
	out, err := s.CombinedOutput(command)
	if err != nil {
		m.T.Errorf("%s: %v: %s", command, err, out)
	}
	return strings.TrimSpace(string(out))
}

// Await looks until is holds, for five minutes.
func (m *VM) Await(what string, is func() bool) {
	m.T.Helper()
	began := time.Now()
	for !is() {
		if time.Since(began) > 5*time.Minute {
			m.T.Fatalf("%s: not within 5 minutes\n%s", what, m.Run("systemctl --failed --no-pager; sudo journalctl -b --no-pager | tail -60"))
		}
		time.Sleep(300 * time.Millisecond)
	}
	m.T.Logf("%s: %.1f s", what, time.Since(began).Seconds())
}

// OvercloudFull is the path of the image that `openstack overcloud image build` made for all services.
func OvercloudFull(t *testing.T) string {
	t.Helper()
	image := os.Getenv("TREFOIL_OVERCLOUD_IMAGE")
	if image == "" {
		t.Fatal("TREFOIL_OVERCLOUD_IMAGE is not set: expected the path of an overcloud-full.qcow2 (openstack overcloud image build); make client sets it")
	}
	return image
}
