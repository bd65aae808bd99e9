//go:build e2e

// Package interop shows what clients that others wrote read from a BMC: for each
// command the value that they print. The same tables are played to a machine in memory,
// whose readings are known to the digit, and to libvirt domains that are real QEMU
// processes, behind all of the daemon.
package interop

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/domain/fake"
	"trefoil/vbmc/ipmi"
	"trefoil/vbmc/ipmi/wire"
)

// row is a client's command and the value that it must print.
type row struct {
	// command has fields; ~ is a space inside one, HOME a directory. One that begins with
	// "until" is asked again until its value comes: a hypervisor counts when it likes.
	command string
	want    string // regular expression over several lines; {NAME} is a value of the bed
}

// bed is a BMC that clients are let loose on.
type bed struct {
	host   string
	port   int
	values map[string]string // what {NAME} stands for, as a regular expression
}

// inMemory serves a machine of four processors, with a quarter of its 4 GiB in use. Without
// suites it has those that a BMC has by default.
func inMemory(t *testing.T, address string, suites ...wire.Suite) (*fake.Machine, bed) {
	t.Helper()
	return inMemoryAt(t, address, time.Now, suites...)
}

// inMemoryAt has the BMC read a clock.
func inMemoryAt(t *testing.T, address string, now func() time.Time, suites ...wire.Suite) (*fake.Machine, bed) {
	t.Helper()
	uuid := [16]byte{0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0x4d, 0xef, 0x80, 1, 2, 3, 4, 5, 6, 7}
	m := fake.New(uuid)
	m.SetUsage(domain.Usage{VCPUs: 4, MemoryMax: 4 << 30, MemoryUsed: 1 << 30})
	b, err := ipmi.New(ipmi.Config{Machine: m, Username: "admin", Password: "secret", Name: "node-1", Suites: suites, Now: now})
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
	return m, bed{host: address, port: conn.LocalAddr().(*net.UDPAddr).Port, values: map[string]string{
		"UUID": "12345678-9abc-4def-8001-020304050607", "DIUU": backwards(uuid), "WIRE": onWire(uuid),
		"CPUS": "4", "MIB": "4096", "SOFT": "off",
		"C": "35", "RPM": "2400", "W": "60", "LOAD": "0", "MEM": "25",
	}}
}

// backwards is a UUID as FreeIPMI shows it: it knows the specification's byte order only,
// and BMCs have SMBIOS's.
func backwards(uuid [16]byte) string {
	d := turned(uuid)
	slices.Reverse(d)
	return dashed(d)
}

// onWire are the bytes of a UUID as BMCs send them, in ipmitool's writing.
func onWire(uuid [16]byte) string { return fmt.Sprintf("% x", turned(uuid)) }

func dashed(d []byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", d[0:4], d[4:6], d[6:8], d[8:10], d[10:])
}

// expectOff looks at the machine in memory when a client is through with it.
func expectOff(t *testing.T, m *fake.Machine, starts ...domain.Device) {
	t.Helper()
	if on, err := m.Power(); on || err != nil {
		t.Errorf("machine is on: %v, %v; want it off", on, err)
	}
	if got := m.Starts(); !slices.Equal(got, starts) {
		t.Errorf("machine booted from %v, want %v", got, starts)
	}
}

// clientLimit ends a client that hangs, and the wait for a value.
const clientLimit = 90 * time.Second

// output runs a client with a home of its own, where ipmitool looks for the names of vendors.
// The system's list of them has 5 MB, and each ipmitool reads it all before it says a word;
// that of a user comes before it.
func output(t *testing.T, home, stdin, name string, args ...string) ([]byte, error) {
	t.Helper()
	vendors := filepath.Join(home, ".local", "usr", "share", "misc", "enterprise-numbers.txt")
	if err := os.MkdirAll(filepath.Dir(vendors), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(vendors, []byte("0\n  Reserved\n    IANA\n      iana&iana.org\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), clientLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "HOME="+home, "TZ=UTC", "LC_ALL=C")
	cmd.Stdin = strings.NewReader(stdin)
	return cmd.CombinedOutput()
}

// pattern is what a row's value must match on this bed.
func (b bed) pattern(want string) *regexp.Regexp {
	for name, value := range b.values {
		want = strings.ReplaceAll(want, "{"+name+"}", value)
	}
	return regexp.MustCompile("(?s)" + want)
}

// play runs the rows of a table one after another. Without a program each row begins with one.
func (b bed) play(t *testing.T, rows []row, program string, common ...string) {
	t.Helper()
	home := t.TempDir()
	for _, r := range rows {
		command, again := strings.CutPrefix(r.command, "until ")
		args := strings.Fields(command)
		for i := range args {
			args[i] = strings.NewReplacer("~", " ", "HOME", home).Replace(args[i])
		}
		name := program
		if name == "" {
			name, args = args[0], args[1:]
		}
		args = append(slices.Clone(common), args...)
		want, began := b.pattern(r.want), time.Now()
		out, err := output(t, home, "", name, args...)
		for again && (err != nil || !want.Match(out)) && time.Since(began) < clientLimit {
			out, err = output(t, home, "", name, args...)
		}
		t.Logf("%4d ms %s", time.Since(began).Milliseconds(), r.command)
		if err != nil {
			t.Errorf("%s: %v\n%s", r.command, err, out)
		}
		if !want.Match(out) {
			t.Errorf("%s prints\n%s\nwant %q", r.command, out, want)
		}
	}
}

// ipmitool are the arguments in front of a command; user and password are admin's
// unless others are given.
func (b bed) ipmitool(suite string, login ...string) []string {
	if len(login) == 0 {
		login = []string{"admin", "secret"}
	}
	return []string{"-I", "lanplus", "-C", suite, "-H", b.host, "-p", strconv.Itoa(b.port), "-U", login[0], "-P", login[1]}
}

// freeipmi are the arguments of FreeIPMI's programs.
func (b bed) freeipmi(suite string) []string {
	return []string{"-D", "LAN_2_0", "-I", suite, "-h", net.JoinHostPort(b.host, strconv.Itoa(b.port)), "-u", "admin", "-p", "secret"}
}
