package lab

import (
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/overcloud/lab/probe"
)

func TestFit(t *testing.T) {
	for _, tt := range []struct {
		name   string
		memory Size
		accel  probe.Accel
		want   map[string]int // MiB
	}{
		{"a 24 GiB host gives everything", 23 * gib, probe.TCG, map[string]int{"control-1": 5120, "compute-1": 2048, "storage-1": 1536}},
		{"a 16 GiB host gives all the same share", 14 * gib, probe.TCG, map[string]int{"control-1": 4736, "compute-1": 1664, "storage-1": 1152}},
		{"KVM needs no translated code", 12 * gib, probe.KVM, map[string]int{"control-1": 4736, "compute-1": 1664, "storage-1": 1152}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := example(t)
			got, err := Fit(c, Host{CPUs: 2, MemoryTotal: 24 * gib, MemoryAvailable: tt.memory, DiskFree: 100 * gib}, tt.accel)
			if err != nil {
				t.Fatal(err)
			}
			var sum Size
			for _, m := range got {
				sum += m.RAM + m.TBCache + qemuMemory
				if w, ok := tt.want[m.Name]; ok && m.RAM.MiB() != w {
					t.Errorf("%s got %d MiB, want %d", m.Name, m.RAM.MiB(), w)
				}
				if m.RAM < m.Memory.Min || m.RAM > m.Memory.Want {
					t.Errorf("%s got %s, outside of %s to %s", m.Name, m.RAM, m.Memory.Min, m.Memory.Want)
				}
			}
			if sum > tt.memory-hostMemory {
				t.Errorf("%s given out of %s", about(sum), about(tt.memory))
			}
		})
	}
}

func TestTooLittleIsSaidWithNumbers(t *testing.T) {
	c := example(t)
	_, err := Fit(c, Host{CPUs: 2, MemoryTotal: 8 * gib, MemoryAvailable: 6 * gib, DiskFree: 100 * gib}, probe.TCG)
	if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "6.0 GiB available of 8.0 GiB, 13.3 GiB needed at the least (machines 9.5 GiB") {
		t.Errorf("memory: %v", err)
	}
	if h := errs.HintOf(err); !strings.Contains(h, "7.3 GiB more") || !strings.Contains(h, "control-1 4608M") {
		t.Errorf("hint: %s", h)
	}
	_, err = Fit(c, Host{CPUs: 2, MemoryTotal: 64 * gib, MemoryAvailable: 60 * gib, DiskFree: 10 * gib}, probe.TCG)
	if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "10.0 GiB free, 24.5 GiB needed") {
		t.Errorf("disk: %v", err)
	}
}

func TestVCPUsStayWithinTheHosts(t *testing.T) {
	c := example(t) // five machines
	c.Machines[0].VCPUs = 8
	for _, tt := range []struct {
		host, want int
		accel      probe.Accel
	}{{2, 2, probe.KVM}, {64, 8, probe.KVM}, {2, 1, probe.TCG}, {5, 1, probe.TCG}, {6, 2, probe.TCG}, {16, 4, probe.TCG}, {64, 8, probe.TCG}} {
		got, err := Fit(c, Host{CPUs: tt.host, MemoryAvailable: 60 * gib, DiskFree: 100 * gib}, tt.accel)
		if err != nil || got[0].VCPUs != tt.want || (got[0].TBCache == 0) != (tt.accel == probe.KVM) {
			t.Errorf("%v on %d processors: got %d vCPUs, %s translation cache, %v", tt.accel, tt.host, got[0].VCPUs, got[0].TBCache, err)
		}
	}
	if c.Machines[0].VCPUs != 8 {
		t.Error("the description was changed")
	}
}

func TestFewerVCPUsAreSaidInALine(t *testing.T) {
	c := example(t)
	c.Machines[1].VCPUs, c.Machines[2].VCPUs = 1, 4 // the others two
	for _, tt := range []struct {
		host  int
		accel probe.Accel
		want  string
	}{
		{2, probe.TCG, "emulated: 1 of 2 vCPU for control-1, compute-1, compute-2; 1 of 4 vCPU for storage-2 (emulated machines share the host's processors)"},
		{3, probe.KVM, "kvm: 3 of 4 vCPU for storage-2 (the host has no more processors)"},
		{20, probe.TCG, ""},
	} {
		got, err := Fit(c, Host{CPUs: tt.host, MemoryAvailable: 60 * gib, DiskFree: 100 * gib}, tt.accel)
		if err != nil {
			t.Fatal(err)
		}
		s := &State{Config: *c, Machines: got, Acceleration: probe.Result{Accel: tt.accel}}
		if s.Cut() != tt.want {
			t.Errorf("%v on %d: got %q", tt.accel, tt.host, s.Cut())
		}
		var said []string
		(&Manager{Say: func(line string) { said = append(said, line) }}).sayMachines(s)
		if last := said[len(said)-1]; tt.want != "" && last != "  "+tt.want || tt.want == "" && len(said) != len(got) {
			t.Errorf("%v on %d: said %q", tt.accel, tt.host, said)
		}
	}
}

func TestParseMeminfo(t *testing.T) {
	total, available := parseMeminfo("MemTotal:       24684416 kB\nMemFree:  1 kB\nMemAvailable:   24301000 kB\nHugePages_Total:       0\nbroken\n")
	if total.MiB() != 24105 || available.MiB() != 23731 {
		t.Errorf("got %d and %d MiB", total.MiB(), available.MiB())
	}
}
