package netboot

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/ironic/driver"
)

const (
	uuidA = "1be26c0b-03f2-4d2e-ae87-c02d7f33c123"
	uuidB = "1be26c0b-03f2-4d2e-ae87-c02d7f33c124"
)

func open(t *testing.T, dir string) *Service {
	t.Helper()
	s, err := New(Config{Dir: dir, HTTPURL: "http://192.168.24.1:8088/"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func bootEntry(t *testing.T, uuid, mac string) driver.BootEntry {
	t.Helper()
	f := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(f, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	return driver.BootEntry{NodeUUID: uuid, MACs: []string{mac}, BootMode: "bios", Kernel: f, Ramdisk: f, Params: []string{"a=b"}, Purpose: "inspect"}
}

func TestEntriesOutliveTheService(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	s := open(t, dir)
	if err := s.Publish(ctx, bootEntry(t, uuidA, "52:54:00:AA:00:01")); err != nil {
		t.Fatal(err)
	}
	s.Reached(uuidA, driver.PhaseKernel)
	s.Reached(uuidA, driver.PhaseDHCP) // the ramdisk asks again
	s = open(t, dir)
	if e, ok := s.ByMAC("52:54:00:aa:00:01"); !ok || e.NodeUUID != uuidA || e.Params[0] != "a=b" {
		t.Errorf("after a restart: %+v %v", e, ok)
	}
	if p := s.Phase(uuidA); p != driver.PhaseKernel {
		t.Errorf("phase %q", p)
	}
	if err := s.Publish(ctx, bootEntry(t, uuidA, "52:54:00:aa:00:02")); err != nil {
		t.Fatal(err)
	}
	if _, ok := s.ByMAC("52:54:00:aa:00:01"); ok || s.Phase(uuidA) != driver.PhaseNone {
		t.Error("publishing again must replace MACs and start the phase anew")
	}
	for range 2 {
		if err := s.Remove(ctx, uuidA); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range []*Service{s, open(t, dir)} {
		if _, ok := s.ByMAC("52:54:00:aa:00:02"); ok {
			t.Error("still published after Remove")
		}
	}
}

func TestPublishRefusesWhatCannotBoot(t *testing.T) {
	ctx := context.Background()
	for name, c := range map[string]struct {
		change func(*driver.BootEntry)
		code   errs.Code
		says   string
	}{
		"no port":            {func(e *driver.BootEntry) { e.MACs = nil }, errs.Invalid, "no port"},
		"bad mac":            {func(e *driver.BootEntry) { e.MACs = []string{"x"} }, errs.Invalid, "not a MAC"},
		"missing kernel":     {func(e *driver.BootEntry) { e.Kernel = "/nowhere" }, errs.Invalid, "deploy kernel"},
		"uuid climbs":        {func(e *driver.BootEntry) { e.NodeUUID = "../../etc/x" }, errs.Invalid, "not a uuid"},
		"line in parameter":  {func(e *driver.BootEntry) { e.Params = []string{"a\nshell"} }, errs.Invalid, "control character"},
		"expansion":          {func(e *driver.BootEntry) { e.Params = []string{"a=${net0/mac}"} }, errs.Invalid, "${"},
		"mac of another one": {func(e *driver.BootEntry) { e.NodeUUID = uuidB }, errs.Conflict, uuidA},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir())
			e := bootEntry(t, uuidA, "52:54:00:aa:00:01")
			if err := s.Publish(ctx, e); err != nil {
				t.Fatal(err)
			}
			c.change(&e)
			err := s.Publish(ctx, e)
			if !errs.Is(err, c.code) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v", err)
			}
			if got, ok := s.ByMAC("52:54:00:aa:00:01"); !ok || got.NodeUUID != uuidA {
				t.Error("a refused entry changed what is published")
			}
		})
	}
}

func TestBrokenEntryFileStopsTheStart(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	if err := os.WriteFile(filepath.Join(dir, "entries", uuidA+".json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Config{Dir: dir, HTTPURL: "http://x"}); err == nil || !strings.Contains(err.Error(), uuidA) {
		t.Errorf("got %v", err)
	}
}

func TestFilesThatMachinesBootAreInUse(t *testing.T) {
	s := open(t, t.TempDir())
	e := bootEntry(t, uuidA, "52:54:00:aa:00:01")
	e.Ramdisk = bootEntry(t, uuidB, "52:54:00:aa:00:02").Ramdisk
	if s.Uses(e.Kernel) {
		t.Error("nobody boots it yet")
	}
	if err := s.Publish(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if !s.Uses(e.Kernel) || !s.Uses(e.Ramdisk) || s.Uses("/elsewhere") {
		t.Error("a kernel and a ramdisk are in use while a machine boots them")
	}
	if err := s.Remove(t.Context(), uuidA); err != nil {
		t.Fatal(err)
	}
	if s.Uses(e.Kernel) {
		t.Error("in use though no machine boots it")
	}
}

// With discovery on, a machine that nobody has published boots what Unknown says.
func TestUnknownMachinesBootWhatTheyAreGiven(t *testing.T) {
	s := open(t, t.TempDir())
	if _, ok := s.ByMAC("52:54:00:aa:00:09"); ok {
		t.Error("without discovery")
	}
	var asked []string
	s.cfg.Unknown = func(mac string) (driver.BootEntry, bool) {
		asked = append(asked, mac)
		return driver.BootEntry{Kernel: "/k", Ramdisk: "/r", Params: []string{"x=y"}}, mac != "52:54:00:aa:00:08"
	}
	if err := s.Publish(context.Background(), bootEntry(t, uuidA, "52:54:00:aa:00:01")); err != nil {
		t.Fatal(err)
	}
	if e, ok := s.ByMAC("52:54:00:aa:00:01"); !ok || e.NodeUUID != uuidA {
		t.Errorf("a published machine boots %+v", e)
	}
	if c, ok := s.lookup("52:54:00:aa:00:09"); !ok || c.NodeUUID != driver.UnknownNode {
		t.Errorf("dhcp: %+v %v", c, ok)
	}
	if e, ok := s.ByNode(driver.UnknownNode); !ok || e.Kernel != "/k" {
		t.Errorf("files: %+v %v", e, ok)
	}
	if _, ok := s.ByMAC("52:54:00:aa:00:08"); ok {
		t.Error("an address that Unknown refuses")
	}
	if got := strings.Join(asked, " "); got != "52:54:00:aa:00:09  52:54:00:aa:00:08" {
		t.Errorf("asked for %q", got)
	}
}
