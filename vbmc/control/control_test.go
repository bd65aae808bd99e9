package control_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trefoil/internal/errs"
	"trefoil/vbmc/control"
	"trefoil/vbmc/manager"
)

// daemon answers on a socket of the test's own; its manager has no machines.
func daemon(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	socket := filepath.Join(dir, "vbmcd.sock")
	l, err := control.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	srv := control.Server{Manager: manager.New(manager.Settings{ConfigDir: dir, Rescan: time.Minute}, &manager.Libvirt{Log: log}, log), Log: log}
	go func() { done <- srv.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	return socket
}

func TestCommands(t *testing.T) {
	socket := daemon(t)
	if st, err := os.Stat(socket); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("socket: %v %v", st.Mode(), err)
	}
	for _, c := range []struct {
		req  control.Request
		rc   int
		want string
	}{
		{control.Request{Command: "list"}, 0, ""},
		{control.Request{Command: "format-disk"}, 1, `unknown command "format-disk"`},
		{control.Request{Command: "show", Domains: []string{"nope"}}, 1, "No domain with matching name nope was found"},
		{control.Request{Command: "start", Domains: []string{"nope"}}, 1, "No domain with matching name nope was found"},
		{control.Request{Command: "add", Config: manager.Config{Domain: "../x", Port: 7001}}, 1, "is not a domain name"},
	} {
		r, err := control.Call(t.Context(), socket, c.req)
		if err != nil || r.RC != c.rc || !strings.Contains(strings.Join(r.Messages, "\n"), c.want) {
			t.Errorf("%s: %+v %v, want rc %d and %q", c.req.Command, r, err, c.rc, c.want)
		}
	}
}

// Whoever sends rubbish, or more than any request needs, gets no answer; the next caller does.
func TestRubbish(t *testing.T) {
	socket := daemon(t)
	for _, rubbish := range []string{"\x00\xff", "{", `{"command":"` + strings.Repeat("a", 2<<20) + `"}`} {
		c, err := net.Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Write([]byte(rubbish)) // the daemon may hang up in the middle
		c.Close()
	}
	if r, err := control.Call(t.Context(), socket, control.Request{Command: "list"}); err != nil || r.RC != 0 {
		t.Errorf("%+v %v", r, err)
	}
}

func TestSocketOfACrashIsReplacedThatOfADaemonIsNot(t *testing.T) {
	if _, err := control.Listen(daemon(t)); !errs.Is(err, errs.Conflict) {
		t.Errorf("a living daemon's socket: %v", err)
	}
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	if _, err := control.Call(t.Context(), socket, control.Request{Command: "list"}); !errors.Is(err, control.ErrNoDaemon) {
		t.Errorf("nobody listens: %v", err)
	}
	again, err := control.Listen(socket)
	if err != nil {
		t.Fatalf("the socket that a crash left: %v", err)
	}
	again.Close()
}
