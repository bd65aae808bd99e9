//go:build e2e

package interop

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// TestSerialOverLAN types into the console of a real machine, on a terminal as people do:
// what was before the session is shown, the guest gets keys and a break, much text comes
// whole, and the client leaves.
func TestSerialOverLAN(t *testing.T) {
	l := startLab(t)
	b := l.bmc(t, "console", machine{})
	b.play(t, []row{{"power on", `Up/On`}}, "ipmitool", b.ipmitool("17")...)
	for _, c := range []struct{ name, command, keys, brk, leave string }{
		{"ipmitool", fmt.Sprintf("ipmitool -I lanplus -H 127.0.0.1 -p %d -U admin -P secret sol activate", b.port), "rot", "\r~B", "\r~."},
		{"ipmiconsole", fmt.Sprintf("ipmiconsole -h 127.0.0.1:%d -u admin -p secret", b.port), "use", "&B", "&."},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), clientLimit)
			defer cancel()
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
			see(t, out, "D", "")
			typed := func(keys, want string) {
				t.Helper()
				if _, err := io.WriteString(in, keys); err != nil {
					t.Fatal(err)
				}
				see(t, out, want, "D")
			}
			for _, key := range strings.Split(c.keys, "") { // what comes behind them is not of the client before
				typed(key, "<"+key+">")
			}
			typed("L", strings.Repeat("X", 4096))
			typed(c.brk, "<!>")
			io.WriteString(in, c.leave)
			io.Copy(io.Discard, out)
			if err := cmd.Wait(); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		})
	}
	b.play(t, []row{{"power off", `Down/Off`}}, "ipmitool", b.ipmitool("17")...)
}

// see reads until want came; the letter that the guest prints all the time may stand in
// between.
func see(t *testing.T, r io.Reader, want, between string) {
	t.Helper()
	var got strings.Builder
	buf := make([]byte, 4096)
	for !strings.Contains(got.String(), want) {
		n, err := r.Read(buf)
		text := string(buf[:n])
		if between != "" {
			text = strings.ReplaceAll(text, between, "")
		}
		got.WriteString(text)
		if err != nil {
			t.Fatalf("%v after %q, want %q", err, got.String(), want)
		}
	}
}
