//go:build e2e

package ipmi

import (
	"context"
	"io"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"trefoil/vbmc/domain/fake"
)

// clientLimit ends a client that hangs.
const clientLimit = 40 * time.Second

// TestSOLClients types into the console with real clients, on a terminal as people
// do: text of before the session, keys, a break, much text, and leaving.
func TestSOLClients(t *testing.T) {
	m, port := startLow(t)
	if err := m.On(context.Background()); err != nil {
		t.Fatal(err)
	}
	for !m.Print("text of before the session\r\n") {
		runtime.Gosched()
	}
	p := strconv.Itoa(port)
	for _, c := range []struct{ name, command, brk, leave string }{
		{"ipmitool", "ipmitool -I lanplus -H 127.0.0.1 -p " + p + " -U admin -P secret sol activate", "\r~B", "\r~."},
		{"ipmiconsole", "ipmiconsole -h 127.0.0.1:" + p + " -u admin -p secret", "&B", "&."},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), clientLimit)
		// A client wants a terminal; script(1) gives it one.
		cmd := exec.CommandContext(ctx, "script", "-qfec", c.command, "/dev/null")
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		breaks, before := m.Breaks(), len(m.Typed())
		see(t, c.name, out, "text of before the session")
		long := strings.Repeat(c.name, 500) // what the client before saw is shown again
		m.Print(long + "$ " + c.name)
		if got := see(t, c.name, out, "$ "+c.name); !strings.Contains(got, long) {
			t.Errorf("%s: %d characters came as %q", c.name, len(long), got)
		}
		io.WriteString(in, "root")
		for !strings.Contains(m.Typed()[before:], "root") && ctx.Err() == nil {
			runtime.Gosched()
		}
		io.WriteString(in, c.brk)
		for m.Breaks() == breaks && ctx.Err() == nil {
			runtime.Gosched()
		}
		io.WriteString(in, c.leave)
		io.Copy(io.Discard, out)
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		cancel()
	}
}

// startLow serves a fake machine on a port below 32768: ipmiconsole says "hostname
// invalid" to higher ones.
func startLow(t *testing.T) (*fake.Machine, int) {
	t.Helper()
	m := fake.New([16]byte{1})
	b, err := New(Config{Machine: m, Username: "admin", Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	for port := 16700; port < 16800; port++ {
		conn, err := Listen("127.0.0.1", port)
		if err != nil {
			continue
		}
		done := make(chan error, 1)
		go func() { done <- b.Serve(t.Context(), conn) }()
		t.Cleanup(func() {
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
		return m, port
	}
	t.Fatal("no free port")
	return nil, 0
}

// see reads until want came.
func see(t *testing.T, name string, r io.Reader, want string) string {
	t.Helper()
	var got strings.Builder
	buf := make([]byte, 4096)
	for !strings.Contains(got.String(), want) {
		n, err := r.Read(buf)
		got.Write(buf[:n])
		if err != nil {
			t.Fatalf("%s: %v after %q, want %q", name, err, got.String(), want)
		}
	}
	return got.String()
}
