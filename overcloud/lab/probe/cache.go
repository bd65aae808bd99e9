package probe

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// surroundings describes what the answer depends on.
func (p *Prober) surroundings(binary string) Evidence {
	ev := Evidence{
		BootID:  p.read("proc/sys/kernel/random/boot_id"),
		Release: p.read("proc/sys/kernel/osrelease"),
		QEMU:    binary,
	}
	for line := range strings.Lines(p.read("proc/cpuinfo")) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
			ev.CPU = strings.TrimSpace(v)
			break
		}
	}
	if path, err := exec.LookPath(binary); err == nil {
		if st, err := os.Stat(path); err == nil {
			ev.QEMU = fmt.Sprintf("%s %d bytes of %s", path, st.Size(), st.ModTime().UTC().Format(time.RFC3339))
		}
	}
	return ev
}

func (p *Prober) read(name string) string {
	b, err := os.ReadFile(filepath.Join("/", p.root, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// stored returns the kept answer if it was found in the same surroundings. A file
// that cannot be read is no answer: the probe then runs again.
func (p *Prober) stored(now Evidence) (Result, bool) {
	if p.Cache == "" {
		return Result{}, false
	}
	b, err := os.ReadFile(p.Cache)
	if err != nil {
		return Result{}, false
	}
	var r Result
	if json.Unmarshal(b, &r) != nil || (r.Accel != KVM && r.Accel != TCG) {
		return Result{}, false
	}
	then := r.Evidence
	then.Guest, then.Seconds, then.At = "", 0, time.Time{}
	return r, then == now && now.BootID != ""
}

// store keeps the answer; the file is replaced in one step.
func (p *Prober) store(r Result) error {
	if p.Cache == "" {
		return nil
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the probe's answer: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(p.Cache), 0o755); err != nil {
		return fmt.Errorf("keep the probe's answer: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(p.Cache), ".accel-")
	if err != nil {
		return fmt.Errorf("keep the probe's answer: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), p.Cache)
	}
	if err != nil {
		return fmt.Errorf("keep the probe's answer: %w", err)
	}
	return nil
}
