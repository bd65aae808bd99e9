package ipmiclient

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"trefoil/vbmc/ipmi"
	"trefoil/vbmc/ipmi/wire"
)

func TestALineTakesTheConsoleAndGivesItBack(t *testing.T) {
	m, addr := running(t, ipmi.Config{Suites: []wire.Suite{wire.Suite3()}})
	o := admin()
	o.Suite = wire.Suite3()
	other := activate(t, dial(t, addr, o))
	l, err := OpenLine(t.Context(), addr, admin(), wire.Suite17(), wire.Suite3())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Read(make([]byte, 1)); !errors.Is(err, ErrSOLTaken) {
		t.Errorf("who had the console reads %v", err)
	}
	printed(m, "login: ")
	until(t, l, "login: ")
	if _, err := io.WriteString(l, "root\r"); err != nil {
		t.Fatal(err)
	}
	eventually(func() bool { return m.Typed() == "root\r" })
	for range 2 {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	activate(t, dial(t, addr, o)) // it is free
}

func TestALineThatCannotBeHad(t *testing.T) {
	_, addr := running(t, ipmi.Config{Console: ipmi.ConsoleOff})
	if _, err := OpenLine(t.Context(), addr, admin(), wire.Suite17()); !errors.Is(err, ErrSOLDisabled) {
		t.Errorf("switched off: %v", err)
	}
	_, addr = running(t, ipmi.Config{Suites: []wire.Suite{wire.Suite17()}})
	var refused *SetupError
	if _, err := OpenLine(t.Context(), addr, admin(), wire.Suite3()); !errors.As(err, &refused) || !refused.otherSuite() {
		t.Errorf("another suite: %v", err)
	}
	o := admin()
	o.Password = "wrong"
	if _, err := OpenLine(t.Context(), addr, o, wire.Suite17(), wire.Suite3()); !errors.Is(err, ErrPassword) {
		t.Errorf("wrong password: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := OpenLine(ctx, addr, admin(), wire.Suite17()); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// pyghmi's BMC answers each proposal with suite 3: it is had with that one.
func TestABMCThatAgreesToAnotherSuiteIsProposedThat(t *testing.T) {
	bmc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer bmc.Close()
	go func() {
		buf := make([]byte, maxPacket)
		for {
			n, from, err := bmc.ReadFrom(buf)
			if err != nil {
				return
			}
			p, err := parse(buf[:n])
			if err != nil || p.Type != wire.PayloadOpenRequest {
				continue // it says no more
			}
			s := wire.Suite3()
			out := append([]byte{p.Payload[0], 0, Administrator, 0}, p.Payload[4:8]...)
			out = append(out, 1, 2, 3, 4)
			for kind, alg := range []byte{s.Auth, s.Integrity, s.Crypt} {
				out = append(out, byte(kind), 0, 0, 8, alg, 0, 0, 0)
			}
			bmc.WriteTo(wire.V20{Type: wire.PayloadOpenRequest + 1, Payload: out}.AppendPlain(nil), from)
		}
	}()
	o := admin()
	o.Timeout, o.Tries = 200*time.Millisecond, 5
	if _, err := OpenLine(t.Context(), bmc.LocalAddr().String(), o, wire.Suite17()); !errors.Is(err, errOtherSuite) {
		t.Errorf("suite 17 alone: %v", err)
	}
	if _, err := OpenLine(t.Context(), bmc.LocalAddr().String(), o, wire.Suite17(), wire.Suite3()); !errors.Is(err, ErrNoAnswer) {
		t.Errorf("suite 3 was not agreed on: %v", err)
	}
}
