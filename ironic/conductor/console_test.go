package conductor_test

import (
	"context"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/conductor"
	"trefoil/ironic/driver/ipmi"
	"trefoil/vbmc/ipmi/ipmiclient"
	"trefoil/vbmc/ipmi/wire"

	vbmc "trefoil/vbmc/ipmi"
)

// withConsoles is withIPMI with serial consoles on loopback.
func withConsoles(cfg *conductor.Config) {
	withIPMI(cfg)
	cfg.Drivers[ipmi.Name].(*ipmi.Driver).Consoles = &ipmi.Consoles{Address: netip.MustParseAddr("127.0.0.1"), Ports: []ipmi.PortRange{{First: 20000, Last: 39999}},
		Line: func(ctx context.Context, of ipmi.LineOf) (ipmi.Line, error) {
			l, err := ipmiclient.OpenLine(ctx, of.Addr, ipmiclient.Options{Username: of.User, Password: of.Password, Timeout: 5 * time.Second}, wire.Suite17())
			if err != nil {
				return nil, err
			}
			return l, nil
		}}
}

// address is where the node's console is.
func (w *world) address() string {
	w.t.Helper()
	info, err := w.c.Console(w.t.Context(), "control-1")
	if err != nil || info["type"] != "socat" {
		w.t.Fatalf("console %v, %v", info, err)
	}
	return strings.TrimPrefix(info["url"].(string), "tcp://")
}

func TestTheSerialConsoleOfABMC(t *testing.T) {
	w := newWorld(t, withConsoles)
	m := virtualBMC(t, w, vbmc.Config{})
	w.set(func(n *ironic.Node) { n.Interfaces["console"] = "ipmitool-socat" })
	w.ok(m.On(t.Context()))
	w.ok(w.c.SetConsole(t.Context(), "control-1", true))
	if row := w.row(); !row.ConsoleEnabled || row.LastError != "" {
		t.Fatalf("console %t, last_error %q", row.ConsoleEnabled, row.LastError)
	}
	sees := func(text string) {
		t.Helper()
		conn, err := net.Dial("tcp", w.address())
		w.ok(err)
		defer conn.Close()
		for !m.Print(text) {
			runtime.Gosched()
		}
		var got strings.Builder
		for buf := make([]byte, 100); !strings.Contains(got.String(), text); {
			n, err := conn.Read(buf)
			got.Write(buf[:n])
			if err != nil {
				t.Fatalf("%q, %v", got.String(), err)
			}
		}
	}
	sees("before")
	w.stop()
	w.start()
	for w.row().Reservation != "" || !opened(w) { // it is opened beside the start
		runtime.Gosched()
	}
	sees("after")
	addr := w.address()
	w.ok(w.c.DeleteNode(t.Context(), "control-1"))
	if conn, err := net.Dial("tcp", addr); err == nil {
		conn.Close()
		t.Error("a node that is gone has a console")
	}
}

func opened(w *world) bool {
	_, err := w.c.Console(context.Background(), "control-1")
	return err == nil
}

func TestAConsoleThatABMCRefuses(t *testing.T) {
	w := newWorld(t, withConsoles)
	virtualBMC(t, w, vbmc.Config{Console: vbmc.ConsoleOff})
	if err := w.c.SetConsole(t.Context(), "control-1", true); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "does not support console") {
		t.Errorf("no-console, which is the default: %v", err)
	}
	if info, err := w.c.Console(t.Context(), "control-1"); info != nil || err != nil {
		t.Errorf("no-console is shown as %v, %v", info, err)
	}
	w.set(func(n *ironic.Node) { n.Interfaces["console"] = "ipmitool-socat" })
	w.ok(w.c.SetConsole(t.Context(), "control-1", true))
	if row := w.row(); row.ConsoleEnabled || !strings.HasPrefix(row.LastError, "Error enabling or disabling the console (enabled: true): Serial over LAN of the BMC ") || !strings.Contains(row.LastError, "no console") {
		t.Errorf("console %t, last_error %q", row.ConsoleEnabled, row.LastError)
	}
	w.set(func(n *ironic.Node) { n.DriverInfo["ipmi_terminal_port"] = "tty" })
	if err := w.c.SetConsole(t.Context(), "control-1", true); !errs.Is(err, errs.Invalid) {
		t.Errorf("a port that is none: %v", err)
	}
	rows, err := w.c.Validate(t.Context(), "control-1")
	if err != nil || rows["console"].Result || !strings.Contains(rows["console"].Reason, "ipmi_terminal_port") {
		t.Errorf("validation %+v, %v", rows["console"], err)
	}
}

// One whose port is gone when the service comes back is disabled, and last_error says why.
func TestAConsoleThatCannotBeStartedAgain(t *testing.T) {
	w := newWorld(t, withConsoles)
	m := virtualBMC(t, w, vbmc.Config{})
	w.set(func(n *ironic.Node) { n.Interfaces["console"] = "ipmitool-socat" })
	w.ok(m.On(t.Context()))
	w.ok(w.c.SetConsole(t.Context(), "control-1", true))
	other, err := net.Listen("tcp", "127.0.0.1:0")
	w.ok(err)
	defer other.Close()
	w.set(func(n *ironic.Node) { n.DriverInfo["ipmi_terminal_port"] = float64(other.Addr().(*net.TCPAddr).Port) })
	w.stop()
	w.start()
	for w.row().ConsoleEnabled {
		runtime.Gosched()
	}
	if row := w.row(); !strings.HasPrefix(row.LastError, "The console could not be started again with the service and is disabled: open ipmi_terminal_port") || !strings.Contains(w.history(), row.LastError) {
		t.Errorf("last_error %q", row.LastError)
	}
}

// The console of an instance is not for those who watch its machine afterwards; the next instance has it again.
func TestTheConsoleGoesWithTheInstance(t *testing.T) {
	w := newWorld(t, nil)
	n := w.node("active")
	other := &ironic.Node{UUID: "00000000-0000-4000-8000-000000000002", Name: "other", Driver: n.Driver, ProvisionState: "manageable", ConsoleEnabled: true}
	w.ok(w.db.CreateNode(t.Context(), other))
	w.ok(w.c.SetConsole(t.Context(), "control-1", true))
	w.provision("deleted")
	if row := w.await("available"); w.drv.ConsoleOn(n) || !row.ConsoleEnabled {
		t.Errorf("after undeploy: on %t, enabled %t", w.drv.ConsoleOn(n), row.ConsoleEnabled)
	}
	w.stop()
	w.start() // beside it another node's console is opened, which nothing closed
	for !w.drv.ConsoleOn(other) {
		runtime.Gosched()
	}
	w.stop() // which waits for all that a start begins
	if w.drv.ConsoleOn(n) {
		t.Error("a restart opened what was closed with the instance")
	}
	w.start()
	if info, err := w.c.Console(t.Context(), "control-1"); info != nil || !errs.Is(err, errs.Conflict) || !strings.Contains(err.Error(), "closed with its instance, until the next deployment") {
		t.Errorf("it is shown as %v, %v", info, err)
	}
	w.set(func(n *ironic.Node) { n.InstanceInfo = map[string]any{"image_source": "overcloud-full"} })
	w.provision("active")
	if row := w.await("active"); !w.drv.ConsoleOn(n) || !row.ConsoleEnabled || row.LastError != "" {
		t.Errorf("after deploy: on %t, enabled %t, last_error %q", w.drv.ConsoleOn(n), row.ConsoleEnabled, row.LastError)
	}
	w.drv.Fail = func(_, action string) error {
		if action == "console" {
			return errs.New(errs.Unavailable, "the line is dead")
		}
		return nil
	}
	w.set(func(n *ironic.Node) { n.InstanceInfo = map[string]any{"image_source": "overcloud-full"} })
	w.provision("rebuild")
	if row := w.await("active"); row.ConsoleEnabled || !strings.HasSuffix(row.LastError, "at the end of the deployment and is disabled: the line is dead") {
		t.Errorf("after a failure: enabled %t, last_error %q", row.ConsoleEnabled, row.LastError)
	}
}

// Whoever holds a node delays the console of that one only.
func TestAHeldNodeDelaysNoOtherConsole(t *testing.T) {
	w := newWorld(t, nil)
	n := w.node("active")
	other := &ironic.Node{UUID: "00000000-0000-4000-8000-000000000002", Name: "other", Driver: n.Driver, ProvisionState: "active", ConsoleEnabled: true}
	w.ok(w.db.CreateNode(t.Context(), other))
	w.set(func(n *ironic.Node) { n.ConsoleEnabled = true })
	release, err := w.c.Wait(t.Context(), n.UUID)
	w.ok(err)
	w.ok(w.c.Start(t.Context())) // the same conductor, as only it has the lock
	for !w.drv.ConsoleOn(other) {
		runtime.Gosched()
	}
	if w.drv.ConsoleOn(n) {
		t.Error("the console of a held node was opened")
	}
	release()
	for !w.drv.ConsoleOn(n) {
		runtime.Gosched()
	}
}

// A console is switched off whatever driver_info says by now; one that could not be started
// again leaves no port open.
func TestAConsoleOfWrongDriverInfoIsClosed(t *testing.T) {
	w := newWorld(t, withConsoles)
	m := virtualBMC(t, w, vbmc.Config{})
	w.ok(m.On(t.Context()))
	w.set(func(n *ironic.Node) { n.Interfaces["console"] = "ipmitool-socat" })
	closed := func(addr string) {
		t.Helper()
		if conn, err := net.Dial("tcp", addr); err == nil {
			conn.Close()
			t.Error("the port is open")
		}
		if row := w.row(); row.ConsoleEnabled {
			t.Error("the console is enabled")
		}
	}
	w.ok(w.c.SetConsole(t.Context(), "control-1", true))
	addr := w.address()
	w.set(func(n *ironic.Node) { n.DriverInfo["ipmi_terminal_port"] = "tty" })
	w.ok(w.c.SetConsole(t.Context(), "control-1", false))
	closed(addr)
	w.set(func(n *ironic.Node) { delete(n.DriverInfo, "ipmi_terminal_port") })
	w.ok(w.c.SetConsole(t.Context(), "control-1", true))
	addr = w.address()
	w.set(func(n *ironic.Node) { n.DriverInfo["ipmi_terminal_port"] = "tty" })
	w.ok(w.c.Start(t.Context())) // looks at consoles again
	for w.row().ConsoleEnabled {
		runtime.Gosched()
	}
	closed(addr)
}
