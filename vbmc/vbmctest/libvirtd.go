// Package vbmctest starts what end-to-end tests of virtual BMCs need: a libvirtd
// of their own, in session mode with its own directories, and small QEMU domains
// under emulation.
package vbmctest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"trefoil/vbmc/libvirt"
)

// nobody runs the daemon when the test is root: as root libvirtd would take the
// system's sockets.
const nobody = "65534"

// Libvirtd is a private libvirt daemon.
type Libvirtd struct {
	URI   string
	Args  []string // more arguments, for the next Start
	dir   string
	cmd   *exec.Cmd
	ended <-chan error // of cmd
}

// startLimit ends the wait for a daemon that does not come.
const startLimit = time.Minute

// StartLibvirtd starts a daemon that ends with the test, with all its domains.
func StartLibvirtd(t *testing.T) *Libvirtd {
	t.Helper()
	// Not t.TempDir: unix socket paths are short, and nobody must get in.
	dir, err := os.MkdirTemp("/tmp", "vbmctest-")
	if err != nil {
		t.Fatal(err)
	}
	l := &Libvirtd{dir: dir, URI: "qemu+unix:///session?socket=" + filepath.Join(dir, "run", "libvirt", "libvirt-sock")}
	for _, d := range []string{"run", "cfg", "cache", "data"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if os.Geteuid() == 0 {
		if out, err := exec.Command("chown", "-R", nobody+":"+nobody, dir).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	t.Cleanup(func() { l.clean(t) })
	l.Start(t)
	return l
}

// Start runs the daemon and waits until it answers.
func (l *Libvirtd) Start(t *testing.T) {
	t.Helper()
	ready := l.notify(t)
	defer ready.Close()
	args := []string{"env", "-i", "PATH=" + os.Getenv("PATH"), "HOME=" + l.dir, "NOTIFY_SOCKET=" + ready.LocalAddr().String(), "XDG_RUNTIME_DIR=" + l.dir + "/run",
		"XDG_CONFIG_HOME=" + l.dir + "/cfg", "XDG_CACHE_HOME=" + l.dir + "/cache", "XDG_DATA_HOME=" + l.dir + "/data", "libvirtd"}
	args = append(args, l.Args...)
	if os.Geteuid() == 0 {
		args = append([]string{"setpriv", "--reuid=" + nobody, "--regid=" + nobody, "--clear-groups"}, args...)
	}
	cmd, ended := exec.Command(args[0], args[1:]...), make(chan error, 1)
	if err := cmd.Start(); err != nil {
		t.Fatalf("start libvirtd: %v", err)
	}
	l.cmd, l.ended = cmd, ended
	go func() {
		ended <- cmd.Wait()
		ready.Close() // who waits for it waits no longer
	}()
	if _, err := ready.Read(make([]byte, 64)); err != nil {
		t.Fatalf("libvirtd does not say that it is ready: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	c, err := libvirt.Dial(ctx, l.URI)
	if err != nil {
		t.Fatalf("libvirtd does not answer: %v", err)
	}
	c.Close()
}

// notify is where the daemon says that it takes connections, as it says to systemd
// (sd_notify(3)).
func (l *Libvirtd) notify(t *testing.T) *net.UnixConn {
	t.Helper()
	path := filepath.Join(l.dir, "notify")
	_ = os.Remove(path) // of an earlier start
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err == nil {
		err = errors.Join(os.Chmod(path, 0o666), c.SetReadDeadline(time.Now().Add(startLimit)))
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Freeze has the daemon answer nobody any more, with all its connections open. Stop ends it,
// too.
func (l *Libvirtd) Freeze(t *testing.T) {
	t.Helper()
	if err := l.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
}

// Stop ends the daemon; its domains go on, as they do when libvirtd restarts.
func (l *Libvirtd) Stop() {
	if l.cmd != nil {
		_ = l.cmd.Process.Kill()
		<-l.ended
		l.cmd = nil
	}
}

func (l *Libvirtd) clean(t *testing.T) {
	defer l.sweep() // also when the daemon does not come back
	defer l.Stop()
	if l.cmd == nil {
		l.Start(t)
	}
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	if c, err := libvirt.Dial(ctx, l.URI); err == nil {
		all, _ := c.Domains(ctx)
		for _, d := range all {
			_ = c.DestroyDomain(ctx, d.Name)
		}
		c.Close()
	}
}

// sweep ends machines that no daemon could end, and removes all files.
func (l *Libvirtd) sweep() {
	pids, _ := filepath.Glob(filepath.Join(l.dir, "run", "libvirt", "qemu", "run", "*.pid"))
	for _, file := range pids {
		text, _ := os.ReadFile(file)
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			continue
		}
		// The number may be another process's by now: ours has our directory in its arguments.
		args, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if strings.Contains(string(args), l.dir) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	_ = os.RemoveAll(l.dir)
}

// Path is where domains of this daemon can make a file.
func (l *Libvirtd) Path(name string) string { return filepath.Join(l.dir, name) }

// File makes a file that domains of this daemon can use, and returns its path.
func (l *Libvirtd) File(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := l.Path(name)
	if err := os.WriteFile(path, content, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o666); err != nil { // past the umask
		t.Fatal(err)
	}
	return path
}

// Define makes a small domain that is off: a disk, a CD drive, a network card.
// boot is put below <os> ("<boot dev='cdrom'/>…") or, with perDevice, the devices
// get an order: CD drive, disk.
func (l *Libvirtd) Define(t *testing.T, name, osBoot string, perDevice bool) {
	t.Helper()
	order := func(n int) string {
		if !perDevice {
			return ""
		}
		return fmt.Sprintf("<boot order='%d'/>", n)
	}
	disk := l.File(t, name+".img", make([]byte, 1<<20))
	xml := strings.Join([]string{
		"<domain type='qemu'><name>", name, "</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>",
		"<os><type arch='x86_64' machine='pc'>hvm</type>", osBoot, "</os><features><acpi/></features>",
		"<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>",
		"<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='", disk, "'/><target dev='vda' bus='virtio'/>", order(2), "</disk>",
		"<disk type='file' device='cdrom'><target dev='sda' bus='ide'/>", order(1), "</disk>",
		"<interface type='user'><mac address='52:54:00:12:34:56'/><model type='virtio'/></interface>",
		"<graphics type='vnc' port='-1' autoport='yes' passwd='keepme'/>",
		"</devices></domain>"}, "")
	c, err := libvirt.Dial(context.Background(), l.URI)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.DefineDomain(context.Background(), xml); err != nil {
		t.Fatal(err)
	}
}
