//go:build e2e

package virt

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/domain/bootxml"
	"trefoil/vbmc/domain/domaintest"
	"trefoil/vbmc/libvirt"
	"trefoil/vbmc/vbmctest"
)

// TestContractOnLibvirt runs the conformance suite on real QEMU domains.
func TestContractOnLibvirt(t *testing.T) {
	l := vbmctest.StartLibvirtd(t)
	conn := open(t, l)
	n := 0
	for _, perDevice := range []bool{false, true} {
		t.Run(fmt.Sprintf("per device %v", perDevice), func(t *testing.T) {
			domaintest.Run(t, func(t *testing.T) domaintest.Subject {
				n++
				name := fmt.Sprintf("subject-%d", n)
				osBoot := "<boot dev='cdrom'/><boot dev='hd'/>"
				if perDevice {
					osBoot = ""
				}
				l.Define(t, name, osBoot, perDevice)
				if _, err := conn.Refresh(t.Context(), name); err != nil {
					t.Fatal(err)
				}
				before := stored(t, conn, name)
				m := machine(t, conn, name)
				t.Cleanup(func() {
					ctx := context.Background()
					if err := m.SetOverride(ctx, domain.Override{}); err != nil {
						t.Error(err)
					}
					if after := stored(t, conn, name); after != before {
						t.Errorf("the definition changed:\n%s\nwas\n%s", after, before)
					}
				})
				return domaintest.Subject{Machine: m, LastBoot: func(t *testing.T) domain.Device { return liveBoot(t, conn, name) }}
			})
		})
	}
}

func open(t *testing.T, l *vbmctest.Libvirtd) *libvirt.Conn {
	t.Helper()
	conn, err := libvirt.Open(l.URI, libvirt.WithTimeouts(3*time.Second, 60*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	ready(t, conn)
	return conn
}

func ready(t *testing.T, conn *libvirt.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := conn.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
}

func machine(t *testing.T, conn *libvirt.Conn, name string) *Machine {
	t.Helper()
	m, err := New(conn, Owner{Domain: name}, FileStore{filepath.Join(t.TempDir(), "state.json")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func stored(t *testing.T, conn *libvirt.Conn, name string) string {
	t.Helper()
	xml, err := conn.DomainXML(context.Background(), name, editable)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(xml, "keepme") {
		t.Errorf("the VNC password is lost:\n%s", xml)
	}
	return xml
}

// liveBoot tells what the running process was started to boot from; the CD drive is the
// order of its own.
func liveBoot(t *testing.T, conn *libvirt.Conn, name string) domain.Device {
	t.Helper()
	xml, err := conn.DomainXML(context.Background(), name, libvirt.XMLLive)
	if err != nil {
		t.Fatal(err)
	}
	d, err := bootxml.Parse(xml)
	if err != nil {
		t.Fatal(err)
	}
	c := d.Config()
	if len(c.OS) > 0 {
		return map[string]domain.Device{"network": domain.PXE, "hd": domain.Disk}[c.OS[0]]
	}
	for key, n := range c.Orders {
		if n == 1 {
			return map[string]domain.Device{"interface:52:54:00:12:34:56": domain.PXE, "disk:vda": domain.Disk}[key]
		}
	}
	return domain.None
}

// TestLibvirtdGoesAndComes: the power state is unknown while libvirtd is away and
// true again afterwards, also when the domain ended meanwhile.
func TestLibvirtdGoesAndComes(t *testing.T) {
	ctx := context.Background()
	l := vbmctest.StartLibvirtd(t)
	l.Define(t, "m", "<boot dev='hd'/>", false)
	conn := open(t, l)
	changed := changes(conn)
	m := machine(t, conn, "m")
	if err := m.On(ctx); err != nil {
		t.Fatal(err)
	}
	l.Stop()
	await(t, changed, func() bool { _, err := m.Power(); return errors.Is(err, domain.ErrUnavailable) })
	if err := m.Off(ctx); !errors.Is(err, domain.ErrUnavailable) {
		t.Errorf("off while libvirtd is away: %v", err)
	}
	l.Start(t)
	ready(t, conn)
	if on, err := m.Power(); err != nil || !on {
		t.Fatalf("after the restart: on %v, %v", on, err)
	}
	if err := m.Off(ctx); err != nil {
		t.Fatal(err)
	}
	if on, err := m.Power(); err != nil || on {
		t.Fatalf("after off: on %v, %v", on, err)
	}
}

// TestEventsOfOthers: what virsh does shows without asking.
func TestEventsOfOthers(t *testing.T) {
	ctx := context.Background()
	l := vbmctest.StartLibvirtd(t)
	l.Define(t, "m", "<boot dev='hd'/>", false)
	conn := open(t, l)
	changed := changes(conn)
	m := machine(t, conn, "m")
	other, err := libvirt.Dial(ctx, l.URI)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for _, on := range []bool{true, false} {
		if on {
			err = other.CreateDomain(ctx, "m")
		} else {
			err = other.DestroyDomain(ctx, "m")
		}
		if err != nil {
			t.Fatal(err)
		}
		await(t, changed, func() bool { got, err := m.Power(); return err == nil && got == on })
	}
}

// changes tells that there were events, which may have been many.
func changes(conn *libvirt.Conn) <-chan struct{} {
	changed := make(chan struct{}, 1)
	conn.OnEvent(func(libvirt.Event) {
		select {
		case changed <- struct{}{}:
		default:
		}
	})
	return changed
}

// await waits for a condition that events bring about.
func await(t *testing.T, changed <-chan struct{}, cond func() bool) {
	t.Helper()
	limit := time.After(30 * time.Second)
	for !cond() {
		select {
		case <-changed:
		case <-limit:
			t.Fatal("condition did not come true")
		}
	}
}
