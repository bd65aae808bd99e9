//go:build e2e

package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/domain/fake"
	"trefoil/vbmc/ipmi"
)

// uuid is the machine's, 12345678-9abc-4def-8001-020304050607.
func uuid() [16]byte {
	return [16]byte{0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0x4d, 0xef, 0x80, 1, 2, 3, 4, 5, 6, 7}
}

// start serves a machine of four processors, with a quarter of its 4 GiB in use.
func start(t *testing.T, address string) (*fake.Machine, int) {
	t.Helper()
	m := fake.New(uuid())
	m.SetUsage(domain.Usage{VCPUs: 4, MemoryMax: 4 << 30, MemoryUsed: 1 << 30})
	b, err := ipmi.New(ipmi.Config{Machine: m, Username: "admin", Password: "secret", Name: "node-1"})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := ipmi.Listen(address, 0)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- b.Serve(t.Context(), conn) }()
	t.Cleanup(func() {
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return m, conn.LocalAddr().(*net.UDPAddr).Port
}

// clientLimit ends a client that hangs.
const clientLimit = 30 * time.Second

// output runs a client with a home of its own: FreeIPMI keeps sensor records there.
func output(t *testing.T, home, stdin, name string, args ...string) ([]byte, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), clientLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "HOME="+home, "TZ=UTC", "LC_ALL=C")
	cmd.Stdin = strings.NewReader(stdin)
	return cmd.CombinedOutput()
}

// play runs the rows of a table one after another on one BMC.
func play(t *testing.T, rows []row, name string, common ...string) {
	t.Helper()
	home := t.TempDir()
	for _, r := range rows {
		args := strings.Fields(r.command)
		for i := range args {
			args[i] = strings.NewReplacer("~", " ", "HOME", home).Replace(args[i])
		}
		program := name
		if program == "" {
			program, args = args[0], args[1:]
		}
		began := time.Now()
		out, err := output(t, home, "", program, append(append([]string(nil), common...), args...)...)
		t.Logf("%4d ms %s", time.Since(began).Milliseconds(), r.command)
		if err != nil {
			t.Errorf("%s: %v\n%s", r.command, err, out)
		}
		r.check(t, string(out))
	}
}

func (r row) check(t *testing.T, out string) {
	t.Helper()
	if !regexp.MustCompile("(?s)" + r.want).MatchString(out) {
		t.Errorf("%s prints\n%s\nwant %q", r.command, out, r.want)
	}
}

// evaluator logs in once and evaluates an expression for each row; c is the session.
const evaluator = `
import json, sys
from pyghmi.ipmi import command
host, port, rows = json.load(sys.stdin)
c = command.Command(bmc=host, port=port, userid='admin', password='secret', keepalive=False)
out = []
for r in rows:
    try:
        out.append(repr(eval(r)))
    except Exception as e:
        out.append('error: %r' % e)
c.ipmi_session.logout()
print(json.dumps(out))
`

// evaluate runs the rows in pyghmi, all in one session.
func evaluate(t *testing.T, rows []row, host string, port int) {
	t.Helper()
	var commands []string
	for _, r := range rows {
		commands = append(commands, r.command)
	}
	in, err := json.Marshal([]any{host, port, commands})
	if err != nil {
		t.Fatal(err)
	}
	// Debian's own Python has Debian's pyghmi.
	out, err := output(t, t.TempDir(), string(in), "/usr/bin/python3", "-c", evaluator)
	var got []string
	if err == nil {
		err = json.Unmarshal(bytes.TrimSpace(out), &got)
	}
	if err != nil || len(got) != len(rows) {
		t.Fatalf("pyghmi: %v\n%s", err, out)
	}
	for i, r := range rows {
		r.check(t, got[i])
	}
}

func lanplus(suite, host string, port int) []string {
	return []string{"-I", "lanplus", "-C", suite, "-H", host, "-p", strconv.Itoa(port), "-U", "admin", "-P", "secret"}
}

func freeipmi(suite string, port int) []string {
	return []string{"-D", "LAN_2_0", "-I", suite, "-h", "127.0.0.1:" + strconv.Itoa(port), "-u", "admin", "-p", "secret"}
}
