package ipmi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/driver"
)

// Consoles is what serial consoles of machines need: Ironic's console interface
// ipmitool-socat, with Serial over LAN on one side and a TCP port on the other. Whoever
// reaches the port has the console: it asks for no password.
type Consoles struct {
	Address netip.Addr    // that ports are opened on
	Ports   []PortRange   // for nodes without ipmi_terminal_port
	Idle    time.Duration // without a character until a client is sent away; 0: for ever
	// Line logs in to a BMC and takes its machine's console, from whoever has it. Close gives
	// it back and ends what waits in Read or Write; it may be called more than once.
	// An error that is ErrLogin: the BMC refused the user or the password.
	Line func(context.Context, LineOf) (Line, error)
}

// Line is a machine's serial console. Drain waits until the BMC has all that was written; its
// error says why that will not be, or not before ctx ended.
type Line interface {
	io.ReadWriteCloser
	Drain(context.Context) error
}

// ErrLogin is a BMC's refusal of a user or a password: it is not asked again with the same ones,
// as many a BMC locks a user out who is wrong too often.
var ErrLogin = errors.New("the BMC refused the user name or the password")

// PortRange is TCP ports from First to Last.
type PortRange struct{ First, Last int }

// LineOf says whose console is meant, and how to log in.
type LineOf struct {
	Addr           string // host:port of the BMC
	User, Password string
	Suite          int  // 0: 17, then 3
	Privilege      byte // as IPMI numbers it: 4 is ADMINISTRATOR
}

var _ driver.Console = (*Driver)(nil)

// terminalPort is driver_info's ipmi_terminal_port; 0: it says none.
func terminalPort(n *ironic.Node) (int, error) {
	s := str(n, "ipmi_terminal_port")
	if s == "" {
		return 0, nil
	}
	port, err := strconv.Atoi(s)
	if err != nil || port < 1 || port > math.MaxUint16 {
		return 0, errs.New(errs.Invalid, "driver_info of node %s: ipmi_terminal_port is %q, not a port between 1 and 65535", name(n), s).
			WithHint("openstack baremetal node set %s --driver-info ipmi_terminal_port=…", n.UUID)
	}
	return port, nil
}

// CheckConsole looks whether there is a port for the node's console.
func (d *Driver) CheckConsole(n *ironic.Node) error {
	if d.Consoles == nil {
		return errs.New(errs.Invalid, "this service has no serial consoles")
	}
	if err := d.Validate(n); err != nil {
		return err
	}
	if port, _ := terminalPort(n); port == 0 && len(d.Consoles.Ports) == 0 {
		return errs.New(errs.Invalid, "Either missing 'ipmi_terminal_port' parameter in node's driver_info or [console]port_range is not configured").
			WithHint("openstack baremetal node set %s --driver-info ipmi_terminal_port=…", n.UUID)
	}
	return nil
}

// SetConsole opens the port of the node's console, or closes it. The BMC is asked for its
// console once before, so that one that has none says so now.
func (d *Driver) SetConsole(ctx context.Context, n *ironic.Node, on bool) error {
	if !on {
		return d.endTerminal(ctx, n.UUID)
	}
	return d.startTerminal(ctx, n, true)
}

// ResumeConsole opens the port of a console that was on, whatever its BMC does meanwhile.
func (d *Driver) ResumeConsole(ctx context.Context, n *ironic.Node) error {
	return d.startTerminal(ctx, n, false)
}

func (d *Driver) startTerminal(ctx context.Context, n *ironic.Node, ask bool) error {
	if err := d.CheckConsole(n); err != nil {
		return err
	}
	i, err := parse(n)
	if err != nil {
		return err
	}
	port, err := terminalPort(n)
	if err != nil {
		return err
	}
	old := d.terminal(n.UUID)
	if old.serves() && port == 0 {
		port = old.port
	}
	if old.serves() && old.info == i && port == old.port {
		return nil
	}
	line := func(ctx context.Context) (Line, error) { return d.line(ctx, i) }
	if ask {
		l, err := line(ctx)
		if err != nil {
			return err
		}
		l.Close() // what it says does not matter: the console was had
	}
	ln, port, err := d.replace(ctx, n.UUID, old, port)
	if err != nil {
		return err
	}
	t := &terminal{info: i, port: port, ln: ln, line: line, idle: d.Consoles.Idle}
	t.start()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.terminals == nil {
		d.terminals = map[string]*terminal{}
	}
	d.terminals[n.UUID] = t
	return nil
}

// replace opens a port in the place of an old terminal's, which goes on where another port
// cannot be had.
func (d *Driver) replace(ctx context.Context, uuid string, old *terminal, port int) (net.Listener, int, error) {
	if !old.serves() || port == old.port {
		if err := d.endTerminal(ctx, uuid); err != nil {
			return nil, 0, err
		}
		return d.Consoles.listen(ctx, port)
	}
	ln, port, err := d.Consoles.listen(ctx, port)
	if err != nil {
		return nil, 0, err
	}
	if err := d.endTerminal(ctx, uuid); err != nil {
		ln.Close()
		return nil, 0, err
	}
	return ln, port, nil
}

// line takes the console of a BMC's machine.
func (d *Driver) line(ctx context.Context, i info) (Line, error) {
	l, err := d.Consoles.Line(ctx, LineOf{Addr: i.addr(), User: i.user, Password: i.password, Suite: i.suite, Privilege: byte(i.priv)})
	if err != nil {
		return nil, errs.Wrap(errs.Unavailable, err, "Serial over LAN of the BMC %s", i.addr()).
			WithHint("is it enabled there, and for user %q? try: ipmitool -I lanplus -H %s -p %d -U %s -a sol info", i.user, i.host, i.port, i.user)
	}
	return l, nil
}

// listen opens a port: the one that is asked for, or the first of the ranges that nobody has.
func (c *Consoles) listen(ctx context.Context, port int) (net.Listener, int, error) {
	var lc net.ListenConfig
	open := func(port int) (net.Listener, error) {
		return lc.Listen(ctx, "tcp", netip.AddrPortFrom(c.Address, uint16(port)).String())
	}
	if port != 0 {
		ln, err := open(port)
		if err != nil {
			return nil, 0, errs.Wrap(errs.Unavailable, err, "open ipmi_terminal_port %d", port).WithHint("choose another port, or another [console] socat_address")
		}
		return ln, port, nil
	}
	for _, r := range c.Ports {
		for port := r.First; port <= r.Last; port++ {
			ln, err := open(port)
			if err == nil {
				return ln, port, nil
			}
			if !errors.Is(err, syscall.EADDRINUSE) {
				return nil, 0, errs.Wrap(errs.Unavailable, err, "open a port of [console] port_range")
			}
		}
	}
	return nil, 0, errs.New(errs.Unavailable, "no port of [console] port_range is free on %s", c.Address).WithHint("make the range larger, or set the node's ipmi_terminal_port")
}

func (d *Driver) terminal(uuid string) *terminal {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.terminals[uuid]
}

// endTerminal closes the port of a node's console; none is no error.
func (d *Driver) endTerminal(ctx context.Context, uuid string) error {
	t := d.terminal(uuid)
	if t == nil {
		return nil
	}
	if err := t.end(ctx); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.terminals, uuid)
	return nil
}

// Console tells the address of the node's console as Ironic does for socat's.
func (d *Driver) Console(_ context.Context, n *ironic.Node) (map[string]any, error) {
	if err := d.CheckConsole(n); err != nil {
		return nil, err
	}
	t := d.terminal(n.UUID)
	if t == nil || t.ending.Load() {
		return nil, errs.New(errs.Conflict, "the console of node %s is enabled but its port is not open; after a start of the service it is opened when the node is free", name(n)).
			WithHint("repeat it in a moment, or open it: openstack baremetal node console enable %s", n.UUID)
	}
	return map[string]any{"type": "socat", "url": fmt.Sprintf("tcp://%s", netip.AddrPortFrom(d.Consoles.Address, uint16(t.port)))}, nil
}
