// Package boot is the part of the agent that is PID 1 of the ramdisk: file
// systems, kernel modules, network, orphans. It never returns an error that
// leaves the machine silent: the caller prints it and powers off.
package boot

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"trefoil/ironic/agent/kmods"
)

// Mount mounts what every Linux program expects. What is mounted already is left alone.
func Mount() error {
	for _, m := range []struct{ source, target, kind string }{
		{"proc", "/proc", "proc"},
		{"sysfs", "/sys", "sysfs"},
		{"devtmpfs", "/dev", "devtmpfs"},
		{"tmpfs", "/run", "tmpfs"},
		{"tmpfs", "/tmp", "tmpfs"},
	} {
		if err := os.MkdirAll(m.target, 0o755); err != nil {
			return fmt.Errorf("make %s: %w", m.target, err)
		}
		if err := unix.Mount(m.source, m.target, m.kind, 0, ""); err != nil && err != unix.EBUSY {
			return fmt.Errorf("mount %s: %w", m.target, err)
		}
	}
	// Only a UEFI machine has it, and only the boot entries need it.
	_ = unix.Mount("efivarfs", "/sys/firmware/efi/efivars", "efivarfs", 0, "")
	return nil
}

// LoadModules loads what the machine's devices need and waits until the disks
// and interfaces that it found have settled, at most settle.
func LoadModules(logf func(string, ...any), settle time.Duration) error {
	man, err := kmods.Load(kmods.ManifestPath)
	if err != nil {
		return err
	}
	l := &kmods.Loader{Manifest: man, Logf: logf}
	l.Coldplug()
	// SCSI and USB discs appear some time after their driver; a quiet half second ends the wait.
	deadline := time.Now().Add(settle)
	before := devices()
	for quiet := 0; quiet < 3 && time.Now().Before(deadline); quiet++ {
		time.Sleep(100 * time.Millisecond)
		if now := devices(); now != before {
			before, quiet = now, 0
			l.Coldplug()
		}
	}
	return nil
}

func devices() string {
	var all []string
	for _, dir := range []string{"/sys/block/*", "/sys/class/net/*"} {
		names, _ := filepath.Glob(dir)
		all = append(all, names...)
	}
	return strings.Join(all, " ")
}

// Params reads the kernel command line. A word without "=" has an empty value.
func Params() (map[string]string, error) {
	data, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return nil, fmt.Errorf("read kernel command line: %w", err)
	}
	return ParseParams(string(data)), nil
}

// ParseParams splits a kernel command line; double quotes keep spaces together.
func ParseParams(line string) map[string]string {
	out := map[string]string{}
	quoted := false
	for _, word := range strings.FieldsFunc(line, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return !quoted && (r == ' ' || r == '\t' || r == '\n')
	}) {
		key, val, _ := strings.Cut(word, "=")
		out[strings.Trim(key, `"`)] = strings.Trim(val, `"`)
	}
	return out
}

// Reap collects orphans for ever; PID 1 must. Programs that we start ourselves
// would race with it, and there are none.
func Reap() {
	ch := make(chan os.Signal, 8)
	signal.Notify(ch, unix.SIGCHLD)
	go func() {
		for range ch {
			for {
				pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
				if pid <= 0 || err != nil {
					break
				}
			}
		}
	}()
}

// PowerOff writes everything to disk and switches the machine off. It does not return.
func PowerOff() { end(unix.LINUX_REBOOT_CMD_POWER_OFF) }

// Reboot writes everything to disk and starts the machine anew. It does not return.
func Reboot() { end(unix.LINUX_REBOOT_CMD_RESTART) }

func end(cmd int) {
	unix.Sync()
	_ = unix.Reboot(cmd)
	select {} // the kernel is on its way down
}
