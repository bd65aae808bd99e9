//go:build e2e

package interop

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"trefoil/vbmc/libvirt"
)

// undefinedDomain: a domain that is gone while its BMC serves is told as that, and comes back by
// itself.
func undefinedDomain(t *testing.T, l *lab, b bed, name string) {
	t.Helper()
	tool := func(rows ...row) { t.Helper(); b.play(t, rows, "ipmitool", b.ipmitool("17")...) }
	xml, err := l.conn.DomainXML(t.Context(), name, libvirt.XMLInactive)
	if err == nil {
		err = l.conn.UndefineDomain(t.Context(), name, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	b.refusedAtLast(t, "raw 0 1", `rsp=0xd5`)
	b.refused(t, "power on of no machine", `not supported in present state`, append(b.ipmitool("17"), "power", "on")...)
	tool(row{"mc selftest", `passed`}) // the BMC itself is well
	if _, err := l.conn.DefineDomain(t.Context(), xml); err != nil {
		t.Fatal(err)
	}
	tool(row{"until power status", `^Chassis Power is off\s*$`}, row{"power on", `Up/On`}, row{"until power status", `^Chassis Power is on\s*$`})
}

// killedLibvirtd ends libvirtd in the middle of a command to a machine that is on. Nobody knows
// its state then, and that is what the BMC tells, until libvirtd is back.
func killedLibvirtd(t *testing.T, l *lab, b bed, name string) {
	t.Helper()
	l.Freeze(t)
	b.play(t, []row{ // all that is read is known already
		{"chassis status", `System Power +: on\n`},
		{"chassis bootparam get 5", `Boot Device Selector : No override`},
		{"sel info", `Version +: 1.5 `},
	}, "ipmitool", b.ipmitool("17")...)
	asked := l.commands(name)
	home, end := t.TempDir(), make(chan string, 1)
	go func() {
		out, _ := output(t, home, "", "ipmitool", append(b.ipmitool("17"), "power", "off")...)
		end <- string(out)
	}()
	l.asked(t, name, asked+2) // the level of the session, and then the command
	l.Stop()
	// Whoever has waited for 2.5 s was told that it is accepted.
	if out := <-end; !strings.Contains(out, "Node busy") && !strings.Contains(out, "Down/Off") {
		t.Errorf("power off reads %s", out)
	}
	b.refusedAtLast(t, "raw 0 1", `rsp=0xc0`)
	b.refused(t, "power on without libvirtd", `Node busy`, append(b.ipmitool("17"), "power", "on")...)
	l.Start(t)
	if err := l.conn.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.play(t, []row{
		{"until power status", `^Chassis Power is on\s*$`},
		{"power off", `Down/Off`},
		{"until power status", `^Chassis Power is off\s*$`},
		{"sel elist", `Hypervisor \| Controller access degraded or unavailable \| Asserted\n.*Hypervisor \| Controller access degraded or unavailable \| Deasserted\n`},
	}, "ipmitool", b.ipmitool("17")...)
	l.isOff(t, name)
}

// refusedAtLast asks until the BMC refuses with a code; it is told of a change a little later.
func (b bed) refusedAtLast(t *testing.T, command, want string) {
	t.Helper()
	began := time.Now()
	for {
		out, err := output(t, t.TempDir(), "", "ipmitool", append(b.ipmitool("17"), strings.Fields(command)...)...)
		switch {
		case err != nil && regexp.MustCompile(want).Match(out):
			return
		case time.Since(began) > clientLimit:
			t.Fatalf("%s reads\n%s\nwant %s", command, out, want)
		}
	}
}

// commands is how many a BMC has answered, or is about to.
func (l *lab) commands(name string) uint64 {
	for _, s := range l.manager.Stats() {
		if s.Domain == name {
			return s.Commands
		}
	}
	return 0
}

// asked waits until a BMC has got so many commands.
func (l *lab) asked(t *testing.T, name string, n uint64) {
	t.Helper()
	for began := time.Now(); l.commands(name) < n; time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > clientLimit {
			t.Fatalf("%d commands, want %d", l.commands(name), n)
		}
	}
}
