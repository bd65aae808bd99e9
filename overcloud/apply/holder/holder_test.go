package holder

import (
	"context"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// program writes down when it begins and ends.
const program = `trap 'echo ended >> "$1"; exit 0' TERM; echo began >> "$1"; while :; do sleep 0.01; done`

type world struct {
	*Holder
	has atomic.Bool
	log string
}

func newWorld(t *testing.T, script string) *world {
	t.Helper()
	w := &world{log: filepath.Join(t.TempDir(), "log")}
	w.Holder = &Holder{Address: netip.MustParseAddr("192.0.2.9"), Command: []string{"sh", "-c", script, "sh", w.log}, Pause: time.Millisecond, Grace: time.Minute, Log: io.Discard,
		Has: func(netip.Addr) (bool, error) { return w.has.Load(), nil }}
	return w
}

func (w *world) said() string {
	data, _ := os.ReadFile(w.log)
	return strings.Join(strings.Fields(string(data)), " ")
}

func (w *world) until(t *testing.T, want string) {
	t.Helper()
	for range 20000 {
		if w.said() == want {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("it has done %q instead of %q", w.said(), want)
}

// TestProgramRunsWhereTheAddressIs: it comes and goes with it, and with the unit.
func TestProgramRunsWhereTheAddressIs(t *testing.T) {
	w := newWorld(t, program)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	w.has.Store(true)
	w.until(t, "began")
	w.has.Store(false)
	w.until(t, "began ended")
	w.has.Store(true)
	w.until(t, "began ended began")
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("the unit is stopped, and it says %v", err)
	}
	w.until(t, "began ended began ended")
}

func TestNothingRunsWithoutTheAddress(t *testing.T) {
	w := newWorld(t, program)
	ctx, cancel := context.WithCancel(t.Context())
	looks := 0
	w.Has = func(netip.Addr) (bool, error) {
		if looks++; looks == 5 {
			cancel()
		}
		return false, nil
	}
	if err := w.Run(ctx); err != nil || w.said() != "" {
		t.Errorf("%v, and it has done %q", err, w.said())
	}
}

// TestProgramThatDoesNotEndIsKilled: another machine has begun with it already.
func TestProgramThatDoesNotEndIsKilled(t *testing.T) {
	w := newWorld(t, `trap '' TERM; echo began >> "$1"; while :; do sleep 0.01; done`)
	w.Grace = time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	w.has.Store(true)
	w.until(t, "began")
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestProgramThatEndsEndsTheUnit: systemd starts it again.
func TestProgramThatEndsEndsTheUnit(t *testing.T) {
	for script, want := range map[string]string{"exit 3": "exit status 3", "exit 0": "sh has ended"} {
		w := newWorld(t, script)
		w.has.Store(true)
		if err := w.Run(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", script, err)
		}
	}
}

func TestParse(t *testing.T) {
	for _, args := range [][]string{nil, {"192.0.2.9"}, {"nonsense", "true"}} {
		if _, err := Parse(args); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
	h, err := Parse([]string{"127.0.0.1", "cinder-volume", "--x"})
	if err != nil || len(h.Command) != 2 {
		t.Fatalf("%+v, %v", h, err)
	}
	if has, err := mine(h.Address); err != nil || !has {
		t.Errorf("the machine does not have 127.0.0.1: %v", err)
	}
	if has, _ := mine(netip.MustParseAddr("192.0.2.9")); has {
		t.Error("the machine has an address of documentation")
	}
}
