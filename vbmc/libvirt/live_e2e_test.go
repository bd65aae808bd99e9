//go:build e2e

package libvirt_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"trefoil/vbmc/libvirt"
	"trefoil/vbmc/vbmctest"
)

const testDomain = `<domain type='qemu'><name>%NAME%</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type><boot dev='hd'/></os>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator></devices></domain>`

func TestLifeOfADomain(t *testing.T) {
	ctx := context.Background()
	c, err := libvirt.Dial(ctx, vbmctest.StartLibvirtd(t).URI)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const name = "trefoil-life"
	if err := c.CreateDomain(ctx, name); !libvirt.IsNoDomain(err) {
		t.Fatalf("start of an unknown domain: %v, want no domain", err)
	}
	if _, err := c.DefineDomain(ctx, strings.ReplaceAll(testDomain, "%NAME%", name)); err != nil {
		t.Fatal(err)
	}
	defer c.UndefineDomain(ctx, name, 0)
	if err := c.DestroyDomain(ctx, name); !libvirt.IsInvalidOperation(err) {
		t.Fatalf("destroy of a stopped domain: %v, want invalid operation", err)
	}
	if err := c.CreateDomain(ctx, name); err != nil {
		t.Fatal(err)
	}
	defer c.DestroyDomain(ctx, name)
	all, err := c.Domains(ctx)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, d := range all {
		found = found || d.Name == name && d.State == libvirt.StateRunning
	}
	if !found {
		t.Fatalf("%v does not show %s running", all, name)
	}
	if err := c.CreateDomain(ctx, name); !libvirt.IsInvalidOperation(err) {
		t.Fatalf("second start: %v, want invalid operation", err)
	}
	if err := c.DestroyDomain(ctx, name); err != nil {
		t.Fatal(err)
	}
	d, err := c.LookupDomain(ctx, name)
	if err != nil || d.State != libvirt.StateShutoff {
		t.Fatalf("after destroy: %v, %v", d, err)
	}
	if _, err := c.OpenConsole(ctx, name, "serial0", libvirt.ConsoleForce); !libvirt.IsInvalidOperation(err) {
		t.Fatalf("console of a stopped domain: %v, want invalid operation", err)
	}
	c.Close()
	if _, err := c.Domains(ctx); !errors.Is(err, libvirt.ErrClosed) {
		t.Fatalf("after close: %v", err)
	}
}
