// Package holder runs a program on one machine of several: on that which has the virtual
// address. It is for services of which only one may work at a time and which have no
// way among themselves to see to that.
//
//	os-apply-config at-address 192.168.24.9 PROGRAM ARGUMENT…
//
// It is the ExecStart of the program's unit, on all machines: the unit runs everywhere,
// the program where the address is.
package holder

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"syscall"
	"time"

	"trefoil/internal/errs"
)

// Holder runs one program. Its fields are set once; Run is called once.
type Holder struct {
	Address netip.Addr
	Command []string
	Has     func(netip.Addr) (bool, error) // whether the machine has an address; nil: asks the kernel
	Pause   time.Duration                  // between two looks
	Grace   time.Duration                  // that the program has to end, while another machine begins with it
	Log     io.Writer                      // the program's, too
}

// Parse reads the arguments of at-address.
func Parse(args []string) (*Holder, error) {
	if len(args) < 2 {
		return nil, errs.New(errs.Invalid, "at-address needs an address and a program")
	}
	a, err := netip.ParseAddr(args[0])
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "at-address")
	}
	return &Holder{Address: a, Command: args[1:], Pause: time.Second, Grace: 15 * time.Second}, nil
}

// Run starts the program whenever the machine gets the address and ends it when the
// address has gone. It returns when ctx ends, or when the program has ended by itself.
func (h *Holder) Run(ctx context.Context) error {
	if h.Has == nil {
		h.Has = mine
	}
	for {
		if err := h.until(ctx, nil, true); err != nil {
			return ended(ctx, err)
		}
		fmt.Fprintf(h.Log, "this machine has %s: it starts %s\n", h.Address, h.Command[0])
		done, stop, err := h.start()
		if err != nil {
			return err
		}
		err = h.until(ctx, done, false)
		stop()
		if err != nil {
			return ended(ctx, err)
		}
		fmt.Fprintf(h.Log, "%s has gone from this machine: %s has ended\n", h.Address, h.Command[0])
	}
}

// ended is no error where the unit is stopped.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// until returns when the machine has the address, or has it no longer. A program that
// ends before that is an error.
func (h *Holder) until(ctx context.Context, done <-chan error, wanted bool) error {
	for {
		has, err := h.Has(h.Address)
		if err != nil {
			return fmt.Errorf("look at the machine's addresses: %w", err)
		}
		if has == wanted {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-done:
			if err == nil { // a service does not end
				return errs.New(errs.Internal, "%s has ended", h.Command[0])
			}
			return fmt.Errorf("%s has ended: %w", h.Command[0], err)
		case <-time.After(h.Pause):
		}
	}
}

// start begins the program, in a process group of its own, which stop ends.
func (h *Holder) start() (done <-chan error, stop func(), err error) {
	cmd := exec.Command(h.Command[0], h.Command[1:]...)
	cmd.Stdout, cmd.Stderr = h.Log, h.Log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, nil, fmt.Errorf("start %s: %w", h.Command[0], err)
	}
	ended, reaped := make(chan error, 1), make(chan struct{})
	go func() { ended <- cmd.Wait(); close(reaped) }()
	return ended, func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		select {
		case <-reaped:
		case <-time.After(h.Grace):
		}
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // and what it has left behind
		<-reaped
	}, nil
}

// mine tells whether the machine has an address.
func mine(a netip.Addr) (bool, error) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return false, os.NewSyscallError("netlink", err)
	}
	for _, n := range all {
		if p, err := netip.ParsePrefix(n.String()); err == nil && p.Addr().Unmap() == a {
			return true, nil
		}
	}
	return false, nil
}
