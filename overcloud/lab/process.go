package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Process names a process for good: a number alone may be given to another one.
type Process struct {
	PID   int    `json:"pid"`
	Start string `json:"start"` // clock ticks since the host's start, field 22 of proc(5) stat
}

// processOf looks a running process up. A zombie counts as gone.
func processOf(pid int) (Process, bool) {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return Process{}, false
	}
	return parseStat(pid, string(b))
}

func parseStat(pid int, text string) (Process, bool) {
	// The name in parentheses may hold anything; fields are counted behind it.
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return Process{}, false
	}
	return Process{PID: pid, Start: fields[19]}, true
}

// running reports that exactly this process is alive.
func (p Process) running() bool {
	now, ok := processOf(p.PID)
	return ok && p.PID > 1 && now == p
}

// name is the process's command, for messages.
func (p Process) name() string {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.PID), "comm"))
	if err != nil {
		return "process"
	}
	return strings.TrimSpace(string(b))
}

// processFromFile reads a pid file and finds the process alive.
func processFromFile(path string) (Process, bool) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Process{}, false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || pid < 2 {
		return Process{}, false
	}
	return processOf(pid)
}

// processesIn lists the processes whose network namespace is the one bound at
// path. An absent namespace has none.
func processesIn(path string) ([]Process, error) {
	ns, err := os.Stat(path)
	if os.IsNotExist(err) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("look at the network namespace: %w", err)
	}
	dirs, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var out []Process
	for _, d := range dirs {
		pid, err := strconv.Atoi(d.Name())
		if err != nil {
			continue
		}
		link, err := os.Stat(filepath.Join("/proc", d.Name(), "ns/net"))
		if err != nil || !os.SameFile(ns, link) {
			continue // gone meanwhile, or elsewhere
		}
		if p, ok := processOf(pid); ok {
			out = append(out, p)
		}
	}
	return out, nil
}

// stop ends what list returns, now and while it waits: first with SIGTERM, after
// patience with SIGKILL. It reports the names of what it ended.
func stop(ctx context.Context, list func() ([]Process, error), patience time.Duration) ([]string, error) {
	begin := time.Now()
	told := map[Process]syscall.Signal{}
	var names []string
	for {
		alive, err := list()
		if err != nil || len(alive) == 0 {
			return names, err
		}
		sig := syscall.SIGTERM
		if time.Since(begin) > patience {
			sig = syscall.SIGKILL
		}
		if time.Since(begin) > 2*patience {
			return names, fmt.Errorf("%s (pid %d) does not end", alive[0].name(), alive[0].PID)
		}
		for _, p := range alive {
			if told[p] == sig {
				continue
			}
			if _, known := told[p]; !known {
				names = append(names, fmt.Sprintf("%s (pid %d)", p.name(), p.PID))
			}
			told[p] = sig
			if err := signal(p, sig); err != nil {
				return names, err
			}
		}
		select {
		case <-ctx.Done():
			return names, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// signal sends sig to exactly this process: the handle is taken first, then the
// identity is checked, so that a reused number cannot be hit.
func signal(p Process, sig syscall.Signal) error {
	h, err := os.FindProcess(p.PID)
	if err != nil || !p.running() {
		return nil //nolint:nilerr // gone is what was wanted
	}
	defer h.Release()
	if err := h.Signal(sig); err != nil && err != os.ErrProcessDone {
		return fmt.Errorf("end %s (pid %d): %w", p.name(), p.PID, err)
	}
	return nil
}
