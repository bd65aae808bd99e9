// Package ipmi is the driver "ipmi": power and boot device over IPMI 2.0
// (RMCP+), with one kept session for each BMC; serial consoles over sessions of their own.
package ipmi

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/driver"

	"github.com/bougou/go-ipmi/pkg/client"
	"github.com/bougou/go-ipmi/pkg/command/chassis"
)

// Name is the driver's name in the API.
const Name = "ipmi"

// tries of one request before the BMC counts as silent: with the default
// time-out a silent one is known after 6 s.
const tries = 3

// Driver talks to BMCs. The zero value is ready; it is safe for concurrent use.
type Driver struct {
	Timeout time.Duration // for one answer; 0: 2 s
	Rate    float64       // commands a second to one BMC; 0: 20
	Burst   float64       // commands at once to one BMC; 0: 20
	Poll    time.Duration // first pause between looks at a power state; 0: 100 ms; grows to 1 s
	Wait    time.Duration // for a power state, when the context sets no limit; 0: 60 s
	Now     func() time.Time

	Consoles *Consoles // nil: there are none

	mu        sync.Mutex
	sessions  map[string]*session  // by node
	buckets   map[string]*bucket   // by BMC address
	terminals map[string]*terminal // by node
}

var _ driver.Driver = (*Driver)(nil)

func (d *Driver) now() time.Time {
	if d.Now != nil {
		return d.Now()
	}
	return time.Now()
}

func (d *Driver) timeout() time.Duration { return or(d.Timeout, 2*time.Second) }

func or[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

func (d *Driver) session(uuid string) *session {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.sessions == nil {
		d.sessions = map[string]*session{}
	}
	if d.sessions[uuid] == nil {
		d.sessions[uuid] = newSession()
	}
	return d.sessions[uuid]
}

func (d *Driver) bucket(i info) *bucket {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.buckets == nil {
		d.buckets = map[string]*bucket{}
	}
	b := d.buckets[i.addr()]
	if b == nil {
		burst := or(d.Burst, 20)
		b = &bucket{tokens: burst, burst: burst, rate: or(d.Rate, 20), last: d.now(), now: d.now}
		d.buckets[i.addr()] = b
	}
	return b
}

// Validate checks driver_info without any I/O.
func (d *Driver) Validate(n *ironic.Node) error {
	if _, err := parse(n); err != nil {
		return err
	}
	_, err := terminalPort(n)
	return err
}

// do runs f on the node's session.
func (d *Driver) do(ctx context.Context, n *ironic.Node, what string, f func(context.Context, *client.Client) error) error {
	i, err := parse(n)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return d.with(ctx, d.session(n.UUID), i, what, f)
}

// PowerState asks the BMC whether the machine is on.
func (d *Driver) PowerState(ctx context.Context, n *ironic.Node) (string, error) {
	state := ironic.PowerError
	err := d.do(ctx, n, "read the power state", func(ctx context.Context, c *client.Client) error {
		st, err := c.GetChassisStatus(ctx)
		if err != nil {
			return err
		}
		state = ironic.PowerOff
		if st.PowerIsOn {
			state = ironic.PowerOn
		}
		return nil
	})
	return state, err
}

// SetPower reaches target and returns when the machine is there.
func (d *Driver) SetPower(ctx context.Context, n *ironic.Node, target string) error {
	if _, limited := ctx.Deadline(); !limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, or(d.Wait, time.Minute))
		defer cancel()
	}
	switch target {
	case ironic.PowerOn:
		return d.reach(ctx, n, ironic.PowerOn, chassis.ChassisControlPowerUp)
	case ironic.PowerOff:
		return d.reach(ctx, n, ironic.PowerOff, chassis.ChassisControlPowerDown)
	case ironic.SoftPowerOff:
		return d.reach(ctx, n, ironic.PowerOff, chassis.ChassisControlSoftShutdown)
	case ironic.Rebooting:
		if n.DisablePowerOff {
			return d.reset(ctx, n)
		}
		fallthrough
	case ironic.SoftRebooting:
		// Off and on again instead of a reset: each half is idempotent, and the
		// firmware reads its boot flags for sure.
		off := chassis.ChassisControlPowerDown
		if target == ironic.SoftRebooting {
			off = chassis.ChassisControlSoftShutdown
		}
		if err := d.reach(ctx, n, ironic.PowerOff, off); err != nil {
			return err
		}
		return d.reach(ctx, n, ironic.PowerOn, chassis.ChassisControlPowerUp)
	}
	return errs.New(errs.Invalid, "power target %q is not known", target)
}

// reset starts the machine anew without a moment in which it is off, for one that must not
// be: its BMC may be gone with it. Nothing tells whether the BMC did it; it has said so.
func (d *Driver) reset(ctx context.Context, n *ironic.Node) error {
	state, err := d.PowerState(ctx, n)
	if err != nil {
		return err
	}
	if state != ironic.PowerOn {
		return d.reach(ctx, n, ironic.PowerOn, chassis.ChassisControlPowerUp)
	}
	return d.do(ctx, n, ironic.Rebooting, func(ctx context.Context, c *client.Client) error {
		_, err := c.ChassisControl(ctx, chassis.ChassisControlHardReset)
		return err
	})
}

// reach sends a chassis control unless the machine is there already, and looks
// until it is. A machine that answers but does not move is told apart from a silent BMC.
func (d *Driver) reach(ctx context.Context, n *ironic.Node, want string, control chassis.ChassisControl) error {
	state, err := d.PowerState(ctx, n)
	if err != nil || state == want {
		return err
	}
	start := d.now()
	err = d.do(ctx, n, want, func(ctx context.Context, c *client.Client) error {
		_, err := c.ChassisControl(ctx, control)
		return err
	})
	if err != nil {
		return err
	}
	for pause := or(d.Poll, 100*time.Millisecond); ; pause = min(2*pause, max(pause, time.Second)) {
		if state, err = d.PowerState(ctx, n); err == nil && state == want {
			return nil
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return d.stuck(ctx, n, want, state, control, start, err)
		}
	}
}

// stuck makes the error of a machine that did not reach a power state in time.
func (d *Driver) stuck(ctx context.Context, n *ironic.Node, want, state string, control chassis.ChassisControl, start time.Time, last error) error {
	if ctx.Err() == context.Canceled {
		return fmt.Errorf("%s: %w", want, context.Cause(ctx))
	}
	i, err := parse(n)
	if err != nil {
		return err
	}
	if last != nil && state != ironic.PowerOn && state != ironic.PowerOff {
		return last
	}
	e := errs.New(errs.Unavailable, "the BMC %s took the command %q but the machine is still in %q after %s",
		i.addr(), want, state, d.now().Sub(start).Round(time.Second))
	if control == chassis.ChassisControlSoftShutdown {
		return e.WithHint("its operating system may ignore the power button: openstack baremetal node power off %s", n.UUID)
	}
	return e.WithHint("look at the machine and at its BMC's event log")
}

// Close gives a node's session back, and closes its console; neither waits for the other's success.
func (d *Driver) Close(ctx context.Context, nodeUUID string) error {
	return errors.Join(d.closeSession(ctx, nodeUUID), d.endTerminal(ctx, nodeUUID))
}

func (d *Driver) closeSession(ctx context.Context, nodeUUID string) error {
	d.mu.Lock()
	s := d.sessions[nodeUUID]
	delete(d.sessions, nodeUUID)
	d.mu.Unlock()
	if s == nil {
		return nil
	}
	select {
	case <-s.turn:
		defer func() { s.turn <- struct{}{} }()
	case <-ctx.Done():
		return fmt.Errorf("close the session of node %s: %w", nodeUUID, ctx.Err())
	}
	if s.client == nil {
		return nil
	}
	c := s.client
	s.client, s.asked = nil, false
	bye, cancel := context.WithTimeout(ctx, d.timeout())
	defer cancel()
	if err := c.Close(bye); err != nil {
		return fmt.Errorf("close the session of node %s: %w", nodeUUID, err)
	}
	return nil
}
