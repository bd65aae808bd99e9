package lab

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"trefoil/internal/errs"
	"trefoil/overcloud/lab/probe"
	"trefoil/vbmc/libvirt"
)

// programs is a Runner that notes what it was asked to run.
type programs struct {
	calls []string
	fail  string // the call that holds this text fails
	out   map[string]string
}

func (p *programs) Run(_ context.Context, _ []string, name string, args ...string) (string, error) {
	call := name + " " + strings.Join(args, " ")
	p.calls = append(p.calls, call)
	if p.fail != "" && strings.Contains(call, p.fail) {
		return "", errors.New("no")
	}
	if name == "qemu-img" {
		return "", os.WriteFile(args[len(args)-2], nil, 0o600)
	}
	return p.out[call], nil
}

// domains is a libvirt in memory.
type domains map[string]string

func (d domains) Domains(context.Context) ([]libvirt.Domain, error) {
	var out []libvirt.Domain
	for _, n := range slices.Sorted(maps.Keys(d)) {
		out = append(out, libvirt.Domain{Name: n})
	}
	return out, nil
}

func (d domains) DomainXML(_ context.Context, name string, _ libvirt.XMLFlags) (string, error) {
	return d[name], nil
}

func (d domains) DefineDomain(_ context.Context, text string) (libvirt.Domain, error) {
	_, rest, _ := strings.Cut(text, "<name>")
	name, _, _ := strings.Cut(rest, "<")
	d[name] = text
	return libvirt.Domain{Name: name}, nil
}

func (d domains) DestroyDomain(context.Context, string) error {
	return &libvirt.Error{Code: libvirt.CodeOperationInvalid}
}

func (d domains) UndefineDomain(_ context.Context, name string, _ libvirt.UndefineFlags) error {
	delete(d, name)
	return nil
}

func (domains) Close() error { return nil }

// onTheHost is a planned lab without a namespace, and its Manager with fakes.
func onTheHost(t *testing.T) (*Manager, *State, *programs, domains) {
	t.Helper()
	c := example(t)
	c.Namespace = NoNamespace
	run, virt := &programs{out: map[string]string{}}, domains{}
	root := t.TempDir()
	for _, dir := range []string{root, filepath.Dir(root)} {
		if err := os.Chmod(dir, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	m := &Manager{
		Root: root, Run: run, Now: time.Now,
		Dial: func(context.Context, string) (hypervisor, error) { return virt, nil },
		Host: func(string) (Host, error) {
			return Host{CPUs: 2, MemoryTotal: 24 * gib, MemoryAvailable: 23 * gib, DiskFree: 100 * gib}, nil
		},
	}
	c.Acceleration = string(probe.TCG)
	for i := range c.Machines {
		c.Machines[i].VBMC.Port = 0 // whatever runs on the test's host, one is free
	}
	s, err := m.begin(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return m, s, run, virt
}

func TestDisksAreMadeOnce(t *testing.T) {
	m, s, run, _ := onTheHost(t)
	run.calls, run.fail = nil, "storage-2.qcow2"
	if err := m.makeDisks(context.Background(), s); err == nil || !strings.Contains(err.Error(), "make disk vda of storage-2") {
		t.Fatalf("got %v", err)
	}
	if len(run.calls) != 4 || run.calls[0] != "qemu-img create -q -f qcow2 "+s.dir+"/images/control-1.qcow2.new 64424509440" {
		t.Errorf("calls %q", run.calls)
	}
	run.calls, run.fail = nil, ""
	if err := m.makeDisks(context.Background(), s); err != nil {
		t.Fatal(err)
	}
	if len(run.calls) != 4 { // storage-2's two disks and the computes'
		t.Errorf("the second time: %q", run.calls)
	}
	files, err := filepath.Glob(s.dir + "/images/*")
	if err != nil || len(files) != 7 || slices.ContainsFunc(files, func(f string) bool { return strings.HasSuffix(f, ".new") }) {
		t.Errorf("files %q", files)
	}
}

func TestDisksThatQEMUCannotReachAreRefused(t *testing.T) {
	m, s, _, _ := onTheHost(t)
	if err := os.Chmod(s.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := m.makeDisks(context.Background(), s); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), s.dir+" has mode 0700") {
		t.Errorf("got %v", err)
	}
}

func TestOtherPeoplesDomainsStay(t *testing.T) {
	m, s, _, virt := onTheHost(t)
	ctx := context.Background()
	const theirs = "<domain><name>dns-server</name></domain>"
	virt["dns-server"] = theirs
	if err := m.defineMachines(ctx, s); err != nil {
		t.Fatal(err)
	}
	if len(virt) != 6 || ownerOf(virt["control-1"]).lab != "trefoil" {
		t.Errorf("domains %v", slices.Collect(maps.Keys(virt)))
	}
	if err := m.removeMachines(ctx, s); err != nil {
		t.Fatal(err)
	}
	if len(virt) != 1 || virt["dns-server"] != theirs {
		t.Errorf("left: %v", slices.Collect(maps.Keys(virt)))
	}
	virt["compute-1"] = "<domain><name>compute-1</name></domain>"
	if err := m.defineMachines(ctx, s); !errs.Is(err, errs.Conflict) {
		t.Errorf("a domain of somebody else: %v", err)
	}
}

// TestAWholeLabKeepsItsBootDevices: a virtual BMC keeps a persistent boot device in
// the domain; making the lab again must not take it away behind the BMC's back.
func TestAWholeLabKeepsItsBootDevices(t *testing.T) {
	m, s, _, virt := onTheHost(t)
	ctx := context.Background()
	if err := m.defineMachines(ctx, s); err != nil {
		t.Fatal(err)
	}
	const order, set = `<boot dev="network"></boot>`, `<boot dev="hd"></boot><!-- set by the BMC -->`
	for name, text := range virt {
		if virt[name] = strings.Replace(text, order, set, 1); virt[name] == text {
			t.Fatalf("no %s in %s", order, text)
		}
	}
	delete(virt, "compute-2") // gone: it alone is made again
	s.Machines[0].VCPUs++     // described otherwise by this program: redefined
	if err := m.defineMachines(ctx, s); err != nil {
		t.Fatal(err)
	}
	for i, x := range s.Machines {
		again := i == 0 || x.Name == "compute-2"
		if kept := strings.Contains(virt[x.Name], set); virt[x.Name] == "" || kept == again {
			t.Errorf("%s: kept %v; expected %v", x.Name, kept, !again)
		}
	}
	// A lab of an earlier version has no hash in its domains.
	virt["storage-1"] = strings.Replace(virt["storage-1"], "made=", "was=", 1)
	if err := m.defineMachines(ctx, s); err != nil || strings.Contains(virt["storage-1"], set) {
		t.Errorf("a domain without hash was not redefined: %v", err)
	}
}

func TestNothingIsMadeWhenANameIsTaken(t *testing.T) {
	m, _, run, virt := onTheHost(t)
	ctx := context.Background()
	other := example(t)
	other.Name, other.Namespace, other.Acceleration = "second", NoNamespace, "tcg"
	for i := range other.Machines {
		other.Machines[i].VBMC.Port = 0
	}
	t.Run("domain", func(t *testing.T) {
		virt["control-1"] = "<domain><name>control-1</name></domain>"
		defer delete(virt, "control-1")
		if _, err := m.begin(ctx, other); !errs.Is(err, errs.Conflict) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("network", func(t *testing.T) {
		run.out["ip -4 -o address show"] = "2: ens1    inet 192.168.0.1/16 brd 192.168.255.255 scope global ens1\n"
		if _, err := m.begin(ctx, other); !errs.Is(err, errs.Conflict) || !strings.Contains(err.Error(), "overlaps with 192.168.0.1/16 on ens1") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("vBMC port", func(t *testing.T) {
		run.out = nil
		conn, err := net.ListenPacket("udp4", ":0")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		taken := *other
		taken.Machines = slices.Clone(other.Machines)
		taken.Machines[4].VBMC.Port = conn.LocalAddr().(*net.UDPAddr).Port
		if _, err := m.begin(ctx, &taken); !errs.Is(err, errs.Conflict) || !strings.Contains(err.Error(), "of compute-2 is taken") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("memory", func(t *testing.T) {
		run.out = nil
		m.Host = func(string) (Host, error) { return Host{CPUs: 1, MemoryAvailable: gib, DiskFree: 100 * gib}, nil }
		if _, err := m.begin(ctx, other); !errs.Is(err, errs.Invalid) {
			t.Errorf("got %v", err)
		}
	})
	if _, err := os.Stat(filepath.Join(m.Root, "second")); err == nil {
		t.Error("a directory was made")
	}
}

func TestALabWithAnotherDescriptionIsRefused(t *testing.T) {
	m, s, _, _ := onTheHost(t)
	same := s.Config
	if again, err := m.begin(context.Background(), &same); err != nil || again.Created != s.Created {
		t.Errorf("the same description: %v", err)
	}
	other := *example(t)
	other.Acceleration = "kvm"
	if _, err := m.begin(context.Background(), &other); !errs.Is(err, errs.Conflict) {
		t.Errorf("another description: %v", err)
	}
	s.Phase = Deleting
	if err := s.save(); err != nil {
		t.Fatal(err)
	}
	if _, err := m.begin(context.Background(), &same); !errs.Is(err, errs.Conflict) || !strings.Contains(errs.HintOf(err), "lab delete trefoil") {
		t.Errorf("half deleted: %v", err)
	}
}

func TestTheStateIsPrivate(t *testing.T) {
	_, s, _, _ := onTheHost(t)
	st, err := os.Stat(s.path("lab.json")) // holds the BMCs' passwords
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	if err := configureVBMC(s); err != nil {
		t.Fatal(err)
	}
	st, err = os.Stat(s.path("vbmc/control-1/config"))
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
}

func TestWhichVBMCDaemonIsStarted(t *testing.T) {
	dir := t.TempDir()
	vbmc := filepath.Join(dir, "vbmc")
	if got := strings.Join(daemonCommand(vbmc), " "); got != vbmc+" daemon --foreground" {
		t.Errorf("ours: %s", got)
	}
	if err := os.WriteFile(filepath.Join(dir, "vbmcd"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(daemonCommand(vbmc), " "); got != vbmc+"d --foreground" {
		t.Errorf("virtualbmc's: %s", got)
	}
}

func TestADaemonThatEndsIsToldAtOnce(t *testing.T) {
	m, s, run, _ := onTheHost(t)
	run.fail = "vbmc --no-daemon list"
	start := m.Now()
	calls := 0
	m.Now = func() time.Time { calls++; return start.Add(time.Duration(calls) * time.Second) }
	if err := m.awaitVBMC(context.Background(), s, "vbmc"); err == nil || !strings.Contains(err.Error(), "it ended (output: "+s.path("vbmc/vbmcd.out")) {
		t.Errorf("got %v", err)
	}
}

func TestListOfLabs(t *testing.T) {
	m, s, _, _ := onTheHost(t)
	if err := os.Mkdir(filepath.Join(m.Root, "not-a-lab"), 0o755); err != nil {
		t.Fatal(err)
	}
	all, err := m.List(context.Background())
	if err != nil || len(all) != 1 || all[0].Config.Name != "trefoil" || all[0].Condition() != Creating {
		t.Errorf("got %d labs, %v", len(all), err)
	}
	s.Phase, s.Config.Namespace = Ready, "trefoil-nowhere"
	if got := s.Condition(); got != Stopped {
		t.Errorf("without its namespace the lab is %s", got)
	}
	none := &Manager{Root: filepath.Join(m.Root, "none")}
	if all, err := none.List(context.Background()); err != nil || len(all) != 0 {
		t.Errorf("no directory: %v, %v", all, err)
	}
}

func TestTwoCommandsAtOnceAreRefused(t *testing.T) {
	m := &Manager{Root: t.TempDir()}
	unlock, err := m.lock()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.lock(); !errs.Is(err, errs.Locked) {
		t.Errorf("got %v", err)
	}
	unlock()
	if unlock, err = m.lock(); err != nil {
		t.Fatal(err)
	}
	unlock()
}

func TestDeleteKeepsANodeFileThatWasChanged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "inspection.json")
	sum := sha256.Sum256([]byte("ours"))
	s := &State{Inspection: path, InspectionHash: hex.EncodeToString(sum[:])}
	for text, stays := range map[string]bool{"edited": true, "ours": false} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := removeInspection(s); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path); (err == nil) != stays {
			t.Errorf("%s: stays %v", text, err == nil)
		}
	}
	if err := removeInspection(s); err != nil {
		t.Errorf("gone already: %v", err)
	}
}

func TestDeleteOfAnUnknownLab(t *testing.T) {
	m := &Manager{Root: t.TempDir()}
	if err := m.Delete(context.Background(), "nope"); !errs.Is(err, errs.NotFound) {
		t.Errorf("got %v", err)
	}
	if err := m.Delete(context.Background(), "../../etc"); !errs.Is(err, errs.Invalid) {
		t.Errorf("got %v", err)
	}
}

// Killed between two of its steps, `ip netns add` leaves a file that no program can enter.
func TestANamespaceThatIsHalfMadeIsMadeAnew(t *testing.T) {
	half := filepath.Join(t.TempDir(), "half")
	if err := os.WriteFile(half, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		for path, want := range map[string][]string{
			half:                       {"delete", "add"},
			half + "-not-there":        {"add"},
			"/proc/thread-self/ns/net": nil,
		} {
			m, s, run, _ := onTheHost(t)
			name, err := filepath.Rel(namespaceDir, path)
			if err != nil {
				t.Fatal(err)
			}
			s.Config.Namespace, run.calls = name, nil
			if err := m.makeNamespace(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, call := range run.calls {
				got = append(got, strings.Fields(call)[2])
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: ip netns %q, want %q", path, got, want)
			}
		}
	})
}
