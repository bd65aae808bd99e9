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
)

// clientLimit ends a client that hangs.
const clientLimit = 40 * time.Second

// TestSOLClients types into the console with real clients, on a terminal as people
// do: text of before the session, keys, a break, much text, and leaving.
func TestSOLClients(t *testing.T) {
	m, port := startBMC(t)
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
		long := strings.Repeat("0123456789", 500)
		m.Print(long + "$ ")
		if got := see(t, c.name, out, "$ "); !strings.Contains(got, long) {
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
