package lab

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"trefoil/internal/errs"
	"trefoil/overcloud/lab/probe"
	"trefoil/vbmc/libvirt"
)

// A private lab has a libvirtd of its own. libvirtd run by root has fixed paths,
// so it gets its own view of them: in a mount namespace the lab's directories lie
// over /run, /etc/libvirt, /var/lib/libvirt and the rest. The host's libvirtd and
// other labs' do not see it; its socket is a plain file in the lab's directory.
var libvirtDirs = []struct{ name, over string }{
	{"etc", "/etc/libvirt"},
	{"lib", "/var/lib/libvirt"},
	{"cache", "/var/cache/libvirt"},
	{"log", "/var/log/libvirt"},
	{"run", "/run"}, // the last: the lab's own directory might be below /run
}

const libvirtdConf = `auth_unix_rw = "none"
auth_unix_ro = "none"
unix_sock_group = "root"
unix_sock_rw_perms = "0700"
unix_sock_ro_perms = "0700"
`

// cgroup_controllers: two libvirtds would collide in /machine/qemu-1-NAME.
// stdio_handler: without virtlogd, one daemon fewer.
const qemuConf = `security_driver = "none"
stdio_handler = "file"
cgroup_controllers = [ ]
namespaces = [ ]
remember_owner = 0
hugetlbfs_mount = [ ]
`

// maxSocketPath is what fits into sockaddr_un, unix(7).
const maxSocketPath = 107

// prepareLibvirt makes the directories, configuration and the device file that
// the lab's libvirtd will see.
func prepareLibvirt(s *State) error {
	socket := s.path("libvirt/run/libvirt/libvirt-sock")
	if len(socket) > maxSocketPath {
		return errs.New(errs.Invalid, "the path of libvirt's socket would have %d bytes, the system takes %d: %s", len(socket), maxSocketPath, socket).
			WithHint("choose a shorter TREFOIL_LAB_DIR")
	}
	for _, d := range []string{"etc", "lib/images", "cache", "log/qemu", "run/libvirt"} {
		if err := os.MkdirAll(s.path("libvirt", d), 0o711); err != nil {
			return fmt.Errorf("make libvirt's directories: %w", err)
		}
	}
	for _, d := range libvirtDirs {
		// QEMU's own user walks through them, whatever the umask said.
		if err := os.Chmod(s.path("libvirt", d.name), 0o711); err != nil {
			return fmt.Errorf("open libvirt's directories: %w", err)
		}
	}
	if err := writeFile(s.path("libvirt/etc/libvirtd.conf"), []byte(libvirtdConf), 0o600); err != nil {
		return err
	}
	if err := writeFile(s.path("libvirt/etc/qemu.conf"), []byte(qemuConf), 0o600); err != nil {
		return err
	}
	return kvmDevice(s)
}

// kvmDevice makes the file that lies over /dev/kvm. With KVM it is that device,
// open to QEMU's group also where no udev did that. Under emulation it is a file
// that nobody can open: seeing a device which it may not use, libvirt 9.0 forgets
// QEMU's capabilities at each step and asks again, 4 s every time (measured: 52 s
// to define one machine).
func kvmDevice(s *State) error {
	path := s.path("libvirt/kvm")
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("replace %s: %w", path, err)
	}
	if s.Acceleration.Accel != probe.KVM {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL, 0o000)
		if err != nil {
			return fmt.Errorf("hide /dev/kvm: %w", err)
		}
		return f.Close()
	}
	var st unix.Stat_t
	if err := unix.Stat("/dev/kvm", &st); err != nil {
		return fmt.Errorf("look at /dev/kvm: %w", err)
	}
	if err := unix.Mknod(path, unix.S_IFCHR|0o660, int(st.Rdev)); err != nil {
		return fmt.Errorf("make a KVM device for QEMU: %w", err)
	}
	if gid, ok := groupID("kvm"); ok {
		if err := os.Chown(path, 0, gid); err != nil {
			return fmt.Errorf("give the KVM device to group kvm: %w", err)
		}
	}
	return os.Chmod(path, 0o660)
}

// ensureLibvirtd starts the lab's libvirtd unless it runs.
func (m *Manager) ensureLibvirtd(ctx context.Context, s *State) error {
	if p, ok := processFromFile(s.path("libvirt/run/libvirt/libvirtd.pid")); ok && p == s.Libvirtd {
		return nil
	}
	if err := m.endHalfStarted(ctx, s, "libvirtd"); err != nil {
		return err
	}
	if left, err := processesIn(s.namespacePath()); err != nil {
		return err
	} else if len(left) == 0 { // so what /run says of machines is from before the host's restart
		if err := os.RemoveAll(s.path("libvirt/run")); err != nil {
			return fmt.Errorf("clear libvirt's run directory: %w", err)
		}
	}
	if err := prepareLibvirt(s); err != nil {
		return err
	}
	return m.startLibvirtd(ctx, s)
}

// startLibvirtd starts the lab's libvirtd and notes its process.
func (m *Manager) startLibvirtd(ctx context.Context, s *State) error {
	var script strings.Builder
	script.WriteString("if [ -e /dev/kvm ]; then mount --bind \"$1/kvm\" /dev/kvm; fi\n")
	for _, d := range libvirtDirs {
		fmt.Fprintf(&script, "mount --bind \"$1/%s\" %s\n", d.name, d.over)
	}
	script.WriteString("exec libvirtd --daemon --pid-file /run/libvirt/libvirtd.pid\n")
	if _, err := m.inside(ctx, s, nil, "sh", "-ec", script.String(), "sh", s.path("libvirt")); err != nil {
		return fmt.Errorf("start libvirtd: %w (log: %s)", err, s.path("libvirt/log/libvirtd.log"))
	}
	p, ok := processFromFile(s.path("libvirt/run/libvirt/libvirtd.pid"))
	if !ok {
		return fmt.Errorf("start libvirtd: it ended at once (log: %s)", s.path("libvirt/log/libvirtd.log"))
	}
	s.Libvirtd = p
	if err := s.save(); err != nil {
		return err
	}
	return m.awaitLibvirtd(ctx, s)
}

// awaitLibvirtd waits until libvirtd's drivers are up: the daemon says it is
// ready before that, and ends when one fails.
func (m *Manager) awaitLibvirtd(ctx context.Context, s *State) error {
	ctx, cancel := context.WithTimeout(ctx, libvirtPatience)
	defer cancel()
	for {
		h, err := m.Dial(ctx, s.LibvirtURI())
		if err == nil {
			_, err = h.Domains(ctx)
			_ = h.Close() // nothing was written
		}
		if err == nil {
			return nil
		}
		if !s.Libvirtd.running() {
			return fmt.Errorf("start libvirtd: it ended (log: %s)", s.path("libvirt/log/libvirtd.log"))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("start libvirtd: %w (log: %s)", err, s.path("libvirt/log/libvirtd.log"))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// endHalfStarted ends a daemon of the lab that is not the noted one: a killed
// create left it behind, or the shell that was about to become it. Machines and
// everything else in the namespace go on running.
func (m *Manager) endHalfStarted(ctx context.Context, s *State, names ...string) error {
	_, err := stop(ctx, func() ([]Process, error) {
		all, err := processesIn(s.namespacePath())
		var out []Process
		for _, p := range all {
			if n := p.name(); slices.Contains(names, n) || s.Phase == Creating && (n == "sh" || n == "mount") {
				out = append(out, p)
			}
		}
		return out, err
	}, patience)
	if err != nil {
		return fmt.Errorf("end the %s of an interrupted start: %w", names[0], err)
	}
	return nil
}

// hypervisor is what a lab needs of libvirt; *libvirt.Conn provides it.
type hypervisor interface {
	Domains(ctx context.Context) ([]libvirt.Domain, error)
	DomainXML(ctx context.Context, name string, flags libvirt.XMLFlags) (string, error)
	DefineDomain(ctx context.Context, xml string) (libvirt.Domain, error)
	DestroyDomain(ctx context.Context, name string) error
	UndefineDomain(ctx context.Context, name string, flags libvirt.UndefineFlags) error
	Close() error
}

func dial(ctx context.Context, uri string) (hypervisor, error) {
	c, err := libvirt.Dial(ctx, uri)
	if err != nil {
		return nil, err // not a typed nil in the interface
	}
	return c, nil
}
