package apply

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// notDisks are block devices that hold no data of their own.
var notDisks = []string{"loop", "ram", "zram", "sr", "fd", "dm-", "md", "nbd", "rbd"}

// elsewhere is what the paths in sysfs of disks hold that are reached over a network: iSCSI,
// Fibre Channel and NVMe over Fabrics.
var elsewhere = regexp.MustCompile(`/session[0-9]+/|/rport-|/nvme-fabrics/`)

// notLooked is the use of a disk over a network that nobody named.
const notLooked = "reached over a network; only taken where it is named"

// Disks reads sysfs, and asks blkid what is on each whole disk. A server's volume is not
// touched: where its storage is gone, who reads from it hangs.
func (l Linux) Disks(ctx context.Context, named []string) ([]Disk, error) {
	out, err := l.WholeDisks()
	for i, d := range out {
		if d.Remote && !slices.Contains(named, d.Path) {
			out[i].Use = notLooked
			continue
		}
		out[i].Use = l.use(ctx, filepath.Base(d.Path))
	}
	return out, err
}

// WholeDisks implements System.
func (Linux) WholeDisks() ([]Disk, error) { return wholeDisks("/sys/block") }

func wholeDisks(block string) ([]Disk, error) {
	names, err := os.ReadDir(block)
	if err != nil {
		return nil, err
	}
	var out []Disk
	for _, n := range names {
		name := n.Name()
		if slices.ContainsFunc(notDisks, func(p string) bool { return strings.HasPrefix(name, p) }) {
			continue
		}
		at, err := filepath.EvalSymlinks(filepath.Join(block, name))
		if err != nil {
			continue // it was just taken away
		}
		if hidden, _ := os.ReadFile(filepath.Join(at, "hidden")); strings.TrimSpace(string(hidden)) == "1" {
			continue // a path of NVMe's own multipath: it has no name in /dev
		}
		b, err := os.ReadFile(filepath.Join(at, "size"))
		if err != nil {
			return nil, err
		}
		sectors, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("size of %s: %w", name, err)
		}
		if sectors > 0 {
			out = append(out, Disk{Path: "/dev/" + name, Bytes: sectors * 512, Mounted: mounted(name), Remote: remote(at)})
		}
	}
	return out, nil
}

// remote tells whether the disk at a path in sysfs is reached over a network. With the kernel's
// own multipath the path of an NVMe disk does not say it: its subsystem links to the
// controllers that lead to it, and each of those says how it is attached. A disk that none
// leads to, or one that does not say, is not known to be the machine's own.
func remote(at string) bool {
	if elsewhere.MatchString(at) {
		return true
	}
	if !strings.Contains(at, "/nvme-subsystem/") {
		return false
	}
	controllers, _ := filepath.Glob(filepath.Join(filepath.Dir(at), "nvme*", "transport"))
	return len(controllers) == 0 || slices.ContainsFunc(controllers, func(c string) bool {
		transport, _ := os.ReadFile(c)
		return strings.TrimSpace(string(transport)) != "pcie"
	})
}

func (l Linux) use(ctx context.Context, name string) string {
	if parts, _ := filepath.Glob(filepath.Join("/sys/block", name, name+"*")); len(parts) > 0 {
		return fmt.Sprintf("has %d partitions", len(parts))
	}
	if held, _ := filepath.Glob(filepath.Join("/sys/block", name, "holders/*")); len(held) > 0 {
		return "in use by " + filepath.Base(held[0])
	}
	out, err := l.Run(ctx, Command{Args: []string{"blkid", "-p", "-o", "export", "/dev/" + name}, Timeout: 30 * time.Second})
	var ended *RunError
	if errors.As(err, &ended) && ended.Code == 2 {
		return "" // nothing was found on it
	}
	if err != nil {
		return "cannot be read: " + err.Error()
	}
	for line := range strings.Lines(out) {
		k, v, _ := strings.Cut(strings.TrimSpace(line), "=")
		if k == "TYPE" || k == "PTTYPE" {
			return v
		}
	}
	return ""
}

// mounted tells whether the disk or a partition of it is mounted, swapped to,
// or held by a device on top of it.
func mounted(name string) bool {
	devices, _ := filepath.Glob(filepath.Join("/sys/block", name, name+"*"))
	used := inUse()
	for _, d := range append(devices, filepath.Join("/sys/block", name)) {
		if held, _ := filepath.Glob(filepath.Join(d, "holders/*")); len(held) > 0 {
			return true
		}
		number, err := os.ReadFile(filepath.Join(d, "dev"))
		if err == nil && used[strings.TrimSpace(string(number))] || used["/dev/"+filepath.Base(d)] {
			return true
		}
	}
	return false
}

// inUse are the mounted devices by number (254:1) and those swapped to by name.
func inUse() map[string]bool {
	out := map[string]bool{}
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 2 {
			out[f[2]] = true
		}
	}
	swaps, _ := os.ReadFile("/proc/swaps")
	for line := range strings.Lines(string(swaps)) {
		if f := strings.Fields(line); len(f) > 0 {
			out[f[0]] = true
		}
	}
	return out
}
