// Package probe finds out whether KVM works on this machine by booting a kernel
// under it. The device node proves nothing: in a nested machine /dev/kvm may
// open, answer its API version and create a VM whose kernel then never leaves
// the boot loader.
package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Accel is how QEMU runs the guest's instructions.
type Accel string

// The two ways.
const (
	KVM Accel = "kvm"
	TCG Accel = "tcg"
)

// Result is the answer together with what it rests on.
type Result struct {
	Accel    Accel    `json:"accel"`
	Reason   string   `json:"reason"` // one sentence for a person
	Hint     string   `json:"hint,omitempty"`
	Evidence Evidence `json:"evidence"`
}

// Evidence says where and when the answer was found. A stored answer counts only
// while everything but Seconds and At is the same.
type Evidence struct {
	BootID  string    `json:"boot_id"`
	Release string    `json:"kernel_release"` // of the host
	CPU     string    `json:"cpu_model"`
	QEMU    string    `json:"qemu"`            // path, size and time of the binary
	Guest   string    `json:"guest,omitempty"` // kernel file that was booted
	Seconds float64   `json:"seconds"`         // from QEMU's start to the answer
	At      time.Time `json:"at"`
}

// Prober boots the kernel. The zero value is not useful; take New.
type Prober struct {
	QEMU    string   // binary, a path or a name on PATH
	Device  string   // /dev/kvm
	Kernels []string // glob patterns, best first
	// Fetch brings a kernel where the machine has none; nil: do without.
	Fetch func(ctx context.Context) (string, error)
	// Booting is told before a kernel is booted, since that may take Limit; may be nil.
	Booting func(kernel string, limit time.Duration)
	Limit   time.Duration // how long a kernel may take to userspace
	Cache   string        // file of the stored answer; empty: none
	Now     func() time.Time
	root    string // prefix of /proc and /sys, for tests
}

// New returns a Prober for this machine that stores its answer in cache.
func New(cache string) *Prober {
	return &Prober{
		QEMU: "qemu-system-x86_64", Device: "/dev/kvm", Limit: 20 * time.Second, Cache: cache, Now: time.Now,
		// The small kernel first: it is unpacked in a moment.
		Kernels: []string{"/boot/vmlinuz-*cloud*", "/boot/vmlinuz-*", "/boot/vmlinuz", "/vmlinuz"},
	}
}

// Probe answers from the stored result if nothing has changed since, else it
// boots a kernel, which takes a second where KVM works and Limit where it does
// not. An error means that the question could not be asked at all (no QEMU).
func (p *Prober) Probe(ctx context.Context) (Result, error) {
	binary, err := exec.LookPath(p.QEMU)
	if err != nil {
		return Result{}, fmt.Errorf("find QEMU: %w", err)
	}
	ev := p.surroundings(binary)
	if r, ok := p.stored(ev); ok {
		return r, nil
	}
	r := Result{Accel: TCG, Evidence: ev}
	err = opens(p.Device)
	kernel := p.kernel()
	if err == nil && kernel == "" && p.Fetch != nil {
		if kernel, err = p.Fetch(ctx); err != nil {
			r.Reason = fmt.Sprintf("%s opens, but there is no kernel to boot under it (%v): using emulation (slower)", p.Device, err)
			r.Hint = "apt-get install linux-image-cloud-amd64"
			return r, ctx.Err()
		}
	}
	switch {
	case errors.Is(err, os.ErrNotExist):
		r.Reason = p.Device + " does not exist: using emulation (slower)"
		r.Hint = "switch on virtualization in the firmware, or nested virtualization in the outer machine"
		return r, nil // not worth storing: the look is free
	case err != nil:
		r.Reason = fmt.Sprintf("%s cannot be opened (%v): using emulation (slower)", p.Device, err)
		return r, nil
	case kernel == "":
		r.Reason = p.Device + " opens, but there is no kernel in /boot to boot under it: using emulation (slower)"
		r.Hint = "apt-get install linux-image-cloud-amd64"
		return r, nil
	}
	if p.Booting != nil {
		p.Booting(kernel, p.Limit)
	}
	r.Evidence.Guest = kernel
	start := p.Now()
	found, output, err := p.boot(ctx, binary, kernel)
	if err != nil {
		return Result{}, err
	}
	r.Evidence.At = p.Now().UTC()
	r.Evidence.Seconds = r.Evidence.At.Sub(start).Seconds()
	r.judge(p, found, output)
	return r, p.store(r)
}

// judge turns what the boot showed into the answer.
func (r *Result) judge(p *Prober, found bool, output string) {
	guest := filepath.Base(r.Evidence.Guest)
	switch {
	case found:
		r.Accel = KVM
		r.Reason = fmt.Sprintf("%s reached userspace under KVM in %.1f s", guest, r.Evidence.Seconds)
	case r.Evidence.Seconds < p.Limit.Seconds():
		r.Reason = fmt.Sprintf("%s opens but QEMU gave up (%s): using emulation (slower)", p.Device, lastLine(output))
	default:
		r.Reason = fmt.Sprintf("%s opens but a kernel did not reach userspace in %.0f s: using emulation (slower)", p.Device, p.Limit.Seconds())
	}
}

// boot starts a small machine and waits for the marker on its serial line.
func (p *Prober) boot(ctx context.Context, binary, kernel string) (found bool, output string, err error) {
	dir, err := os.MkdirTemp("", "trefoil-probe-")
	if err != nil {
		return false, "", fmt.Errorf("make room for the probe: %w", err)
	}
	defer os.RemoveAll(dir)
	initrd := filepath.Join(dir, "initrd")
	if err := os.WriteFile(initrd, initramfs(), 0o600); err != nil {
		return false, "", fmt.Errorf("write the probe's ramdisk: %w", err)
	}
	limited, cancel := context.WithTimeout(ctx, p.Limit)
	defer cancel()
	w := &watcher{done: cancel}
	cmd := exec.CommandContext(limited, binary, "-accel", "kvm", "-cpu", "host", "-m", "256", "-no-user-config",
		"-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot",
		"-kernel", kernel, "-initrd", initrd, "-append", "console=ttyS0 panic=-1")
	cmd.Stdout, cmd.Stderr = w, w
	cmd.WaitDelay = 5 * time.Second
	runErr := cmd.Run()
	if err := ctx.Err(); err != nil {
		return false, "", err
	}
	output = w.String()
	if output == "" && runErr != nil {
		output = runErr.Error()
	}
	return w.seen(), output, nil
}

// watcher collects output and calls done when the marker has come.
type watcher struct {
	mu    sync.Mutex
	text  bytes.Buffer
	found bool
	done  func()
}

func (w *watcher) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(b)
	if !w.found && bytes.Contains(w.text.Bytes(), []byte(marker)) {
		w.found = true
		w.done()
	}
	return len(b), nil
}

func (w *watcher) seen() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.found
}

func (w *watcher) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// kernel returns the first file that one of the patterns finds; of several, the newest version.
func (p *Prober) kernel() string {
	for _, pattern := range p.Kernels {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			continue
		}
		return slices.Max(files)
	}
	return ""
}

func opens(device string) error {
	f, err := os.OpenFile(device, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return f.Close()
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
