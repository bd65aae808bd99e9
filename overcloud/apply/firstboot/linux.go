package firstboot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Linux is the machine this program runs on.
type Linux struct {
	Sys string // /sys
	Dev string // /dev
}

var _ Machine = Linux{}

// ConfigDrive looks for an ISO 9660 volume labelled config-2 on every block
// device, partitions included. udev is not needed; a CD drive whose driver is
// still being loaded is waited for.
func (l Linux) ConfigDrive(ctx context.Context, dir string) (func(), error) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		for _, dev := range l.rootDiskFirst(l.labelled("config-2")) {
			if err := unix.Mount(dev, dir, "iso9660", unix.MS_RDONLY|unix.MS_NODEV|unix.MS_NOEXEC|unix.MS_NOSUID, ""); err != nil {
				return nil, fmt.Errorf("mount %s: %w", dev, err)
			}
			return func() { unix.Unmount(dir, unix.MNT_DETACH) }, nil
		}
		select {
		case <-ctx.Done():
			return nil, errors.New("no block device with an ISO 9660 filesystem labelled config-2")
		case <-tick.C:
		}
	}
}

// rootDiskFirst prefers the drive that was written with this system: another
// disk may still hold the one of an earlier life of the machine.
func (l Linux) rootDiskFirst(devs []string) []string {
	disk, _, err := l.rootPartition()
	if err != nil {
		return devs
	}
	prefix := filepath.Join(l.Dev, disk)
	slices.SortStableFunc(devs, func(a, b string) int {
		switch aOwn, bOwn := strings.HasPrefix(a, prefix), strings.HasPrefix(b, prefix); {
		case aOwn && !bOwn:
			return -1
		case bOwn && !aOwn:
			return 1
		}
		return 0
	})
	return devs
}

func (l Linux) labelled(label string) []string {
	names, err := os.ReadDir(filepath.Join(l.Sys, "class/block"))
	if err != nil {
		return nil
	}
	var out []string
	for _, n := range names {
		if strings.HasPrefix(n.Name(), "loop") || strings.HasPrefix(n.Name(), "ram") {
			continue
		}
		dev := filepath.Join(l.Dev, n.Name())
		if isoLabel(dev) == label {
			out = append(out, dev)
		}
	}
	return out
}

// isoLabel reads the volume identifier of the primary descriptor (ECMA-119 8.4).
func isoLabel(dev string) string {
	f, err := os.Open(dev)
	if err != nil {
		return ""
	}
	defer f.Close()
	b := make([]byte, 72)
	if _, err := f.ReadAt(b, 32768); err != nil || string(b[1:6]) != "CD001" {
		return ""
	}
	return strings.TrimRight(string(b[40:72]), " \x00")
}

// SetHostname sets the kernel's host name.
func (Linux) SetHostname(name string) error {
	if err := unix.Sethostname([]byte(name)); err != nil {
		return fmt.Errorf("set host name: %w", err)
	}
	return nil
}

// NewHostKey runs ssh-keygen.
func (Linux) NewHostKey(path string) error {
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path).CombinedOutput(); err != nil {
		return fmt.Errorf("make SSH host key: %w: %s", err, out)
	}
	return nil
}

// Chown gives path to a user and its group.
func (Linux) Chown(path, name string) error {
	u, err := user.Lookup(name)
	if err != nil {
		return fmt.Errorf("give %s to %s: %w", path, name, err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	return os.Chown(path, uid, gid)
}
