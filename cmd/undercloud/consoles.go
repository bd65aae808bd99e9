package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"trefoil/ironic/driver/ipmi"
	"trefoil/vbmc/ipmi/ipmiclient"
	"trefoil/vbmc/ipmi/wire"
)

// consoleIdle is Ironic's terminal_timeout.
const consoleIdle = 10 * time.Minute

// consoles are what serial consoles of machines need, with ports on an address. The client
// of Serial over LAN is vbmc's: go-ipmi's ends when a BMC says that it dropped output, as it
// does when a machine prints faster than it is read.
func consoles(address netip.Addr) *ipmi.Consoles {
	return &ipmi.Consoles{Address: address, Idle: consoleIdle, Line: openLine}
}

// openLine takes the console of a BMC's machine.
func openLine(ctx context.Context, of ipmi.LineOf) (ipmi.Line, error) {
	suites := []wire.Suite{wire.Suite17(), wire.Suite3()}
	if s, ok := wire.SuiteByID(byte(of.Suite)); ok {
		suites = []wire.Suite{s}
	}
	l, err := ipmiclient.OpenLine(ctx, of.Addr, ipmiclient.Options{Username: of.User, Password: of.Password, Privilege: of.Privilege}, suites...)
	switch {
	case refusedLogin(err):
		return nil, fmt.Errorf("%w (%w)", ipmi.ErrLogin, err)
	case err != nil:
		return nil, err
	}
	return l, nil
}

// refusedLogin reports whether a BMC knows no such user, or another password of it.
func refusedLogin(err error) bool {
	var e *ipmiclient.SetupError
	return errors.Is(err, ipmiclient.ErrPassword) ||
		errors.As(err, &e) && (e.Status == wire.StatusUnauthorizedName || e.Status == wire.StatusBadCheckValue)
}
