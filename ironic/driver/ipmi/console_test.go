package ipmi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"trefoil/internal/errs"
	vbmc "trefoil/vbmc/ipmi"
	"trefoil/vbmc/ipmi/ipmiclient"
	"trefoil/vbmc/ipmi/wire"
)

// talking is a driver with consoles on loopback, for our own BMC whose machine is on.
func talking(t *testing.T, c vbmc.Config) (*Driver, *ours) {
	t.Helper()
	o := serveOurs(t, c)
	d := quick()
	d.Consoles = &Consoles{Address: netip.MustParseAddr("127.0.0.1"), Ports: []PortRange{{20000, 39999}}, Line: openLine}
	t.Cleanup(func() {
		if err := d.Close(context.Background(), "n"); err != nil {
			t.Error(err)
		}
		eventually(func() bool { s := o.Stats(); return !s.SOL && s.Sessions == 0 }) // the last packet is under way
	})
	if err := o.Machine.On(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d, o
}

// openLine is what the service does, with time for a busy machine.
func openLine(ctx context.Context, of LineOf) (Line, error) {
	l, err := ipmiclient.OpenLine(ctx, of.Addr, ipmiclient.Options{Username: of.User, Password: of.Password, Privilege: of.Privilege, Timeout: 5 * time.Second}, wire.Suite17())
	if err != nil {
		return nil, err
	}
	return l, nil
}

// enable starts the console and returns the address that it has.
func enable(t *testing.T, d *Driver, o *ours) string {
	t.Helper()
	if err := d.SetConsole(t.Context(), o.node, true); err != nil {
		t.Fatal(err)
	}
	return address(t, d, o)
}

func address(t *testing.T, d *Driver, o *ours) string {
	t.Helper()
	c, err := d.Console(t.Context(), o.node)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(c["url"].(string))
	if err != nil || c["type"] != "socat" || u.Scheme != "tcp" || u.Hostname() != "127.0.0.1" {
		t.Fatalf("console %v, %v", c, err)
	}
	return u.Host
}

func connect(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// until reads until want has come.
func until(t *testing.T, r io.Reader, want string) {
	t.Helper()
	var got bytes.Buffer
	buf := make([]byte, 4096)
	for !strings.Contains(got.String(), want) {
		n, err := r.Read(buf)
		got.Write(buf[:n])
		if err != nil {
			t.Fatalf("%v after %q, want %q", err, got.String(), want)
		}
	}
}

// eventually waits for other goroutines; the test's time limit ends it.
func eventually(f func() bool) {
	for !f() {
		runtime.Gosched()
	}
}

func TestAClientSeesTheSerialLineAndTypes(t *testing.T) {
	d, b := talking(t, vbmc.Config{})
	addr := enable(t, d, b)
	conn := connect(t, addr)
	eventually(func() bool { return b.Machine.Print("node1 login: ") })
	until(t, conn, "node1 login: ")
	if _, err := io.WriteString(conn, "root\r"); err != nil {
		t.Fatal(err)
	}
	eventually(func() bool { return b.Machine.Typed() == "root\r" })
	// More than the BMC keeps: it drops some and says so, and the console goes on.
	b.Machine.Print(strings.Repeat("0123456789abcde\n", 20000) + "# ")
	until(t, conn, "# ")
	conn.Close()
	conn = connect(t, addr) // again, on the same port
	b.Machine.Print("still here")
	until(t, conn, "still here")
	if err := d.SetConsole(t.Context(), b.node, true); err != nil || address(t, d, b) != addr {
		t.Errorf("enabled again: %v, %s instead of %s", err, address(t, d, b), addr)
	}
	if err := d.SetConsole(t.Context(), b.node, false); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, conn); err != nil && !errors.Is(err, net.ErrClosed) && !strings.Contains(err.Error(), "reset") {
		t.Errorf("the client's end: %v", err)
	}
	if c, err := net.Dial("tcp", addr); err == nil {
		c.Close()
		t.Error("the port is open after the console was disabled")
	}
	if err := d.SetConsole(t.Context(), b.node, false); err != nil {
		t.Errorf("disabled again: %v", err)
	}
	if _, err := d.Console(t.Context(), b.node); !errs.Is(err, errs.Conflict) || !strings.Contains(err.Error(), "enabled but its port is not open") {
		t.Errorf("a console that is closed: %v", err)
	}
}

func TestOneClientHasTheConsoleAndTheNextWaits(t *testing.T) {
	d, b := talking(t, vbmc.Config{})
	addr := enable(t, d, b)
	first := connect(t, addr)
	eventually(func() bool { return b.Machine.Print("x") })
	until(t, first, "x")
	second := connect(t, addr)
	io.WriteString(second, "second")
	io.WriteString(first, "first")
	eventually(func() bool { return b.Machine.Typed() != "" })
	first.Close()
	eventually(func() bool { return strings.HasSuffix(b.Machine.Typed(), "second") })
	if got := b.Machine.Typed(); got != "firstsecond" {
		t.Errorf("typed %q", got)
	}
}

// Who has gone before it is its turn takes the line from nobody: a port scan, for example.
func TestClientsThatHaveGoneDoNotTakeTheLine(t *testing.T) {
	d, b := talking(t, vbmc.Config{})
	var logins atomic.Int32
	d.Consoles.Line = func(ctx context.Context, of LineOf) (Line, error) {
		logins.Add(1)
		return openLine(ctx, of)
	}
	addr := enable(t, d, b)
	first := connect(t, addr)
	eventually(func() bool { return b.Machine.Print("x") })
	until(t, first, "x")
	for range 5 {
		connect(t, addr).Close()
	}
	last := connect(t, addr)
	before := logins.Load()
	first.Close()
	eventually(func() bool { return b.Machine.Print("y") })
	until(t, last, "y")
	if n := logins.Load() - before; n != 1 {
		t.Errorf("%d logins for one client", n)
	}
}

// lazy is a slow line: nothing of what is written leaves it until somebody waits for it, and
// then the machine prints first.
type lazy struct {
	Line
	written []byte
	print   func() bool
	reads   atomic.Int32
	drained chan struct{}
}

func (l *lazy) Read(p []byte) (int, error) {
	l.reads.Add(1)
	return l.Line.Read(p)
}

func (l *lazy) Write(p []byte) (int, error) {
	l.written = append(l.written, p...)
	return len(p), nil
}

func (l *lazy) Drain(ctx context.Context) error {
	defer close(l.drained)
	for range 3 { // a client that has closed its socket refuses the second
		before := l.reads.Load()
		eventually(l.print)
		eventually(func() bool { return l.reads.Load() > before || ctx.Err() != nil })
	}
	if _, err := l.Line.Write(l.written); err != nil {
		return err
	}
	return l.Line.Drain(ctx)
}

// A client that has typed all it has still sees what it is answered, as with socat, and its
// keys are with the machine before the line is given back: also when it has gone altogether.
func TestWhatIsPipedInIsTyped(t *testing.T) {
	for name, leave := range map[string]func(*net.TCPConn) error{"half": (*net.TCPConn).CloseWrite, "all": (*net.TCPConn).Close} {
		t.Run(name, func(t *testing.T) {
			d, b := talking(t, vbmc.Config{})
			drained := make(chan struct{})
			d.Consoles.Line = func(ctx context.Context, of LineOf) (Line, error) {
				l, err := openLine(ctx, of)
				return &lazy{Line: l, print: func() bool { return b.Machine.Print("x") }, drained: drained}, err
			}
			conn := connect(t, enable(t, d, b))
			io.WriteString(conn, "reboot\r")
			leave(conn.(*net.TCPConn))
			if name == "half" {
				if _, err := io.Copy(io.Discard, conn); err != nil {
					t.Error(err)
				}
			}
			<-drained
			eventually(func() bool { return !b.Stats().SOL }) // the BMC has the keys before the machine has
			if got := b.Machine.Typed(); got != "reboot\r" {
				t.Errorf("typed %q", got)
			}
		})
	}
}

func TestASilentClientIsSentAway(t *testing.T) {
	d, b := talking(t, vbmc.Config{})
	d.Consoles.Idle = time.Second
	conn := connect(t, enable(t, d, b))
	eventually(func() bool { return b.Machine.Print("x") })
	until(t, conn, "x") // it was let in
	if _, err := io.Copy(io.Discard, conn); err != nil {
		t.Error(err)
	}
	eventually(func() bool { return !b.Stats().SOL })
}

func TestAConsoleThatIsTakenSaysSo(t *testing.T) {
	d, b := talking(t, vbmc.Config{})
	conn := connect(t, enable(t, d, b))
	eventually(func() bool { return b.Machine.Print("x") })
	until(t, conn, "x")
	other, err := ipmiclient.OpenLine(t.Context(), b.Addr, ipmiclient.Options{Username: user, Password: password}, wire.Suite17())
	if err != nil {
		t.Fatal(err)
	}
	until(t, conn, "[console: another session has taken the console]")
	again := connect(t, conn.RemoteAddr().String()) // and takes it back
	b.Machine.Print("back")
	until(t, again, "back")
	other.Close()
}

func TestABMCWithoutSerialOverLANSaysSo(t *testing.T) {
	d, b := talking(t, vbmc.Config{Console: vbmc.ConsoleOff})
	err := d.SetConsole(t.Context(), b.node, true)
	if !errs.Is(err, errs.Unavailable) || !strings.Contains(err.Error(), "Serial over LAN of the BMC "+b.Addr+": the BMC has no console") || strings.Contains(err.Error(), password) {
		t.Fatalf("%v", err)
	}
	if d.terminal("n") != nil {
		t.Error("a port is open")
	}
	// What was on stays on, whatever the BMC says meanwhile; who connects is told.
	if err := d.ResumeConsole(t.Context(), b.node); err != nil {
		t.Fatal(err)
	}
	until(t, connect(t, address(t, d, b)), "the BMC has no console")
}

func TestThePortOfAConsole(t *testing.T) {
	d, b := talking(t, vbmc.Config{})
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	b.node.DriverInfo["ipmi_terminal_port"] = float64(port)
	if err := d.SetConsole(t.Context(), b.node, true); err == nil || !strings.Contains(err.Error(), "ipmi_terminal_port") || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a port that somebody has: %v", err)
	}
	taken.Close()
	if addr := enable(t, d, b); addr != taken.Addr().String() {
		t.Errorf("%s, want %s", addr, taken.Addr())
	}
	delete(b.node.DriverInfo, "ipmi_terminal_port")
	d.Consoles.Ports = []PortRange{{port, port}}
	n2 := *b.node
	n2.UUID = "second"
	if err := d.SetConsole(t.Context(), &n2, true); err == nil || !strings.Contains(err.Error(), "no port of [console] port_range is free on 127.0.0.1") {
		t.Errorf("a range in use: %v", err)
	}
	d.Consoles.Ports = nil
	if err := d.CheckConsole(b.node); !errs.Is(err, errs.Invalid) || !strings.HasPrefix(err.Error(), "Either missing 'ipmi_terminal_port' parameter in node's driver_info or [console]port_range is not configured") {
		t.Errorf("without a port: %v", err)
	}
	for _, wrong := range []any{"70000", "0", "tty"} {
		b.node.DriverInfo["ipmi_terminal_port"] = wrong
		if err := d.Validate(b.node); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "ipmi_terminal_port") {
			t.Errorf("port %v: %v", wrong, err)
		}
	}
}

// A console whose new port cannot be had stays on its old one.
func TestAConsoleStaysWhereItsNewPortCannotBeHad(t *testing.T) {
	d, b := talking(t, vbmc.Config{})
	addr := enable(t, d, b)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	b.node.DriverInfo["ipmi_terminal_port"] = float64(taken.Addr().(*net.TCPAddr).Port)
	if err := d.SetConsole(t.Context(), b.node, true); err == nil || address(t, d, b) != addr {
		t.Errorf("%v; the console is at %s, was at %s", err, address(t, d, b), addr)
	}
	connect(t, addr)
	taken.Close()
	if err := d.SetConsole(t.Context(), b.node, true); err != nil || address(t, d, b) != taken.Addr().String() {
		t.Errorf("%v; the console is at %s, wanted %s", err, address(t, d, b), taken.Addr())
	}
}

// A password that the BMC refuses is tried once, not with every client; enabling it again tries anew.
func TestARefusedLoginIsNotRepeated(t *testing.T) {
	d, b := talking(t, vbmc.Config{})
	var changed atomic.Bool // the BMC's password
	var logins atomic.Int32
	d.Consoles.Line = func(ctx context.Context, of LineOf) (Line, error) {
		if changed.Load() {
			logins.Add(1)
			return nil, ErrLogin
		}
		return openLine(ctx, of)
	}
	addr := enable(t, d, b)
	changed.Store(true)
	for range 3 {
		until(t, connect(t, addr), "refused the user name or the password; it is not asked again until the console is enabled anew]")
	}
	if err := d.SetConsole(t.Context(), b.node, true); !errors.Is(err, ErrLogin) {
		t.Errorf("enabled with the wrong password: %v", err)
	}
	if n := logins.Load(); n != 2 {
		t.Errorf("%d logins with the wrong password, want one of a client and one of who enabled it", n)
	}
	changed.Store(false)
	conn := connect(t, enable(t, d, b))
	eventually(func() bool { return b.Machine.Print("x") })
	until(t, conn, "x")
}

// A terminal that is told to end, but was not waited for, is no console; and it keeps no session.
func TestATerminalThatEndsIsNoConsole(t *testing.T) {
	d, b := talking(t, vbmc.Config{})
	hung, late := make(chan struct{}), make(chan struct{})
	d.Consoles.Line = func(ctx context.Context, of LineOf) (Line, error) {
		select {
		case <-late: // from the second on
			return openLine(ctx, of)
		default:
		}
		close(hung)
		<-late
		return nil, errors.New("at last")
	}
	if err := d.ResumeConsole(t.Context(), b.node); err != nil { // asks nobody
		t.Fatal(err)
	}
	if _, err := d.PowerState(t.Context(), b.node); err != nil { // opens a session
		t.Fatal(err)
	}
	connect(t, address(t, d, b))
	<-hung
	short, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.endTerminal(short, "n"); !errors.Is(err, context.Canceled) {
		t.Fatalf("%v", err)
	}
	if _, err := d.Console(t.Context(), b.node); !errs.Is(err, errs.Conflict) {
		t.Errorf("it is shown: %v", err)
	}
	waiting, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	go func() {
		eventually(func() bool { return b.Stats().Sessions == 0 })
		giveUp()
	}()
	if err := d.Close(waiting, "n"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	close(late)
	conn := connect(t, enable(t, d, b))
	eventually(func() bool { return b.Machine.Print("x") })
	until(t, conn, "x")
}
