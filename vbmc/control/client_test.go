package control_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trefoil/internal/errs"
	"trefoil/vbmc/control"
)

// listening is a socket that the kernel answers on and nobody else, as that of a daemon that
// is stopped, until the test accepts.
func listening(t *testing.T) (string, net.Listener) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	l, err := control.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return socket, l
}

// TestADaemonThatHangsIsToldSoon: not after the minutes that a slow command may take.
func TestADaemonThatHangsIsToldSoon(t *testing.T) {
	socket, _ := listening(t)
	_, err := control.Call(t.Context(), socket, control.Request{Command: "delete", Patience: 50 * time.Millisecond})
	want := fmt.Sprintf("the vbmc daemon (process %d) did not take the command within 50ms", os.Getpid())
	if !errs.Is(err, errs.Unavailable) || err.Error() != want || !strings.Contains(errs.HintOf(err), "kill -CONT") {
		t.Errorf("%v (%s), want %s", err, errs.HintOf(err), want)
	}
}

// TestACommandWhoseCallerHasLeftIsDropped: he was told that nothing came of it. The daemon
// comes to it only then, as one that was stopped and goes on.
func TestACommandWhoseCallerHasLeftIsDropped(t *testing.T) {
	dir := t.TempDir()
	kept := filepath.Join(dir, "a")
	if err := os.Mkdir(kept, 0o700); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "vbmcd.sock")
	l, err := control.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := control.Call(t.Context(), socket, control.Request{Command: "delete", Domains: []string{"a"}, Patience: 10 * time.Millisecond}); err == nil {
		t.Fatal("nobody has answered")
	}
	said := &lines{}
	serve(t, l, dir, said)
	said.await(t, "is dropped")
	if _, err := os.Stat(kept); err != nil {
		t.Errorf("the command was carried out: %v", err)
	}
}

// saying takes a command and answers with some lines.
func saying(t *testing.T, l net.Listener, answer ...string) {
	t.Helper()
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		if _, err := bufio.NewReader(c).ReadString('\n'); err != nil {
			return
		}
		for _, line := range answer {
			fmt.Fprintln(c, line)
		}
	}()
}

// TestAnswers: of one that takes the command first, of one of an earlier version that does
// not, and of one that ends before it answers.
func TestAnswers(t *testing.T) {
	for _, lines := range [][]string{{`{"taken":true}`, `{"rc":3,"pid":7}`}, {`{"rc":3,"pid":7}`}} {
		socket, l := listening(t)
		saying(t, l, lines...)
		if r, err := control.Call(t.Context(), socket, control.Request{Command: "doctor"}); err != nil || r.RC != 3 || r.PID != 7 || r.Taken {
			t.Errorf("%v: %+v, %v", lines, r, err)
		}
	}
	for _, lines := range [][]string{{`{"taken":true}`}, nil} {
		socket, l := listening(t)
		saying(t, l, lines...)
		_, err := control.Call(t.Context(), socket, control.Request{Command: "doctor"})
		if err == nil || !strings.Contains(err.Error(), "gave no answer: EOF") || !strings.Contains(errs.HintOf(err), "may have been carried out") {
			t.Errorf("%v: %v (%s)", lines, err, errs.HintOf(err))
		}
	}
}
