//go:build e2e

package lab

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Two small machines, one of each firmware, in a namespace that no other test uses.
const e2eLab = `name: trefoil-labtest
acceleration: tcg
machines:
  - {name: e2e-bios, memory: 512M, disks: [{size: 1G, expect: 1M}, {size: 1G, expect: 1M}], vbmc: {password: "e2e%secret"}}
  - {name: e2e-uefi, memory: 512M, disks: [{size: 1G, expect: 1M}], firmware: uefi}
`

// e2eManager makes labs below a directory of the test, with the vbmc of this tree.
func e2eManager(t *testing.T, root string) (*Manager, *Config) {
	t.Helper()
	m, err := New(root, func(line string) { t.Log(line) })
	if err != nil {
		t.Fatal(err)
	}
	c, err := Parse("e2e.yaml", []byte(e2eLab), "")
	if err != nil {
		t.Fatal(err)
	}
	return m, c
}

// buildVBMC puts this tree's vbmc on PATH: the one in TREFOIL_BIN, or a fresh one.
func buildVBMC(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test makes namespaces and machines: run it as root")
	}
	if dir := os.Getenv("TREFOIL_BIN"); dir != "" {
		t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
		return
	}
	dir := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", filepath.Join(dir, "vbmc"), "trefoil/cmd/vbmc").CombinedOutput(); err != nil {
		t.Fatalf("build vbmc: %v\n%s", err, out)
	}
	if err := os.Symlink("vbmc", filepath.Join(dir, "vbmcd")); err != nil { // as make build does
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

// noTrace fails for everything that a deleted lab could have left.
func noTrace(t *testing.T, root, inspection string) {
	t.Helper()
	for _, path := range []string{filepath.Join(root, "trefoil-labtest"), filepath.Join(namespaceDir, "trefoil-labtest"), inspection} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s is left", path)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mounts), root) {
		t.Errorf("something is mounted:\n%s", mounts)
	}
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dirs {
		line, _ := os.ReadFile(filepath.Join(d, "cmdline")) // a process may end meanwhile
		env, _ := os.ReadFile(filepath.Join(d, "environ"))
		if filepath.Base(d) == strconv.Itoa(os.Getpid()) {
			continue
		}
		if text := string(line) + string(env); strings.Contains(text, "guest=e2e-") || strings.Contains(text, root) {
			t.Errorf("process %s is left: %s", d, strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
}

// run runs a command inside the lab.
func run(t *testing.T, m *Manager, args ...string) string {
	t.Helper()
	argv, env, err := m.Command("trefoil-labtest", args)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestALabFromCreateToDelete(t *testing.T) {
	buildVBMC(t)
	root := t.TempDir()
	inspection := filepath.Join(t.TempDir(), "inspection.json")
	m, c := e2eManager(t, root)
	ctx := context.Background()
	t.Cleanup(func() { _ = m.Delete(context.Background(), c.Name) }) // where the test stops early
	begin := time.Now()
	s, err := m.Create(ctx, c, inspection)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("created in %s", time.Since(begin).Round(10*time.Millisecond))

	var nodes struct{ Nodes []map[string]any }
	b, err := os.ReadFile(inspection)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &nodes); err != nil || len(nodes.Nodes) != 2 {
		t.Fatalf("node file: %v\n%s", err, b)
	}
	for i, n := range nodes.Nodes {
		powerCycle(t, m, s.Machines[i].Name, n)
	}
	if again, err := m.Create(ctx, c, inspection); err != nil || again.Libvirtd != s.Libvirtd || again.VBMCD != s.VBMCD {
		t.Errorf("a second create changed something: %v", err)
	}
	begin = time.Now()
	if err := m.Delete(ctx, c.Name); err != nil {
		t.Fatal(err)
	}
	t.Logf("deleted in %s", time.Since(begin).Round(10*time.Millisecond))
	noTrace(t, root, inspection)
}

// powerCycle switches a machine on through IPMI as the node file says, sees it
// run in libvirt and boot its firmware, and switches it off unless it is the last.
func powerCycle(t *testing.T, m *Manager, name string, n map[string]any) {
	t.Helper()
	ipmi := func(args ...string) string {
		t.Setenv("IPMI_PASSWORD", n["pm_password"].(string)) // -E: not for the process list
		return run(t, m, append([]string{"ipmitool", "-I", "lanplus", "-H", n["pm_addr"].(string), "-p", n["pm_port"].(string),
			"-U", n["pm_user"].(string), "-E"}, args...)...)
	}
	if out := ipmi("power", "status"); !strings.Contains(out, "is off") {
		t.Errorf("%s at first: %s", name, out)
	}
	ipmi("power", "on")
	if out := run(t, m, "virsh", "domstate", name); !strings.Contains(out, "running") {
		t.Errorf("%s after power on: %s", name, out)
	}
	st, err := m.Show(context.Background(), "trefoil-labtest")
	if err != nil || st.Power[name] != "running" || st.VBMC[name] != "running" {
		t.Errorf("%s shows as power %s, vBMC %s (%v)", name, st.Power[name], st.VBMC[name], err)
	}
	await(t, name+"'s firmware on the console", func() bool {
		b, _ := os.ReadFile(st.ConsoleLog(name))
		return strings.Contains(string(b), "iPXE")
	})
	if name == "e2e-bios" { // the other one runs while the lab is deleted
		ipmi("power", "off")
		if out := run(t, m, "virsh", "domstate", name); !strings.Contains(out, "shut off") {
			t.Errorf("%s after power off: %s", name, out)
		}
	}
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(90 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if done() {
			return
		}
	}
	t.Errorf("%s did not come in 90 s", what)
}

// TestCreateRevivesALab does to a lab what a restart of the host does: processes
// and namespace go, files stay. Create brings it back with its disks.
func TestCreateRevivesALab(t *testing.T) {
	buildVBMC(t)
	root := t.TempDir()
	m, c := e2eManager(t, root)
	ctx := context.Background()
	t.Cleanup(func() { _ = m.Delete(context.Background(), c.Name) })
	s, err := m.Create(ctx, c, "")
	if err != nil {
		t.Fatal(err)
	}
	run(t, m, "virsh", "start", "e2e-bios")
	disk := filepath.Join(s.imageDir(), "e2e-bios.qcow2")
	before, err := os.Stat(disk)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stop(ctx, func() ([]Process, error) { return processesIn(s.namespacePath()) }, patience); err != nil {
		t.Fatal(err)
	}
	if err := m.removeNetwork(ctx, s); err != nil {
		t.Fatal(err)
	}
	if got := s.Condition(); got != Stopped {
		t.Errorf("condition %s", got)
	}
	if _, err := m.Create(ctx, c, ""); err != nil {
		t.Fatal(err)
	}
	st, err := m.Show(ctx, c.Name)
	if err != nil || st.Condition() != Ready || st.Power["e2e-bios"] != "shut off" || st.VBMC["e2e-bios"] != "running" {
		t.Errorf("revived: %+v, %v", st, err)
	}
	if after, err := os.Stat(disk); err != nil || !os.SameFile(before, after) {
		t.Errorf("the disk was made anew: %v", err)
	}
	run(t, m, "virsh", "start", "e2e-bios")
	if err := m.Delete(ctx, c.Name); err != nil {
		t.Fatal(err)
	}
	noTrace(t, root, filepath.Join(root, "none"))
}

// TestCreateGoesOnAfterAKill kills create at several moments; the next create
// finishes the lab, and delete leaves no trace.
func TestCreateGoesOnAfterAKill(t *testing.T) {
	buildVBMC(t)
	for _, after := range []time.Duration{20, 60, 150, 400, 1000, 2000} {
		root := t.TempDir()
		m, c := e2eManager(t, root)
		t.Cleanup(func() { _ = m.Delete(context.Background(), c.Name) })
		cmd := exec.Command(os.Args[0], "-test.run=^TestHelperCreate$")
		cmd.Env = append(os.Environ(), "TREFOIL_E2E_ROOT="+root)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(after * time.Millisecond)
		_ = cmd.Process.Kill() // it may have finished
		_ = cmd.Wait()
		if _, err := m.Create(context.Background(), c, ""); err != nil {
			t.Errorf("create after a kill at %d ms: %v", after, err)
		}
		if st, err := m.Show(context.Background(), c.Name); err != nil || st.Phase != Ready || st.VBMC["e2e-uefi"] != "running" || st.Power["e2e-uefi"] != "shut off" {
			t.Errorf("after a kill at %d ms: %+v, %v", after, st, err)
		}
		if err := m.Delete(context.Background(), c.Name); err != nil {
			t.Errorf("delete: %v", err)
		}
		noTrace(t, root, filepath.Join(root, "none"))
	}
}

// TestHelperCreate is the program that TestCreateGoesOnAfterAKill kills.
func TestHelperCreate(t *testing.T) {
	root := os.Getenv("TREFOIL_E2E_ROOT")
	if root == "" {
		return
	}
	m, c := e2eManager(t, root)
	if _, err := m.Create(context.Background(), c, ""); err != nil {
		t.Fatal(err)
	}
}
