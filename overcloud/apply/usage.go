package apply

import (
	"os"
	"strconv"
	"strings"

	"trefoil/overcloud/resource"
)

// tick is how long the clock of /proc/stat takes for one, in milliseconds: USER_HZ is 100
// on all machines that Go runs on.
const tick = 10

// usage is what the machine has used since its boot: user and system time of all its
// processors, and the memory in use now. nil where the kernel does not tell: no step fails
// for a figure.
func (e *Engine) usage() *resource.Usage {
	boot, err := os.ReadFile(e.path("proc/sys/kernel/random/boot_id"))
	if err != nil {
		return nil
	}
	stat, err := os.ReadFile(e.path("proc/stat"))
	if err != nil {
		return nil
	}
	ticks, ok := busyTicks(string(stat))
	if !ok {
		return nil
	}
	memory, _ := os.ReadFile(e.path("proc/meminfo"))
	return &resource.Usage{Boot: strings.TrimSpace(string(boot)), CPUMS: ticks * tick, MemoryMiB: memoryInUse(string(memory))}
}

// busyTicks adds up the first line of /proc/stat, proc(5): user, nice, system, irq and
// softirq. Time of guests is in user already; steal is what others had.
func busyTicks(stat string) (sum int64, ok bool) {
	line, _, _ := strings.Cut(stat, "\n")
	f := strings.Fields(line)
	if len(f) < 8 || f[0] != "cpu" {
		return 0, false
	}
	for _, i := range []int{1, 2, 3, 6, 7} {
		n, err := strconv.ParseInt(f[i], 10, 64)
		if err != nil {
			return 0, false
		}
		sum += n
	}
	return sum, true
}

// memoryInUse is the memory that is not available to programs, of /proc/meminfo, in MiB; 0:
// not told.
func memoryInUse(info string) int64 {
	kib := map[string]int64{}
	for line := range strings.Lines(info) {
		if f := strings.Fields(line); len(f) > 1 {
			kib[f[0]], _ = strconv.ParseInt(f[1], 10, 64)
		}
	}
	if kib["MemAvailable:"] == 0 {
		return 0
	}
	return max(0, kib["MemTotal:"]-kib["MemAvailable:"]) / 1024
}
