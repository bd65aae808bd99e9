package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"trefoil/overcloud/apply/firstboot"
)

// User is the administrator in the image; its keys come with the config drive.
const User = firstboot.User

// FirstBootPath is where os-apply-config lies in the image.
const FirstBootPath = "usr/local/bin/os-apply-config"

type rootFile struct {
	path, content string
	mode          os.FileMode
}

// firstBootUnit runs before anything that needs a name, an address or a key.
const firstBootUnit = `[Unit]
Description=Host name, network, keys and disk from the config drive
DefaultDependencies=no
After=systemd-remount-fs.service
Before=systemd-networkd.service network-pre.target ssh.service sysinit.target shutdown.target
Wants=network-pre.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/bin/os-apply-config first-boot
StandardOutput=journal+console
StandardError=journal+console
TimeoutStartSec=120

[Install]
WantedBy=sysinit.target
`

// emulatedUnit gives a program longer turns on a processor that QEMU translates in
// software, which is the only thing that systemd calls "qemu". There a change of turns
// costs as much as the 1.5 ms of Linux's shortest turn, and the page tables that QEMU
// forgets at each: twenty Python programs that load beside each other load several times
// faster with long turns.
//
// Where QEMU waited for its own processor while Linux measured the time stamp counter, the
// machine's clock is wrong by a factor (seen: 26 times too fast, so that D-Bus's 25 s were
// one), and tsc=reliable has Linux trust it. Linux measures twice, says that the two differ,
// and takes the wrong one; HPET is slower, and right.
const emulatedUnit = `[Unit]
Description=Long turns and a right clock on an emulated processor
ConditionVirtualization=qemu
DefaultDependencies=no
Before=sysinit.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=-/bin/sh -c 'mountpoint -q /sys/kernel/debug || mount -t debugfs -o mode=0700 debugfs /sys/kernel/debug; cd /sys/kernel/debug/sched && echo 200000000 >latency_ns && echo 60000000 >min_granularity_ns && echo 40000000 >wakeup_granularity_ns'
ExecStart=/bin/sh -c 'if dmesg | grep -q "PIT calibration deviates"; then echo hpet >/sys/devices/system/clocksource/clocksource0/current_clocksource; fi'

[Install]
WantedBy=sysinit.target
`

// files of the system itself; what a service needs is the business of its template.
var systemFiles = []rootFile{
	{"etc/systemd/system/os-first-boot.service", firstBootUnit, 0o644},
	{"etc/systemd/system/emulated-processor.service", emulatedUnit, 0o644},
	// Everything is present and nothing runs: only what makes a reachable machine is enabled.
	{"etc/systemd/system-preset/00-overcloud.preset", "enable os-first-boot.service\nenable emulated-processor.service\nenable ssh.service\nenable systemd-networkd.service\nenable getty@.service\nenable logrotate.timer\ndisable *\n", 0o644},
	{"etc/ssh/sshd_config.d/10-overcloud.conf", "HostKey /etc/ssh/ssh_host_ed25519_key\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin no\nUseDNS no\n", 0o644},
	{"etc/sudoers.d/" + User, User + " ALL=(ALL) NOPASSWD:ALL\n", 0o440},
	// Nova's services say when they are ready, and systemd's 90 seconds are not enough for a dozen
	// Python programs that load at once on two processors: each would be killed and begin anew, for ever.
	// Every program with eventlet asks Python's distutils for a version; the one of setuptools
	// brings the whole of setuptools with it, a fourth of the time until the program runs. eventlet's
	// own resolver, 200 modules, is not needed where machines know each other by /etc/hosts.
	{"etc/systemd/system.conf.d/10-overcloud.conf", "[Manager]\nDefaultTimeoutStartSec=30min\nDefaultEnvironment=SETUPTOOLS_USE_DISTUTILS=stdlib EVENTLET_NO_GREENDNS=yes\n", 0o644},
	// Else udev gives each of Open vSwitch's ports an address of its own making: on a slow machine
	// after Neutron has given it the port's, and a router is there that nobody reaches.
	{"etc/systemd/network/99-default.link.d/10-overcloud.conf", "[Link]\nMACAddressPolicy=none\n", 0o644},
	{"etc/hostname", Name + "\n", 0o644},
	{"etc/hosts", "127.0.0.1 localhost\n::1 localhost\n", 0o644},
	{"etc/resolv.conf", "", 0o644},
	{"etc/fstab", "# The root filesystem is mounted read-write by the kernel's command line.\n", 0o644},
	{"etc/machine-id", "", 0o444}, // systemd fills an empty one at boot
}

// masked units cost time at each boot or wait for what does not come: modules
// that the kernel loads on demand, views for debugging, users that dpkg has made
// already, a root that is mounted writable by the kernel's command line.
// Together a third of the processor time of a boot.
var masked = []string{
	"systemd-networkd-wait-online.service", "apt-daily.timer", "apt-daily-upgrade.timer", "man-db.timer",
	"dpkg-db-backup.timer", "e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer",
	"modprobe@configfs.service", "modprobe@dm_mod.service", "modprobe@drm.service", "modprobe@efi_pstore.service",
	"modprobe@fuse.service", "modprobe@loop.service", "sys-kernel-debug.mount", "sys-kernel-tracing.mount",
	"sys-fs-fuse-connections.mount", "dev-mqueue.mount", "systemd-binfmt.service", "proc-sys-fs-binfmt_misc.automount",
	"systemd-network-generator.service", "systemd-update-utmp-runlevel.service",
	"systemd-sysusers.service", "systemd-remount-fs.service",
}

// maskedGenerators are programs that systemd runs at each boot and each daemon-reload, half of
// the eight seconds of a processor that one takes under emulation. They look for what a machine
// of ours does not have: encrypted or verified disks, a root that is found by its type, a rest of
// hibernation, rc.local, an update without a system, a command on the kernel's command line.
var maskedGenerators = []string{
	"systemd-cryptsetup-generator", "systemd-veritysetup-generator", "systemd-integritysetup-generator", "systemd-gpt-auto-generator",
	"systemd-hibernate-resume-generator", "systemd-rc-local-generator", "systemd-system-update-generator", "systemd-run-generator",
}

// former are what earlier builders wrote, which a tree of the cache may still hold.
var former = []string{"etc/systemd/journald.conf.d/10-overcloud.conf", "etc/systemd/system/systemd-journal-flush.service"}

// system makes the package tree a machine without an identity. It may run on a
// tree from the cache that it has run on before.
func (b *build) system(ctx context.Context) error {
	if err := b.files(); err != nil {
		return err
	}
	if err := copyFile(b.FirstBoot, filepath.Join(b.tree, FirstBootPath), 0o755); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(b.tree, "home", User)); err != nil {
		if err := b.chroot(ctx, "useradd", "--create-home", "--shell", "/bin/bash", "--comment", "overcloud administrator", User); err != nil {
			return err
		}
	}
	if err := b.chroot(ctx, "systemctl", "preset-all"); err != nil {
		return err
	}
	// After preset-all, which takes away masks of instances that it does not know.
	if err := mask(filepath.Join(b.tree, "etc/systemd/system"), masked); err != nil {
		return err
	}
	if err := mask(filepath.Join(b.tree, "etc/systemd/system-generators"), maskedGenerators); err != nil {
		return err
	}
	if err := b.oneThread(); err != nil {
		return err
	}
	if err := b.noSessions(); err != nil {
		return err
	}
	return b.anonymous()
}

// mask makes systemd pass over units or generators.
func mask(dir string, names []string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, name := range names {
		link := filepath.Join(dir, name)
		os.Remove(link)
		if err := os.Symlink("/dev/null", link); err != nil {
			return err
		}
	}
	return nil
}

// files of the system itself, and none of those that it had.
func (b *build) files() error {
	for _, f := range former {
		if err := os.Remove(filepath.Join(b.tree, f)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return writeFiles(b.tree, systemFiles)
}

// noSessions takes pam_systemd out: it would start a service manager for the
// administrator at each first login of a deployer, a second under emulation.
func (b *build) noSessions() error {
	name := filepath.Join(b.tree, "etc/pam.d/common-session")
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	lines := slices.DeleteFunc(strings.SplitAfter(string(data), "\n"), func(l string) bool { return strings.Contains(l, "pam_systemd.so") })
	return os.WriteFile(name, []byte(strings.Join(lines, "")), 0o644)
}

// oneThread sets the threads of a process in Debian's uwsgi files to one, where Debian has 32. Of two
// of uwsgi's threads that want one of eventlet's locks, the log's for example, one waits for ever, and
// after it each that comes: an API that accepts and never answers. Keystone and Placement are not
// written for eventlet, but log through its locks where it is installed. How many processes there are
// is the business of the service's template.
func (b *build) oneThread() error {
	names, _ := filepath.Glob(filepath.Join(b.tree, "etc/*/*-uwsgi.ini"))
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		lines := strings.Split(string(data), "\n")
		for i, l := range lines {
			if k, _, ok := strings.Cut(l, "="); ok && strings.TrimSpace(k) == "threads" {
				lines[i] = "threads = 1"
			}
		}
		if err := os.WriteFile(name, []byte(strings.Join(lines, "\n")), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// anonymous takes away what must differ from machine to machine, and logs. The journal's directory
// stays, without which systemd would keep it in memory.
func (b *build) anonymous() error {
	for _, pattern := range []string{"etc/ssh/ssh_host_*", "var/lib/dbus/machine-id", "var/lib/rabbitmq/.erlang.cookie",
		"var/cache/apt/*.bin", "var/log/*.log", "var/log/apt/*", "var/log/journal/*", "var/lib/systemd/random-seed", "root/.bash_history", "tmp/*", "run/*",
		"etc/nvme/hostid", "etc/nvme/hostnqn"} { // without them NVMe's follow from the machine's own UUID
		names, _ := filepath.Glob(filepath.Join(b.tree, pattern))
		for _, n := range names {
			if err := os.RemoveAll(n); err != nil {
				return fmt.Errorf("clean the tree: %w", err)
			}
		}
	}
	if _, err := os.Stat(filepath.Join(b.tree, firstboot.InitiatorPath)); err == nil {
		if err := writeFiles(b.tree, []rootFile{{firstboot.InitiatorPath, firstboot.NoInitiator, 0o600}}); err != nil {
			return err
		}
	}
	return os.MkdirAll(filepath.Join(b.tree, "var/log/journal"), 0o755) // systemd-tmpfiles gives it owner and mode
}

var chrootEnv = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "HOME=/root", "DEBIAN_FRONTEND=noninteractive"}

func (b *build) chroot(ctx context.Context, name string, args ...string) error {
	return b.chrootIn(ctx, b.tree, nil, name, args...)
}

func (b *build) chrootIn(ctx context.Context, tree string, stdin io.Reader, name string, args ...string) error {
	cmd := command(ctx, "/usr/sbin/chroot", append([]string{tree, name}, args...)...)
	cmd.Env = chrootEnv
	cmd.SysProcAttr.Unshareflags |= syscall.CLONE_NEWNET
	var out bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &out, &out
	err := finish(cmd)
	b.Log.Write(out.Bytes())
	if err != nil {
		return fmt.Errorf("%s in the image: %w: %s", name, err, lastLines(out.String(), 5))
	}
	return nil
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

func writeFiles(root string, files []rootFile) error {
	for _, f := range files {
		p := filepath.Join(root, f.path)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			return err
		}
		os.Remove(p) // a link in the tree must not lead out of it
		if err := os.WriteFile(p, []byte(f.content), f.mode); err != nil {
			return err
		}
		if err := os.Chmod(p, f.mode); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string, mode os.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	os.Remove(to)
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return fmt.Errorf("copy %s: %w", filepath.Base(from), err)
	}
	return out.Close()
}
