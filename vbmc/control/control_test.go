package control_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"trefoil/internal/errs"
	"trefoil/vbmc/control"
	"trefoil/vbmc/manager"
)

// daemon answers on a socket of the test's own; its manager has no machines.
func daemon(t *testing.T) string {
	t.Helper()
	socket, _ := daemonThatTells(t, t.TempDir())
	return socket
}

// daemonThatTells is one whose log is kept.
func daemonThatTells(t *testing.T, dir string) (string, *lines) {
	t.Helper()
	socket := filepath.Join(dir, "vbmcd.sock")
	l, err := control.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	said := &lines{}
	serve(t, l, dir, said)
	return socket, said
}

// serve answers on a socket until the test ends.
func serve(t *testing.T, l net.Listener, dir string, said *lines) {
	t.Helper()
	log := slog.New(slog.NewTextHandler(said, nil))
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
		{control.Request{Command: "yield"}, 1, "makes no room for another (stop it where it was started)"},
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

// TestAnotherUser: the mode of the socket is one thing, and who calls another: whoever gets
// to it all the same is refused by his number, before he says anything.
func TestAnotherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can be somebody else")
	}
	const nobody = 65534
	socket, said := daemonThatTells(t, openToAll(t))
	if err := os.Chmod(socket, 0o777); err != nil {
		t.Fatal(err)
	}
	r, err := as(nobody, func() (*control.Reply, error) {
		return control.Call(t.Context(), socket, control.Request{Command: "list"})
	})
	if err == nil { // that there is no answer, or that nobody reads the question
		t.Errorf("another user gets %+v", r)
	}
	if r, err := control.Call(t.Context(), socket, control.Request{Command: "list"}); err != nil || r.RC != 0 {
		t.Errorf("root gets %+v, %v", r, err)
	}
	if !strings.Contains(said.String(), "user 65534 may not command this daemon") {
		t.Errorf("the log has %s", said)
	}
}

// openToAll is a directory that everybody gets to: that of the test's own may be below one
// of root's, by TMPDIR.
func openToAll(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "trefoil-control-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// as runs f on a thread that is another user's; nothing else runs there any more.
func as(uid uintptr, f func() (*control.Reply, error)) (r *control.Reply, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // it ends with the goroutine
		if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, uid, uid, uid); e != 0 {
			err = e
			return
		}
		r, err = f()
	}()
	<-done
	return r, err
}

// lines is what a daemon says, for any goroutine.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
	more chan struct{} // closed by the next write; nil: nobody waits
}

// await waits until a text was said.
func (l *lines) await(t *testing.T, want string) {
	t.Helper()
	for limit := time.After(time.Minute); ; {
		l.mu.Lock()
		if l.more == nil {
			l.more = make(chan struct{})
		}
		text, more := l.text.String(), l.more
		l.mu.Unlock()
		if strings.Contains(text, want) {
			return
		}
		select {
		case <-more:
		case <-limit:
			t.Fatalf("the daemon does not say %q but %s", want, text)
		}
	}
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.more != nil {
		close(l.more)
		l.more = nil
	}
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
