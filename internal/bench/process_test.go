//go:build bench

package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// family is processes and all that they began, of those that are there now.
func family(t *testing.T, pids ...int) (all []int) {
	t.Helper()
	parents := map[int]int{}
	dirs, err := filepath.Glob("/proc/[0-9]*")
	must(t, err)
	for _, d := range dirs {
		pid, _ := strconv.Atoi(filepath.Base(d))
		text, err := os.ReadFile(d + "/stat")
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		if f := strings.Fields(rest); len(f) > 1 {
			parents[pid], _ = strconv.Atoi(f[1])
		}
	}
	for pid := range parents {
		for p := pid; p > 1; p = parents[p] {
			if slices.Contains(pids, p) {
				all = append(all, pid)
				break
			}
		}
	}
	return all
}

// pss is the memory of processes and all that they began, MiB: what several share counts once.
func pss(t *testing.T, pids ...int) (total float64) {
	t.Helper()
	for _, pid := range family(t, pids...) {
		total += pssOf(t, pid)
	}
	return total
}

func pssOf(t *testing.T, pid int) float64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0 // it has ended
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
			kb, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			must(t, err)
			return kb / 1024
		}
	}
	return 0
}
