//go:build bench

package bench

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A run is four processes: the one that a user starts builds the ramdisk; init
// is the first process in network, process and mount namespaces of its own; its
// child measures; and the peer's BMC is the child of that, so that server and
// client share no process on either side; so do many BMCs of ours. A plan of templates is made in a process
// of its own, too, so that its memory can be told.
const (
	roleEnv = "TREFOIL_BENCH_ROLE" // "", or one of the roles
	bootEnv = "TREFOIL_BENCH_BOOT" // directory with kernel and initramfs
	partEnv = "TREFOIL_BENCH_PART" // the one part that is measured; empty: all but those that install a peer

	roleInit   = "init"
	roleInside = "inside"
	rolePeer   = "peer"
	rolePlan   = "plan"
)

func TestMain(m *testing.M) {
	switch os.Getenv(roleEnv) {
	case roleInside:
		os.Exit(m.Run())
	case roleInit:
		end("namespace", initProcess())
	case rolePeer:
		end("peer's BMCs", serveMany(peerBMC))
	case roleBMCs:
		end("BMCs", serveBMCs())
	case roleVbmcd:
		end("vBMC daemon", serveVbmcd())
	case rolePlan:
		end("plan", makePlan())
	case roleEmpty:
		end("empty handler", serveEmpty())
	default:
		end("bench", outside())
	}
}

func end(what string, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "FAIL: %s: %v\n", what, err)
		os.Exit(1)
	}
}

// again is this program in another role.
func again(role string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], os.Args[1:]...)
	cmd.Env = append(os.Environ(), roleEnv+"="+role)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

func outside() error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("machines and network namespaces need root: run it as root or with sudo")
	}
	dir, err := os.MkdirTemp("", "trefoil-bench-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if part := os.Getenv(partEnv); part == "" || part == "machine" {
		say("ramdisk: Debian's kernel and bin/ironic-agent")
		if err := buildRamdisk(dir); err != nil {
			return err
		}
	}
	cmd := again(roleInit)
	cmd.Env = append(cmd.Env, bootEnv+"="+dir)
	cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWNS
	return cmd.Run()
}

// initProcess runs the measuring child and takes leave of every orphan:
// libvirtd waits until the machines that it killed are gone altogether.
func initProcess() error {
	if err := settle(); err != nil {
		return err
	}
	cmd := again(roleInside)
	if err := cmd.Start(); err != nil {
		return err
	}
	for {
		var st syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &st, 0, nil)
		switch {
		case err != nil && err != syscall.EINTR:
			return fmt.Errorf("wait for the measuring process: %w", err)
		case pid == cmd.Process.Pid && st.ExitStatus() != 0:
			return fmt.Errorf("the measuring process ended with status %d", st.ExitStatus())
		case pid == cmd.Process.Pid:
			return nil
		}
	}
}

// settle makes the namespaces usable: loopback, /proc of our processes, a /tmp
// that ends with us. Whatever was started here ends with us, too.
func settle() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if err := unix.Mount("tmpfs", "/tmp", "tmpfs", 0, "mode=1777"); err != nil {
		return fmt.Errorf("mount /tmp: %w", err)
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find loopback: %w", err)
	}
	return netlink.LinkSetUp(lo)
}

// TestBench measures everything, one thing after another, and prints the table of what could be measured.
func TestBench(t *testing.T) {
	began := time.Now()
	var rows []Row
	for _, part := range []struct {
		name string
		run  func(*testing.T) []Row
	}{{"bmc", benchBMC}, {"bmcs", benchManyBMCs}, {"nodes", benchNodes}, {"ironic", benchIronic}, {"plan", benchPlan}, {"templates", benchTemplates},
		{"image", benchImage}, {"machine", benchMachine}} {
		if wanted := os.Getenv(partEnv); wanted != part.name && (wanted != "" || part.name == "ironic") {
			continue
		}
		t.Run(part.name, func(t *testing.T) { rows = append(rows, part.run(t)...) }) // what failed does not take the other rows with it
	}
	fmt.Printf("\nmeasured in %.0f s; load average now %s\n", time.Since(began).Seconds(), load())
	must(t, Print(os.Stdout, rows))
}

// say tells what is being measured and what is waited for.
func say(format string, args ...any) {
	fmt.Printf("%s bench: %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}

func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Fields(string(b))[0]
}

// rounds measures each function in turns, so that both sides meet the same
// load, and returns the median of each.
func rounds(n int, measure ...func() float64) []float64 {
	got := make([][]float64, len(measure))
	for range n {
		for i, f := range measure {
			got[i] = append(got[i], f())
		}
	}
	out := make([]float64, len(measure))
	for i, g := range got {
		slices.Sort(g)
		out[i] = g[len(g)/2]
	}
	return out
}

// perSecond runs f again and again for about d and returns runs per second.
func perSecond(d time.Duration, f func()) float64 {
	began := time.Now()
	n := 0
	for time.Since(began) < d {
		f()
		n++
	}
	return float64(n) / time.Since(began).Seconds()
}

// took is the seconds that f takes.
func took(f func()) float64 {
	began := time.Now()
	f()
	return time.Since(began).Seconds()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func shell(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}
