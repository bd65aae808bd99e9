package image

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"trefoil/internal/errs"
	"trefoil/internal/filelock"
)

// needs are the programs and files of the build host, and their packages.
var needs = []struct{ path, pkg string }{
	{"mmdebstrap", "mmdebstrap"},
	{"mke2fs", "e2fsprogs"},
	{"qemu-img", "qemu-utils"},
	{"grub-mkimage", "grub-common"},
	{"/usr/lib/grub/i386-pc/boot.img", "grub-pc-bin"},
	{"/usr/lib/grub/x86_64-efi/moddep.lst", "grub-efi-amd64-bin"},
}

// Space that a build takes at most, in bytes.
const (
	cacheSpace  = 5 << 30 // tree, raw disk
	outputSpace = 2 << 30 // qcow2, before the old one is replaced
)

// preflight finds out what would stop the build later, all at once.
func (b *build) preflight() error {
	b.note("check", "")
	if os.Geteuid() != 0 {
		return errs.New(errs.Forbidden, "image build must run as root: dpkg gives files to their owners").
			WithHint("run the same command with sudo")
	}
	var missing, packages []string
	for _, n := range needs {
		if !present(n.path) {
			missing, packages = append(missing, n.path), append(packages, n.pkg)
		}
	}
	if len(missing) > 0 {
		return errs.New(errs.Invalid, "image build needs %s, which this machine does not have", strings.Join(missing, ", ")).
			WithHint("apt-get install --no-install-recommends %s", strings.Join(packages, " "))
	}
	if _, err := os.Stat(b.FirstBoot); err != nil {
		return errs.Wrap(errs.Invalid, err, "image build needs the os-apply-config program").WithHint("make build")
	}
	for _, d := range []string{b.CacheDir, b.OutputDir} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return fmt.Errorf("make directory: %w", err)
		}
	}
	return b.space()
}

func present(p string) bool {
	if filepath.IsAbs(p) {
		_, err := os.Stat(p)
		return err == nil
	}
	if _, err := exec.LookPath(p); err == nil {
		return true
	}
	_, err := os.Stat(filepath.Join("/usr/sbin", p)) // not on the PATH of a plain user
	return err == nil
}

func (b *build) space() error {
	need := map[uint64]uint64{}
	free := map[uint64]uint64{}
	where := map[uint64]string{}
	for _, d := range []struct {
		dir   string
		bytes uint64
	}{{b.CacheDir, cacheSpace}, {b.OutputDir, outputSpace}} {
		var st unix.Stat_t
		var fs unix.Statfs_t
		if err := unix.Stat(d.dir, &st); err != nil {
			return fmt.Errorf("look at %s: %w", d.dir, err)
		}
		if err := unix.Statfs(d.dir, &fs); err != nil {
			return fmt.Errorf("look at the space in %s: %w", d.dir, err)
		}
		need[st.Dev] += d.bytes
		free[st.Dev] = fs.Bavail * uint64(fs.Bsize)
		where[st.Dev] = d.dir
	}
	for dev, n := range need {
		if free[dev] < n {
			return errs.New(errs.Invalid, "image build needs up to %.1f GB in %s; %.1f GB are free", gb(n), where[dev], gb(free[dev])).
				WithHint("free some space, or name another directory for the output and the cache")
		}
	}
	return nil
}

func gb(n uint64) float64 { return float64(n) / 1e9 }

// lock keeps a second build out of the same cache. The kernel releases it when
// the process ends, however it ends.
func (b *build) lock() (func(), error) {
	f, err := os.OpenFile(filepath.Join(b.CacheDir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the cache: %w", err)
	}
	if err := filelock.Take(f); err != nil {
		f.Close()
		return nil, errs.New(errs.Locked, "another image build is using %s", b.CacheDir).
			WithHint("wait for it to end, or give another cache directory")
	}
	old, _ := filepath.Glob(filepath.Join(b.CacheDir, "work-*"))
	for _, d := range old { // of builds that were killed
		os.RemoveAll(d)
	}
	return func() { f.Close() }, nil
}
