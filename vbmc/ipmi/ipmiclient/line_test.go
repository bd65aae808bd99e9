package ipmiclient

import (
	"context"
	"errors"
	"io"
	"testing"

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
