package probe

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fake returns a Prober whose QEMU is a shell script, with a device and a kernel that exist.
func fake(t *testing.T, script string) *Prober {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("proc/sys/kernel/random/boot_id", "boot-1\n", 0o644)
	write("proc/sys/kernel/osrelease", "6.1\n", 0o644)
	write("proc/cpuinfo", "processor\t: 0\nmodel name\t: Some CPU\n", 0o644)
	p := New(filepath.Join(dir, "cache", "accel.json"))
	p.root, p.Limit = dir, time.Minute // a shell that is to say something may wait for a processor
	p.QEMU = write("qemu", "#!/bin/sh\necho run >> "+dir+"/runs\n"+script+"\n", 0o755)
	p.Device = write("kvm", "", 0o600)
	p.Kernels = []string{write("vmlinuz-6.1-cloud", "", 0o644)}
	return p
}

func (p *Prober) runs(t *testing.T) int {
	t.Helper()
	return strings.Count(p.read("runs"), "run")
}

func TestTheProbeAnswers(t *testing.T) {
	for _, tt := range []struct {
		name, script string
		change       func(*Prober)
		accel        Accel
		reason       string
	}{
		{name: "kernel reaches userspace", script: "echo booting; echo '" + marker + "'; exec sleep 60", accel: KVM, reason: "vmlinuz-6.1-cloud reached userspace under KVM"},
		{name: "kernel hangs", script: "echo 'Probing EDD'; exec sleep 60", change: func(p *Prober) { p.Limit = time.Second },
			accel: TCG, reason: "opens but a kernel did not reach userspace in 1 s"},
		{name: "QEMU refuses", script: "echo 'failed to initialize kvm'; exit 1", accel: TCG, reason: "QEMU gave up (failed to initialize kvm)"},
		{name: "no device", script: "exit 9", change: func(p *Prober) { p.Device += "x" }, accel: TCG, reason: "does not exist"},
		{name: "kernel has to be fetched", script: "echo '" + marker + "'", change: func(p *Prober) {
			kernel := p.Kernels[0]
			p.Kernels, p.Fetch = nil, func(context.Context) (string, error) { return kernel, nil }
		}, accel: KVM, reason: "reached userspace"},
		{name: "kernel cannot be fetched", script: "exit 9", change: func(p *Prober) {
			p.Kernels, p.Fetch = nil, func(context.Context) (string, error) { return "", errors.New("no network") }
		}, accel: TCG, reason: "no kernel to boot under it (no network)"},
		{name: "no kernel", script: "exit 9", change: func(p *Prober) { p.Kernels = nil }, accel: TCG, reason: "no kernel in /boot"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := fake(t, tt.script)
			if tt.change != nil {
				tt.change(p)
			}
			r, err := p.Probe(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if r.Accel != tt.accel || !strings.Contains(r.Reason, tt.reason) {
				t.Errorf("got %s because %q", r.Accel, r.Reason)
			}
		})
	}
}

func TestTheAnswerIsKeptUntilTheMachineChanges(t *testing.T) {
	p := fake(t, "echo '"+marker+"'")
	for range 2 {
		if r, err := p.Probe(context.Background()); err != nil || r.Accel != KVM {
			t.Fatal(r, err)
		}
	}
	if n := p.runs(t); n != 1 {
		t.Errorf("booted %d times, want once", n)
	}
	if err := os.WriteFile(filepath.Join(p.root, "proc/sys/kernel/random/boot_id"), []byte("boot-2"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Probe(context.Background()); err != nil {
		t.Fatal(err)
	}
	if n := p.runs(t); n != 2 {
		t.Errorf("booted %d times after a restart of the host, want twice", n)
	}
}

func TestABrokenStoredAnswerIsIgnored(t *testing.T) {
	p := fake(t, "echo '"+marker+"'")
	if err := os.MkdirAll(filepath.Dir(p.Cache), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.Cache, []byte(`{"accel":"warp"`), 0o644); err != nil {
		t.Fatal(err)
	}
	if r, err := p.Probe(context.Background()); err != nil || r.Accel != KVM {
		t.Fatal(r, err)
	}
}

func TestACancelledProbeIsNoAnswer(t *testing.T) {
	p := fake(t, "exec sleep 60")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if r, err := p.Probe(ctx); err == nil {
		t.Fatalf("got %+v, want an error", r)
	}
	if _, err := os.Stat(p.Cache); err == nil {
		t.Error("an answer was stored")
	}
}

func TestTheInitProgramIsAWellFormedExecutable(t *testing.T) {
	f, err := elf.NewFile(bytes.NewReader(initProgram()))
	if err != nil {
		t.Fatal(err)
	}
	if f.Type != elf.ET_EXEC || f.Machine != elf.EM_X86_64 || len(f.Progs) != 1 {
		t.Fatalf("got %v %v with %d segments", f.Type, f.Machine, len(f.Progs))
	}
	if p := f.Progs[0]; f.Entry < p.Vaddr || f.Entry >= p.Vaddr+p.Filesz {
		t.Errorf("entry %#x outside of the segment", f.Entry)
	}
}
