package image

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"trefoil/internal/errs"
)

var packageName = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`)

// base is in every image: what boots, is reached by SSH and configured.
var base = []string{
	"ca-certificates", "dbus", "ethtool", "gdisk", "initramfs-tools", "iproute2", "iputils-ping", "kmod",
	"openssh-server", "parted", "procps", "python3-minimal", "sudo", "systemd", "systemd-sysv", "udev",
}

// include is the whole list of packages to ask for, sorted, each once.
func (b *build) include() []string {
	all := append(slices.Clone(base), b.Kernel)
	all = append(all, b.Packages...)
	slices.Sort(all)
	return slices.Compact(all)
}

// trimInitrd takes out of the small initial ramdisk what a disk on virtio does
// not need: the modules are loaded by name and the root is found by blkid, so
// udev, LVM and RAID only cost time in the loader and at boot.
const trimInitrd = `#!/bin/sh
[ "$1" = prereqs ] && exit 0
cd "$DESTDIR" || exit 1
rm -rf scripts/init-top/udev scripts/init-bottom/udev usr/bin/udevadm usr/lib/udev usr/lib/systemd etc/udev \
  usr/sbin/lvm usr/sbin/dmsetup scripts/*/lvm2 etc/lvm usr/lib/modules/*/kernel/drivers/md \
  usr/lib/x86_64-linux-gnu/libdevmapper* usr/lib/x86_64-linux-gnu/libsystemd* usr/lib/x86_64-linux-gnu/libgcrypt* \
  usr/lib/x86_64-linux-gnu/libgpg-error* usr/lib/x86_64-linux-gnu/libedit* usr/lib/x86_64-linux-gnu/libtinfo*
`

// overlay is in place before any package is configured: nothing may start, and
// the initial ramdisk is to be a small one from its first making on.
func (b *build) overlay() []rootFile {
	files := []rootFile{{"usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755}, {"usr/bin/py3compile", compilerStub, 0o755}}
	if !strings.Contains(b.Kernel, "-cloud-") {
		return append(files, rootFile{"etc/initramfs-tools/conf.d/overcloud", "MODULES=most\nCOMPRESS=gzip\nRESUME=none\n", 0o644})
	}
	modules := []string{"virtio_pci", "virtio_blk", "virtio_scsi", "virtio_net", "sd_mod", "ext4"}
	return append(files,
		rootFile{"etc/initramfs-tools/conf.d/overcloud", "MODULES=list\nCOMPRESS=gzip\nRESUME=none\n", 0o644},
		rootFile{"etc/initramfs-tools/modules", strings.Join(modules, "\n") + "\n", 0o644},
		rootFile{"etc/initramfs-tools/hooks/zz-overcloud", trimInitrd, 0o755})
}

// packages fills the tree, or takes the one that the same packages and sources
// gave before. A tree gets its final name only when it is complete.
func (b *build) packages(ctx context.Context) error {
	if _, err := os.Stat(b.tree); err == nil {
		b.note("packages", "from the cache")
		return nil
	}
	old, _ := filepath.Glob(filepath.Join(b.CacheDir, "tree-*"))
	for _, d := range old {
		if err := os.RemoveAll(d); err != nil {
			return fmt.Errorf("remove old tree: %w", err)
		}
	}
	over := filepath.Join(b.work, "overlay")
	if err := writeFiles(over, b.overlay()); err != nil {
		return err
	}
	tree := filepath.Join(b.work, "tree")
	if err := b.mmdebstrap(ctx, over, tree); err != nil {
		return err
	}
	if err := b.compilePython(ctx, tree); err != nil {
		return err
	}
	// mmdebstrap takes the file away itself; a machine must not keep it.
	if err := os.RemoveAll(filepath.Join(tree, "usr/sbin/policy-rc.d")); err != nil {
		return err
	}
	return os.Rename(tree, b.tree)
}

func (b *build) mmdebstrap(ctx context.Context, over, tree string) error {
	args := []string{"--mode=root", "--variant=minbase", "--format=directory", "--verbose", "--architectures=amd64",
		`--aptopt=Apt::Install-Recommends "false"`, `--aptopt=Acquire::Languages "none"`,
		"--include=" + strings.Join(b.include(), ","),
		"--essential-hook=" + divertCompiler, `--essential-hook=cp -a "$TREFOIL_OVERLAY/." "$1/"`}
	for _, p := range []string{"man", "doc", "info", "locale", "lintian", "bash-completion"} {
		args = append(args, "--dpkgopt=path-exclude=/usr/share/"+p+"/*")
	}
	args = append(args, b.Suite, tree)
	args = append(args, b.sources.files...)
	cmd := command(ctx, "mmdebstrap", args...)
	// Its filter is a Python program that runs once a package: a user's own Python,
	// found first behind a shim, would cost more than the package.
	cmd.Env = append(os.Environ(), "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "TREFOIL_OVERLAY="+over, "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C")
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	watch := &aptWatch{build: b}
	done := make(chan struct{})
	go func() { defer close(done); watch.read(r) }()
	err := finish(cmd)
	w.Close()
	<-done
	if err != nil {
		return watch.explain(err)
	}
	return nil
}

// command runs in a process group and mount namespace of its own: when ctx
// ends the whole group is asked to stop, and its mounts vanish with it.
func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	if found := filepath.Join("/usr/sbin", name); !strings.Contains(name, "/") {
		if _, err := exec.LookPath(name); err != nil {
			name = found
		}
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Unshareflags: syscall.CLONE_NEWNS}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	return cmd
}

// finish runs a command of command's to its end and leaves nothing of its group behind.
func finish(cmd *exec.Cmd) error {
	err := cmd.Run()
	if cmd.Process != nil && err != nil {
		// The leader has ended; what it started may still hold the tree.
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	return err
}

// output is finish that returns what was printed.
func output(cmd *exec.Cmd) ([]byte, error) {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := finish(cmd)
	return out.Bytes(), err
}

// aptWatch turns what apt and dpkg print into progress, and keeps the end of it
// for the error.
type aptWatch struct {
	*build
	total, done int
	tail        []string
	errors      []string
	last        time.Time
}

var newly = regexp.MustCompile(`(\d+) newly installed`)

func (a *aptWatch) read(r io.Reader) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		line := s.Text()
		fmt.Fprintln(a.Log, line)
		if a.tail = append(a.tail, line); len(a.tail) > 15 {
			a.tail = a.tail[1:]
		}
		if strings.HasPrefix(line, "E: ") {
			a.errors = append(a.errors, line)
		}
		if m := newly.FindStringSubmatch(line); m != nil {
			n, _ := strconv.Atoi(m[1])
			a.total += 2 * n
		}
		if f := strings.Fields(line); len(f) > 1 && (f[0] == "Unpacking" || f[0] == "Setting") {
			a.done++
			if time.Since(a.last) > 500*time.Millisecond {
				a.last = time.Now()
				a.report(Progress{Stage: "packages", Done: min(a.done, a.total), Total: a.total, Note: strings.ToLower(f[0]) + " " + f[len(f)-2]})
			}
		}
	}
	io.Copy(io.Discard, r)
}

var noPackage = regexp.MustCompile(`Unable to locate package (\S+)|Package '?([a-z0-9+.-]+)'? has no installation candidate`)

func (a *aptWatch) explain(err error) error {
	for _, line := range a.tail {
		if m := noPackage.FindStringSubmatch(line); m != nil {
			return errs.New(errs.Invalid, "Debian %s has no package %s", a.Suite, m[1]+m[2]).
				WithHint("a service template in the roles names it; check the name, or the sources in %s", a.AptDir)
		}
	}
	why := a.errors
	if len(why) == 0 {
		why = a.tail
	}
	return errs.Wrap(errs.Internal, errors.New(strings.Join(why, "\n")), "install packages: mmdebstrap: %v", err)
}
