package virt

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/libvirt"
)

// lab is a hypervisor that is away until there is somebody to connect to.
type lab struct {
	*Leftovers
	h     *hypervisor
	back  chan struct{} // closed: libvirt answers
	state string
	of    Owner
}

func newLab(t *testing.T, xml string) *lab {
	t.Helper()
	dir := t.TempDir()
	b := &lab{h: &hypervisor{stored: xml}, back: make(chan struct{}), state: filepath.Join(dir, "state"), of: Owner{"qemu:///system", "m"}}
	b.Leftovers = &Leftovers{Dir: filepath.Join(dir, "left"), Log: slog.New(slog.DiscardHandler), Connect: b.connect}
	return b
}

func (b *lab) connect(ctx context.Context, uri string) (Conn, func(), error) {
	select {
	case <-b.back:
		if uri != b.of.URI {
			return nil, nil, errors.New("connected to " + uri)
		}
		return b.h, func() {}, nil
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

// bmc makes the machine of a BMC, as the daemon does.
func (b *lab) bmc(t *testing.T, of Owner) *Machine { return b.at(t, of, b.h) }

// at is bmc of a domain of another hypervisor.
func (b *lab) at(t *testing.T, of Owner, h *hypervisor) *Machine {
	t.Helper()
	if err := b.Adopt(b.state, of); err != nil {
		t.Fatal(err)
	}
	m, err := New(h, of, FileStore{b.state}, b.Log)
	if err != nil {
		t.Fatal(err)
	}
	m.LeaveTo(b.Leftovers)
	return m
}

func (b *lab) netboot(t *testing.T) *Machine {
	t.Helper()
	m := b.bmc(t, b.of)
	if err := m.SetOverride(t.Context(), domain.Override{Device: domain.PXE, Persistent: true}); err != nil {
		t.Fatal(err)
	}
	return m
}

// none: no file is left.
func (b *lab) none(t *testing.T) {
	t.Helper()
	left, err := os.ReadDir(b.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) || len(left) != 0 {
		t.Errorf("%v are left, %v", left, err)
	}
}

// TestDeletedBMC: libvirt is away, and the daemon is killed meanwhile.
func TestDeletedBMC(t *testing.T) {
	b := newLab(t, perDevice)
	b.netboot(t)
	done, err := b.Leave(b.state, Owner{})
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-done:
		t.Fatal("put back without libvirt")
	default:
	}
	if _, err := os.Lstat(b.state); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the state is still there: %v", err)
	}
	next := &Leftovers{Dir: b.Dir, Log: b.Log, Connect: b.connect}
	if err := next.Resume(); err != nil {
		t.Fatal(err)
	}
	b.end(b.file(b.of)) // of the killed one
	close(b.back)
	<-next.jobs[next.file(b.of)].done
	same(t, b.h.stored, perDevice)
	b.none(t)
}

// TestDeletedInAOneTimeStart: both orders are taken off, one upon the other.
func TestDeletedInAOneTimeStart(t *testing.T) {
	b := newLab(t, osStyle)
	m := b.netboot(t)
	doc, err := m.read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c, err := doc.Override(doc.Config(), domain.Disk)
	if err == nil {
		err = m.note(Change{Before: doc.Config(), Wrote: c, Start: true})
	}
	if err == nil {
		err = m.define(t.Context(), doc, c)
	}
	if err != nil {
		t.Fatal(err)
	}
	close(b.back)
	done, err := b.Leave(b.state, Owner{})
	if err != nil {
		t.Fatal(err)
	}
	<-done
	same(t, b.h.stored, osStyle)
	b.none(t)
}

// TestAnotherDomain: a BMC that gets another domain, by an edit or while the daemon was
// away, leaves the first as it was.
func TestAnotherDomain(t *testing.T) {
	b := newLab(t, osStyle)
	said := b.hear()
	b.netboot(t)
	close(b.back)
	m := b.bmc(t, Owner{b.of.URI, "other"})
	if o := m.Override(); o != (domain.Override{}) {
		t.Errorf("the other domain has %+v", o)
	}
	if !strings.Contains(said(), "override is not in force any more") {
		t.Errorf("the override went without a word: %s", said())
	}
	<-b.jobs[b.file(b.of)].done
	same(t, b.h.stored, osStyle)
	b.none(t)
}

// TestAddedAgain: the new BMC of a domain puts back what the old one could not.
func TestAddedAgain(t *testing.T) {
	b := newLab(t, osStyle)
	b.netboot(t)
	if _, err := b.Leave(b.state, Owner{}); err != nil {
		t.Fatal(err)
	}
	m := b.bmc(t, b.of)
	b.none(t)
	if o := m.Override(); o != (domain.Override{}) {
		t.Errorf("the new BMC has %+v", o)
	}
	if err := m.SetOverride(t.Context(), domain.Override{Device: domain.Disk, Persistent: true}); err != nil {
		t.Fatal(err)
	}
	if err := m.SetOverride(t.Context(), domain.Override{}); err != nil {
		t.Fatal(err)
	}
	same(t, b.h.stored, osStyle)
}

// TestNothingToPutBack: nobody is asked, and an edit that the user made is kept.
func TestNothingToPutBack(t *testing.T) {
	b := newLab(t, osStyle)
	for range 2 { // the second time there is no file
		done, err := b.Leave(b.state, b.of)
		if err != nil {
			t.Fatal(err)
		}
		<-done
	}
	m := b.netboot(t)
	if err := m.SetOverride(t.Context(), domain.Override{}); err != nil {
		t.Fatal(err)
	}
	if done, err := b.Leave(b.state, b.of); err != nil {
		t.Fatal(err)
	} else {
		<-done
	}
	if _, err := os.Lstat(b.state); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the state is still there: %v", err)
	}
	b.none(t)
}

// TestADomainThatIsGone needs nothing.
func TestADomainThatIsGone(t *testing.T) {
	b := newLab(t, osStyle)
	b.netboot(t)
	b.h.away = &libvirt.Error{Op: "look up", Code: libvirt.CodeNoDomain, Msg: "no domain"}
	close(b.back)
	done, err := b.Leave(b.state, b.of)
	if err != nil {
		t.Fatal(err)
	}
	<-done
	b.none(t)
}
