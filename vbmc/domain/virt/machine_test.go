package virt

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/domain/bootxml"
	"trefoil/vbmc/domain/domaintest"
	"trefoil/vbmc/libvirt"
)

const perDevice = `<domain><name>m</name><os><type>hvm</type></os><devices>
  <disk device='disk'><target dev='vda'/>
    <boot order='2'/>
  </disk>
  <disk device='cdrom'><target dev='sda'/>
    <boot order='1'/>
  </disk>
  <interface><mac address='52:54:00:00:00:01'/>
  </interface>
</devices></domain>`

const osStyle = `<domain><name>m</name><os><type>hvm</type><boot dev='cdrom'/><boot dev='hd'/></os><devices>
  <disk device='disk'><target dev='vda'/></disk>
  <disk device='cdrom'><target dev='sda'/></disk>
  <interface><mac address='52:54:00:00:00:01'/></interface>
</devices></domain>`

// uefi is osStyle with the firmware that remembers boot entries of its own.
var uefi = strings.Replace(osStyle, "<type>hvm</type>", `<type machine='pc-q35-7.2'>hvm</type>
  <loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>
  <nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'>/var/lib/libvirt/qemu/nvram/m_VARS.fd</nvram>
  `, 1)

func newMachine(t *testing.T, h *hypervisor, dir string) *Machine {
	t.Helper()
	m, err := New(h, Owner{"qemu:///system", "m"}, FileStore{filepath.Join(dir, "state")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	h.observe = m.Observe
	return m
}

func TestContract(t *testing.T) {
	for name, xml := range map[string]string{"per device": perDevice, "os": osStyle, "uefi": uefi} {
		for _, denied := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, monitor denied %v", name, denied), func(t *testing.T) {
				lively := func(t *testing.T) domaintest.Lively { return subject(t, &hypervisor{stored: xml, denied: denied}) }
				domaintest.Run(t, func(t *testing.T) domaintest.Subject { return lively(t).Subject })
				domaintest.RunLively(t, lively)
			})
		}
	}
}

func subject(t *testing.T, h *hypervisor) domaintest.Lively {
	m := newMachine(t, h, t.TempDir())
	work := func() {
		if err := m.Repair(t.Context()); err != nil {
			t.Error(err)
		}
	}
	return domaintest.Lively{
		Subject: domaintest.Subject{Machine: m, LastBoot: func(*testing.T) domain.Device { return h.booted }},
		GuestReboot: func(*testing.T) {
			if h.reset() {
				work()
			}
		},
		StartByOther: func(t *testing.T) {
			if err := h.CreateDomain(t.Context(), "m"); err != nil {
				t.Fatal(err)
			}
			if m.Observe(libvirt.Event{Kind: libvirt.EventStarted, Domain: h.domain()}) {
				work()
			}
		},
	}
}

func same(t *testing.T, got, want string) {
	t.Helper()
	norm := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	if norm(strings.ReplaceAll(got, "><", "> <")) != norm(strings.ReplaceAll(want, "><", "> <")) {
		t.Errorf("stored definition:\n%s\nwant\n%s", got, want)
	}
}

// TestNothingElseChanges: after every kind of override the definition is the user's again.
func TestNothingElseChanges(t *testing.T) {
	ctx := context.Background()
	for _, xml := range []string{perDevice, osStyle, uefi} {
		h := &hypervisor{stored: xml}
		m := newMachine(t, h, t.TempDir())
		for _, o := range []domain.Override{{Device: domain.PXE}, {Device: domain.Disk, Persistent: true}, {Device: domain.PXE, Persistent: true}, {}} {
			if err := m.SetOverride(ctx, o); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(m.On(ctx), m.Off(ctx)); err != nil {
				t.Fatal(err)
			}
		}
		same(t, h.stored, xml)
	}
}

// TestCrashBetween: the daemon dies after the temporary order was stored; the next
// one puts the order back before it does anything else.
func TestCrashBetween(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	h := &hypervisor{stored: perDevice}
	m := newMachine(t, h, dir)
	if err := m.SetOverride(ctx, domain.Override{Device: domain.PXE}); err != nil {
		t.Fatal(err)
	}
	gone := &libvirt.UnavailableError{URI: "test", Op: "start", Err: libvirt.ErrTimeout}
	h.createFails = cut{h, gone}.err()
	if err := m.On(ctx); !errors.Is(err, domain.ErrUnavailable) {
		t.Fatalf("start: %v, want unavailable", err)
	}
	same(t, h.stored, perDevice) // the connection was there: repaired at once
	h.createFails = nil

	// Now a real crash: state and definition as they are between define and create.
	s, err := FileStore{filepath.Join(dir, "state")}.Load()
	if err != nil || s.Once == nil {
		t.Fatalf("the override is lost after a failed start: %+v, %v", s, err)
	}
	doc, _ := bootxml.Parse(h.stored)
	wrote, _ := doc.Override(doc.Config(), domain.PXE)
	s.Undo = []Change{{Before: doc.Config(), Wrote: wrote, Start: true}}
	h.stored, _ = doc.Apply(wrote)
	if err := (FileStore{filepath.Join(dir, "state")}).Save(s); err != nil {
		t.Fatal(err)
	}
	m = newMachine(t, h, dir)
	if err := m.Repair(ctx); err != nil {
		t.Fatal(err)
	}
	same(t, h.stored, perDevice)
	if err := m.On(ctx); err != nil {
		t.Fatal(err)
	}
	if h.booted != domain.PXE {
		t.Errorf("the override was not used after the crash")
	}
	same(t, h.stored, perDevice)
}

// Killed behind the start, before the override was noted as used: it is not used again.
func TestCrashBehindTheStart(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	h := &hypervisor{stored: perDevice}
	m := newMachine(t, h, dir)
	if err := m.SetOverride(ctx, domain.Override{Device: domain.PXE}); err != nil {
		t.Fatal(err)
	}
	store := FileStore{filepath.Join(dir, "state")}
	s, err := store.Load()
	if err != nil {
		t.Fatal(err)
	}
	if err := m.On(ctx); err != nil {
		t.Fatal(err)
	}
	doc, _ := bootxml.Parse(h.stored)
	wrote, _ := doc.Override(doc.Config(), domain.PXE)
	s.Undo = []Change{{Before: doc.Config(), Wrote: wrote, Start: true}}
	h.stored, _ = doc.Apply(wrote)
	if err := store.Save(s); err != nil {
		t.Fatal(err)
	}
	m = newMachine(t, h, dir)
	if err := m.Repair(ctx); err != nil {
		t.Fatal(err)
	}
	same(t, h.stored, perDevice)
	if o := m.Override(); o.Device != domain.None {
		t.Errorf("the override is still pending: %+v", o)
	}
	if err := errors.Join(m.Off(ctx), m.On(ctx)); err != nil {
		t.Fatal(err)
	}
	if h.booted == domain.PXE {
		t.Error("the override was used twice")
	}
}

// cut stands for a start whose answer is lost.
type cut struct {
	h   *hypervisor
	why error
}

func (c cut) err() error { return c.why }

// TestUserEditIsKept: an order that the user made while an override was in force
// is not overwritten.
func TestUserEditIsKept(t *testing.T) {
	ctx := context.Background()
	h := &hypervisor{stored: osStyle}
	m := newMachine(t, h, t.TempDir())
	if err := m.SetOverride(ctx, domain.Override{Device: domain.PXE, Persistent: true}); err != nil {
		t.Fatal(err)
	}
	edited := strings.Replace(osStyle, "<boot dev='cdrom'/><boot dev='hd'/>", "<boot dev='hd'/>", 1)
	h.stored = edited
	if err := m.SetOverride(ctx, domain.Override{}); err != nil {
		t.Fatal(err)
	}
	same(t, h.stored, edited)
}

// TestAwait: a domain that was defined a moment ago is known when its BMC has started.
func TestAwait(t *testing.T) {
	h := &hypervisor{stored: osStyle, untold: true}
	m := newMachine(t, h, t.TempDir())
	if u, err := m.UUID(); err == nil {
		t.Errorf("before: %x", u)
	}
	if err := m.Await(t.Context()); err != nil {
		t.Fatal(err)
	}
	if u, err := m.UUID(); err != nil || u != h.domain().UUID {
		t.Errorf("after: %x, %v", u, err)
	}
	h.away = &libvirt.UnavailableError{URI: "test", Op: "x", Err: libvirt.ErrTimeout}
	if err := m.Await(t.Context()); !errors.Is(err, domain.ErrUnavailable) {
		t.Errorf("away: %v", err)
	}
}

// TestAwayIsNotOff: while libvirt is away there is no power state.
func TestAwayIsNotOff(t *testing.T) {
	h := &hypervisor{stored: osStyle, away: &libvirt.UnavailableError{URI: "test", Op: "x", Err: libvirt.ErrTimeout}}
	m := newMachine(t, h, t.TempDir())
	if _, err := m.Power(); !errors.Is(err, domain.ErrUnavailable) {
		t.Errorf("power: %v", err)
	}
	if err := m.SetOverride(context.Background(), domain.Override{Device: domain.PXE}); !errors.Is(err, domain.ErrUnavailable) {
		t.Errorf("set: %v", err)
	}
}

// TestOverrideThatChangesNothing defines nothing: every define is a risk.
func TestOverrideThatChangesNothing(t *testing.T) {
	ctx := context.Background()
	h := &hypervisor{stored: osStyle}
	m := newMachine(t, h, t.TempDir())
	for range 2 {
		if err := m.SetOverride(ctx, domain.Override{Device: domain.CDROM, Persistent: true}); err != nil {
			t.Fatal(err)
		}
	}
	if h.defines != 0 {
		t.Errorf("%d defines for an order that was there already", h.defines)
	}
}
