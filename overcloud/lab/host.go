package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ReadHost measures this computer; dir is where disks would lie (it, or its
// nearest existing parent).
func ReadHost(dir string) (Host, error) {
	h := Host{CPUs: runtime.NumCPU()}
	info, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return h, fmt.Errorf("read the host's memory: %w", err)
	}
	h.MemoryTotal, h.MemoryAvailable = parseMeminfo(string(info))
	for {
		var st unix.Statfs_t
		err := unix.Statfs(dir, &st)
		if err == nil {
			h.DiskFree = Size(st.Bavail) * Size(st.Bsize)
			return h, nil
		}
		if err != unix.ENOENT || dir == filepath.Dir(dir) {
			return h, fmt.Errorf("measure the free disk at %s: %w", dir, err)
		}
		dir = filepath.Dir(dir)
	}
}

// parseMeminfo reads MemTotal and MemAvailable of proc(5), which are in KiB.
func parseMeminfo(text string) (total, available Size) {
	for line := range strings.Lines(text) {
		key, rest, _ := strings.Cut(line, ":")
		f := strings.Fields(rest)
		if len(f) == 0 {
			continue
		}
		n, err := strconv.ParseInt(f[0], 10, 64)
		if err != nil {
			continue
		}
		switch key {
		case "MemTotal":
			total = Size(n) << 10
		case "MemAvailable":
			available = Size(n) << 10
		}
	}
	return total, available
}
