package conductor_test

import (
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/ironic/conductor"
	"trefoil/ironic/driver"
	"trefoil/ironic/driver/fake"
)

func (w *world) row() *ironic.Node {
	w.t.Helper()
	n, err := w.db.Node(w.t.Context(), "control-1")
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func TestHardwareControlsReachTheMachine(t *testing.T) {
	w := newWorld(t, nil)
	n, ctx := w.node("manageable"), t.Context()
	w.ok(w.c.InjectNMI(ctx, "control-1"))
	w.ok(w.c.SetBootMode(ctx, "control-1", ironic.UEFI))
	w.ok(w.c.SetSecureBoot(ctx, "control-1", true))
	w.ok(w.c.AttachMedia(ctx, "control-1", api.Media{Device: "floppy", URL: "http://h/f"}))
	w.ok(w.c.AttachMedia(ctx, "control-1", api.Media{Device: "cdrom", URL: "http://h/old"}))
	w.ok(w.c.AttachMedia(ctx, "control-1", api.Media{Device: "cdrom", URL: "http://h/x.iso"}))
	w.ok(w.c.SetConsole(ctx, "control-1", true))
	if row := w.row(); row.BootMode != ironic.UEFI || row.SecureBoot == nil || !*row.SecureBoot || !row.ConsoleEnabled || row.LastError != "" || row.Reservation != "" {
		t.Errorf("boot mode %q, secure boot %v, console %t, error %q, held by %q", row.BootMode, row.SecureBoot, row.ConsoleEnabled, row.LastError, row.Reservation)
	}
	if got := w.drv.NMIs(n); got != 1 {
		t.Errorf("%d interrupts", got)
	}
	list, err := w.c.Media(ctx, "control-1")
	w.ok(err)
	if len(list) != 2 || list[0].URL != "http://h/x.iso" || list[1].Device != "floppy" {
		t.Errorf("media %v", list)
	}
	w.ok(w.c.DetachMedia(ctx, "control-1", []string{"floppy"}))
	if list, err := w.c.Media(ctx, "control-1"); err != nil || len(list) != 1 {
		t.Errorf("media %v %v", list, err)
	}
	w.ok(w.c.DetachMedia(ctx, "control-1", nil))
	if list, err := w.c.Media(ctx, "control-1"); err != nil || len(list) != 0 {
		t.Errorf("media %v %v", list, err)
	}
	if info, err := w.c.Console(ctx, "control-1"); err != nil || info == nil {
		t.Errorf("console %v %v", info, err)
	}
	w.ok(w.c.SetConsole(ctx, "control-1", false))
	if info, err := w.c.Console(ctx, "control-1"); err != nil || info != nil {
		t.Errorf("console that is off: %v %v", info, err)
	}
}

func TestWhatTheBMCRefusesStandsInLastError(t *testing.T) {
	w := newWorld(t, nil)
	w.node("manageable")
	w.drv.Fail = func(_, action string) error { return errs.New(errs.Unavailable, "%s: the BMC is asleep", action) }
	for want, f := range map[string]func() error{
		"Failed to change boot mode to 'bios': boot mode: the BMC is asleep": func() error { return w.c.SetBootMode(t.Context(), "control-1", ironic.BIOS) },
		"Failed to change secure_boot state to 'true': secure boot":          func() error { return w.c.SetSecureBoot(t.Context(), "control-1", true) },
		"Could not attach device cdrom: virtual media": func() error {
			return w.c.AttachMedia(t.Context(), "control-1", api.Media{Device: "cdrom", URL: "http://h/x"})
		},
		"Could not detach device(s) disk: virtual media": func() error { return w.c.DetachMedia(t.Context(), "control-1", []string{"disk"}) },
		"there is no object store here": func() error {
			return w.c.AttachMedia(t.Context(), "control-1", api.Media{Device: "cdrom", Source: "swift"})
		},
	} {
		w.ok(f())
		row := w.row()
		if !strings.Contains(row.LastError, want) {
			t.Errorf("last_error %q does not say %q", row.LastError, want)
		}
		if row.BootMode != "" || row.SecureBoot != nil {
			t.Errorf("what failed stands in the row: %q %v", row.BootMode, row.SecureBoot)
		}
	}
	if err := w.c.InjectNMI(t.Context(), "control-1"); !errs.Is(err, errs.Unavailable) {
		t.Errorf("an NMI that failed: %v", err)
	}
	w.ok(w.c.SetBootMode(t.Context(), "control-1", ironic.BIOS))
	w.drv.Fail = nil
	w.ok(w.c.SetBootMode(t.Context(), "control-1", ironic.UEFI))
	if row := w.row(); row.LastError != "" {
		t.Errorf("last_error stays after success: %q", row.LastError)
	}
}

// Why a deployment failed stays to be read while people look into it.
func TestAnOrderThatSucceedsLeavesWhatFailedBefore(t *testing.T) {
	w := newWorld(t, nil)
	w.node("deploy failed")
	w.set(func(n *ironic.Node) { n.LastError = "no disk matches the root device hints" })
	w.ok(w.c.SetBootMode(t.Context(), "control-1", ironic.UEFI))
	w.ok(w.c.AttachMedia(t.Context(), "control-1", api.Media{Device: "cdrom", URL: "http://h/x.iso"}))
	w.ok(w.c.DetachMedia(t.Context(), "control-1", nil))
	w.ok(w.c.SetConsole(t.Context(), "control-1", true))
	if row := w.row(); row.LastError != "no disk matches the root device hints" || row.BootMode != ironic.UEFI || !row.ConsoleEnabled {
		t.Errorf("last_error %q, boot mode %q, console %t", row.LastError, row.BootMode, row.ConsoleEnabled)
	}
}

// plain is a driver with power and boot device only.
type plain struct{ driver.Driver }

func TestADriverWithoutThePartAnswersAsIronics(t *testing.T) {
	w := newWorld(t, func(cfg *conductor.Config) {
		cfg.Drivers = map[string]driver.Driver{fake.Name: plain{cfg.Drivers[fake.Name]}}
	})
	w.node("manageable")
	ctx := t.Context()
	const words = "Driver fake-hardware does not support "
	for extension, err := range map[string]error{
		"inject_nmi": w.c.InjectNMI(ctx, "control-1"),
		"get_virtual_media": func() error {
			_, err := w.c.Media(ctx, "control-1")
			return err
		}(),
		"console": w.c.SetConsole(ctx, "control-1", true),
	} {
		if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), words+extension) {
			t.Errorf("%s: %v", extension, err)
		}
	}
	w.ok(w.c.AttachMedia(ctx, "control-1", api.Media{Device: "cdrom", URL: "http://h/x"}))
	if got := w.row().LastError; got != "Could not attach device cdrom: "+words+"attach_virtual_media (disabled or not implemented)." {
		t.Errorf("last_error %q", got)
	}
}

func TestAnInterfaceSwitchedOffSwitchesItsControlsOff(t *testing.T) {
	w := newWorld(t, nil)
	n := w.node("manageable")
	if _, err := w.db.UpdateNode(t.Context(), n.UUID, func(n *ironic.Node) error {
		n.Interfaces["console"], n.Interfaces["management"] = "no-console", "noop"
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := w.c.SetConsole(t.Context(), n.UUID, true); !errs.Is(err, errs.Invalid) {
		t.Errorf("no-console: %v", err)
	}
	if err := w.c.InjectNMI(t.Context(), n.UUID); !errs.Is(err, errs.Invalid) {
		t.Errorf("noop: %v", err)
	}
}

func TestAFaultyBMCTakesNoOrders(t *testing.T) {
	w := newWorld(t, nil)
	n := w.node("manageable")
	if _, err := w.db.UpdateNode(t.Context(), n.UUID, func(n *ironic.Node) error {
		n.Maintenance, n.Fault = true, "power failure"
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := w.c.DetachMedia(t.Context(), n.UUID, nil); !errs.Is(err, errs.Unavailable) {
		t.Errorf("power fault: %v", err)
	}
}

func TestFakeHardwareSupportsEverythingAsThePeers(t *testing.T) {
	w := newWorld(t, func(cfg *conductor.Config) { cfg.ResourceClass = "baremetal" })
	n := &ironic.Node{Driver: fake.Name}
	w.ok(w.c.CheckCreate(t.Context(), n))
	for _, kind := range []string{"bios", "console", "firmware", "raid", "rescue", "vendor", "deploy", "inspect"} {
		if n.Interfaces[kind] != "fake" {
			t.Errorf("%s_interface is %s", kind, n.Interfaces[kind])
		}
	}
	if n.ResourceClass != "baremetal" {
		t.Errorf("resource class %q", n.ResourceClass)
	}
	catalog := w.c.DriverInterfaces(fake.Name)
	if len(catalog["bios"]) != 2 || catalog["boot"][0] != "fake" || len(catalog["firmware"]) == 0 {
		t.Errorf("catalog %v", catalog)
	}
	if got := w.c.DriverInterfaces("abacus"); got != nil {
		t.Errorf("a driver that is not here has %v", got)
	}
}
