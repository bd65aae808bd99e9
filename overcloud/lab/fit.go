package lab

import (
	"fmt"
	"strings"

	"trefoil/internal/errs"
	"trefoil/overcloud/lab/probe"
)

// Host is what the computer has to give.
type Host struct {
	CPUs            int
	MemoryTotal     Size
	MemoryAvailable Size // without swapping, as the kernel estimates it
	DiskFree        Size // where the lab's disks will lie
}

// What is kept back or comes on top of a machine's own memory and disk.
const (
	hostMemory   = 1 * gib   // for the host, the undercloud and the daemons
	qemuMemory   = 160 * mib // QEMU itself, firmware, page tables
	hostDisk     = 2 * gib
	memoryStep   = 64 * mib
	smallTBCache = 256 * mib
	largeTBCache = 1024 * mib
	largeMachine = 3 * gib
)

// Sized is a machine with the sizes it really gets.
type Sized struct {
	Machine
	RAM     Size `json:"ram"`
	TBCache Size `json:"tb_cache"` // translation cache under emulation; 0 under KVM
}

// tbCache is the room for translated code. QEMU would take up to 1 GiB each,
// which five machines cannot have on a small host.
func tbCache(m *Machine, accel probe.Accel) Size {
	switch {
	case accel == probe.KVM:
		return 0
	case m.Memory.Want >= largeMachine:
		return largeTBCache
	}
	return smallTBCache
}

// Fit chooses each machine's memory between its minimum and what it wants: all
// give up the same share of that difference. It fails, with the numbers, when
// even the minimums or the disks do not fit. vCPUs are cut to what processors allows.
func Fit(c *Config, h Host, accel probe.Accel) ([]Sized, error) {
	var want, least, on, disk Size
	for i := range c.Machines {
		m := &c.Machines[i]
		want += m.Memory.Want
		least += m.Memory.Min
		on += qemuMemory + tbCache(m, accel)
		for _, d := range m.Disks {
			disk += d.Expect
		}
	}
	if need := disk + hostDisk; h.DiskFree < need {
		return nil, errs.New(errs.Invalid, "not enough disk for lab %q: %s free, %s needed (%s that the machines are expected to write, %s for the host)",
			c.Name, about(h.DiskFree), about(need), about(disk), about(hostDisk)).
			WithHint("free %s, put the lab elsewhere (TREFOIL_LAB_DIR), or lower disks.expect or the number of machines", about(need-h.DiskFree))
	}
	room := h.MemoryAvailable - hostMemory - on
	if room < least {
		return nil, tooLittle(c, h, least, on, accel)
	}
	out := make([]Sized, 0, len(c.Machines))
	for _, m := range c.Machines {
		ram := m.Memory.Want
		if room < want {
			share := float64(room-least) / float64(want-least)
			ram = m.Memory.Min + Size(share*float64(m.Memory.Want-m.Memory.Min))
			ram = max(ram/memoryStep*memoryStep, m.Memory.Min)
		}
		m.VCPUs = min(m.VCPUs, processors(len(c.Machines), h, accel))
		out = append(out, Sized{Machine: m, RAM: ram, TBCache: tbCache(&m, accel)})
	}
	return out, nil
}

// processors is how many vCPUs a machine of a lab may have: more than the host's would only
// wait for each other. Emulated machines share the host's: what their processors do to stay
// in step costs a quarter of the work of each, and all of it where one alone would do.
func processors(machines int, h Host, accel probe.Accel) int {
	if accel == probe.TCG {
		return max((h.CPUs+machines-1)/machines, 1)
	}
	return max(h.CPUs, 1)
}

// Cut tells machines that have fewer vCPUs than their description asks for, and why, in one
// line: "emulated: 1 of 2 vCPU for control-1, compute-1"; "" is none.
func (s *State) Cut() string {
	var kinds []string
	names := map[string][]string{}
	for i, x := range s.Machines {
		if want := s.Config.Machines[i].VCPUs; x.VCPUs < want {
			kind := fmt.Sprintf("%d of %d vCPU", x.VCPUs, want)
			if names[kind] = append(names[kind], x.Name); len(names[kind]) == 1 {
				kinds = append(kinds, kind)
			}
		}
	}
	for i, kind := range kinds {
		kinds[i] = kind + " for " + strings.Join(names[kind], ", ")
	}
	switch {
	case len(kinds) == 0:
		return ""
	case s.Acceleration.Accel == probe.TCG:
		return "emulated: " + strings.Join(kinds, "; ") + " (emulated machines share the host's processors)"
	}
	return string(s.Acceleration.Accel) + ": " + strings.Join(kinds, "; ") + " (the host has no more processors)"
}

func tooLittle(c *Config, h Host, least, on Size, accel probe.Accel) error {
	need := least + on + hostMemory
	why := "QEMU"
	if accel == probe.TCG {
		why = "QEMU and its translated code"
	}
	e := errs.New(errs.Invalid, "not enough memory for lab %q: %s available of %s, %s needed at the least (machines %s, %s %s, host and undercloud %s)",
		c.Name, about(h.MemoryAvailable), about(h.MemoryTotal), about(need), about(least), why, about(on), about(hostMemory))
	return e.WithHint("stop what uses memory until %s more are available, or lower memory.min or the number of machines (%s)",
		about(need-h.MemoryAvailable), minimums(c))
}

func minimums(c *Config) string {
	var parts []string
	for _, m := range c.Machines {
		parts = append(parts, m.Name+" "+m.Memory.Min.String())
	}
	return strings.Join(parts, ", ")
}

// about prints a size for a person: 11.4 GiB.
func about(s Size) string { return fmt.Sprintf("%.1f GiB", float64(s)/float64(gib)) }
