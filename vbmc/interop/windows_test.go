//go:build e2e

package interop

import (
	"bytes"
	"errors"
	"testing"

	"trefoil/vbmc/ipmi/ipmiclient"
	"trefoil/vbmc/ipmi/wire"
)

// window is how many numbers a packet may be ahead of the newest, and one less is how far it
// may be behind.
const window = 32

// windowsTable is what a BMC makes of packets that are lost, late or there twice.
func windowsTable(t *testing.T, b bed) {
	t.Helper()
	w, c := b.tapped(t)
	status := func() { t.Helper(); must(t, c, 1) }
	status()
	w.holdBack(window - 1)
	status() // is answered though 31 were lost
	late := w.old(t, window-1)
	answer := w.ask(t, late)
	if answer == nil {
		t.Error("a packet that 31 others overtook is not answered")
	}
	if again := w.ask(t, late); !bytes.Equal(again, answer) {
		t.Errorf("a packet that comes twice is answered with\n%x, then with\n%x", answer, again)
	}
	w.holdBack(1)
	status()
	for late = w.firstHeld(); w.age(t, late) < window; {
		status()
	}
	if answer := w.ask(t, late); answer != nil {
		t.Errorf("a packet that 32 others overtook is answered: %x", answer)
	}
	once := w.latest()
	for range 9 { // more than a BMC remembers the answers to
		status()
	}
	if answer := w.ask(t, once); answer != nil {
		t.Errorf("a packet that comes twice, long after, is answered anew: %x", answer)
	}
	beyondWindow(t, b)
	status()
}

// beyondWindow has more packets lost than a window has.
func beyondWindow(t *testing.T, b bed) {
	t.Helper()
	w, c := b.tapped(t)
	must(t, c, 1)
	w.holdBack(window)
	ignored(t, w, c, "after 32 were lost")
}

// repeatedPower has the packet of a power cycle come again and again. How often the machine
// starts is for the caller to see.
func repeatedPower(t *testing.T, b bed) {
	t.Helper()
	w, c := b.tapped(t)
	must(t, c, 2, 1)
	w.settle(t)
	n := w.count()
	must(t, c, 2, 2)
	cycle := w.after(t, n)
	answer := w.ask(t, cycle)
	if again := w.ask(t, cycle); answer == nil || !bytes.Equal(again, answer) {
		t.Errorf("a power cycle that comes again is answered with\n%x, then with\n%x", answer, again)
	}
	must(t, c, 2, 0)
}

// must asks for a chassis command that must succeed.
func must(t *testing.T, c *ipmiclient.Client, cmd byte, data ...byte) {
	t.Helper()
	if cc, _, err := c.Do(wire.Chassis, cmd, data...); cc != 0 || err != nil {
		t.Fatalf("chassis command %02xh % x: code %02xh, %v", cmd, data, cc, err)
	}
}

// ignored has the client ask what the BMC does not answer, and ends it.
func ignored(t *testing.T, w *tap, c *ipmiclient.Client, when string) {
	t.Helper()
	w.settle(t)
	n, end := w.count(), make(chan error, 1)
	go func() {
		_, _, err := c.Do(wire.Chassis, 1)
		end <- err
	}()
	first := w.after(t, n)
	if answer := w.ask(t, first); answer != nil {
		t.Errorf("a packet is answered %s: %x", when, answer)
	}
	c.Close()
	if err := <-end; !errors.Is(err, ipmiclient.ErrClosed) {
		t.Errorf("the client gets an answer %s: %v", when, err)
	}
}
