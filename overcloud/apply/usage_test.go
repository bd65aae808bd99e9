package apply

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"trefoil/internal/golden"
	"trefoil/overcloud/resource"
)

// kernel makes the node's kernel tell of so many ticks that its processors were busy, beside
// much more that they were not: idle, waiting for disks, stolen; and of 4096 MiB of memory.
func (n *node) kernel(busy, freeMiB int64) {
	n.put("proc/sys/kernel/random/boot_id", "3c9a-the-first-boot\n")
	n.put("proc/stat", fmt.Sprintf("cpu  %d 20 30 90000 80000 40 10 70000 500 0\ncpu0 1 1 1 1 1 1 1 1 1 1\nintr 12345\n", busy-100))
	n.put("proc/meminfo", fmt.Sprintf("MemTotal:        4194304 kB\nMemFree:          100 kB\nMemAvailable:    %d kB\n", freeMiB*1024))
}

// wire is what the program prints of a step, as the undercloud reads it, without the times.
func (n *node) wire() string {
	var b strings.Builder
	for _, e := range n.events {
		e.MS = 0
		line, err := json.Marshal(e)
		if err != nil {
			n.t.Fatal(err)
		}
		b.Write(append(line, '\n'))
	}
	return b.String()
}

// TestWhatAStepCostsTheMachine tells of the machine's counters as the step begins, while it
// waits, as it fails and as it ends, and not at all where the step stands.
func TestWhatAStepCostsTheMachine(t *testing.T) {
	n := newNode(t)
	n.Now = func() time.Time { n.now = n.now.Add(3 * time.Second); return n.now }
	n.sys.units["web.service"], n.sys.broken["web.service"] = "inactive", true
	n.kernel(1000, 3000)
	looks := int64(0)
	n.sys.probe = func(resource.Wait) error {
		if looks++; looks < 4 {
			n.kernel(1250+250*looks, 2000-100*looks)
			return errors.New("connection refused")
		}
		return nil
	}
	n.sys.onRun = func(args []string) {
		if args[0] == "systemctl" && args[1] == "start" {
			n.kernel(1250, 2000)
		}
	}
	rs := []resource.Resource{fileRes("/etc/web.conf", "a"), unitRes("web", "file:/etc/web.conf"),
		{Type: "wait", Wait: &resource.Wait{Name: "web", TCP: "127.0.0.1:80", Timeout: 3000}}}
	var out strings.Builder
	run := func(title string) {
		_, _ = n.apply(rs...)
		fmt.Fprintf(&out, "# %s\n%s\n", title, n.wire())
	}
	run("A unit does not start")
	n.sys.broken = nil
	run("It does, and is waited for")
	n.kernel(9000, 1000)
	run("Nothing has changed since: what the machine did meanwhile is not the step's")
	golden.Check(t, "usage.txt", out.String())
}

// TestAKernelThatDoesNotTellFailsNoStep: there is no figure then, and no event that an
// undercloud could take for one.
func TestAKernelThatDoesNotTellFailsNoStep(t *testing.T) {
	for name, stat := range map[string]string{"empty": "", "short": "cpu 1 2 3\n", "no numbers": "cpu a b c d e f g h\n", "other": "intr 1 2 3 4 5 6 7 8\n"} {
		n := newNode(t)
		n.kernel(1000, 100)
		n.put("proc/stat", stat)
		n.must("changed file:/etc/x\ndone", fileRes("/etc/x", "a"))
		if got := n.wire(); strings.Contains(got, "usage") {
			t.Errorf("%s: %s", name, got)
		}
	}
	n := newNode(t)
	n.kernel(1000, 100)
	n.put("proc/meminfo", "MemTotal: 5 kB\n")
	if u := n.usage(); u == nil || u.CPUMS != 10000 || u.MemoryMiB != 0 {
		t.Errorf("without memory: %+v", u)
	}
}
