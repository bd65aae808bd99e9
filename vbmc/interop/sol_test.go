//go:build e2e

package interop

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestSerialOverLAN types into the console of a real machine: that is a terminal, and another
// machine's a unix socket.
func TestSerialOverLAN(t *testing.T) {
	l := startLab(t)
	b := l.bmc(t, "console", machine{})
	socket := l.bmc(t, "socket", machine{serial: "<serial type='unix'><source mode='bind' path='" + l.Path("console.sock") + "'/></serial>"})
	ipmitool := func(b bed) string {
		return "ipmitool " + strings.Join(append(b.ipmitool("17"), "sol", "activate"), " ")
	}
	none := l.bmc(t, "none", machine{serial: "<!-- no serial port -->"})
	for _, b := range []bed{b, socket, none} {
		b.play(t, []row{{"power on", `Up/On`}}, "ipmitool", b.ipmitool("17")...)
	}
	for name, play := range map[string]func(*testing.T){
		"socket": func(t *testing.T) { typing(t, ipmitool(socket), "rot", "\r~B", "\r~.") },
		"none": func(t *testing.T) { // ipmitool learns it when somebody types
			nothing(t, ipmitool(none), "x\r", `no serial port.*SOL session closed by BMC\s*code 1\s*$`)
			nothing(t, fmt.Sprintf("ipmiconsole -h 127.0.0.1:%d -u admin -p secret", none.port), "", `no serial port.*closing the connection`)
		},
		"terminal": func(t *testing.T) { // what comes behind the keys of one client is not of the client before
			typing(t, ipmitool(b), "rot", "\r~B", "\r~.")
			typing(t, fmt.Sprintf("ipmiconsole -h 127.0.0.1:%d -u admin -p secret", b.port), "use", "&B", "&.")
		},
	} {
		t.Run(name, play)
	}
	for _, b := range []bed{b, socket, none} {
		b.play(t, []row{{"power off", `Down/Off`}}, "ipmitool", b.ipmitool("17")...)
	}
}

// nothing runs a client on a terminal until it ends, as there is no console; want is what it
// says, and its exit code.
func nothing(t *testing.T, command, keys, want string) {
	t.Helper()
	out, err := output(t, t.TempDir(), keys, "script", "-qfec", command+"; echo code $?", "/dev/null")
	if err != nil || !regexp.MustCompile("(?s)"+want).Match(out) {
		t.Errorf("%s: %v\n%s\nwant %q", command, err, out, want)
	}
}

// typing runs a client on a terminal as people do: what was before the session is shown, the
// guest gets keys and a break, much text comes whole, and the client leaves.
func typing(t *testing.T, command, keys, brk, leave string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), clientLimit)
	defer cancel()
	// A client wants a terminal; script(1) gives it one.
	cmd := exec.CommandContext(ctx, "script", "-qfec", command, "/dev/null")
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
	for _, key := range strings.Split(keys, "") {
		typed(key, "<"+key+">")
	}
	typed("L", strings.Repeat("X", 4096))
	typed(brk, "<!>")
	io.WriteString(in, leave)
	io.Copy(io.Discard, out)
	if err := cmd.Wait(); err != nil {
		t.Errorf("%s: %v", command, err)
	}
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
