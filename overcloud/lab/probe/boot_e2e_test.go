//go:build e2e

package probe

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestTheInitProgramRunsUnderEmulation boots a real kernel with the hand-made
// ramdisk under TCG: whatever KVM does here, the marker must be able to come.
// TREFOIL_PROBE_KERNEL names the kernel where /boot has none.
func TestTheInitProgramRunsUnderEmulation(t *testing.T) {
	p := New("")
	if k := os.Getenv("TREFOIL_PROBE_KERNEL"); k != "" {
		p.Kernels = []string{k}
	}
	kernel := p.kernel()
	if kernel == "" {
		t.Fatal("no kernel: apt-get install linux-image-cloud-amd64, or set TREFOIL_PROBE_KERNEL")
	}
	real, err := exec.LookPath(p.QEMU)
	if err != nil {
		t.Fatal(err)
	}
	// The same command line, with the accelerator and the CPU replaced.
	shim := filepath.Join(t.TempDir(), "qemu")
	script := "#!/bin/sh\nshift 4\nexec " + real + " -accel tcg -cpu max \"$@\"\n"
	if err := os.WriteFile(shim, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	p.Limit = 2 * time.Minute
	found, output, err := p.boot(context.Background(), shim, kernel)
	if err != nil || !found {
		t.Fatalf("marker seen: %v, error: %v, console:\n%s", found, err, output)
	}
}

// TestTheProbeAnswersOnThisMachine runs the whole probe against the real
// /dev/kvm: it must come to an answer within its limit, and know it the next time.
func TestTheProbeAnswersOnThisMachine(t *testing.T) {
	p := New(filepath.Join(t.TempDir(), "accel.json"))
	if k := os.Getenv("TREFOIL_PROBE_KERNEL"); k != "" {
		p.Kernels = []string{k}
	}
	first, err := p.Probe(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %s (%+v)", first.Accel, first.Reason, first.Evidence)
	if first.Reason == "" || first.Evidence.Seconds > (p.Limit+10*time.Second).Seconds() {
		t.Errorf("answer %+v", first)
	}
	start := time.Now()
	second, err := p.Probe(context.Background())
	if err != nil || second.Accel != first.Accel {
		t.Fatalf("second answer %+v, %v", second, err)
	}
	if first.Evidence.Guest != "" && time.Since(start) > time.Second {
		t.Error("the kernel was booted again")
	}
}
