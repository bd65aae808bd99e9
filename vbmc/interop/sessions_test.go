//go:build e2e

package interop

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
)

// sessionsTable is how clients log in: with each cipher suite one after another, on both
// families of addresses, and with a BMC key.
func sessionsTable(t *testing.T, l *lab) {
	t.Helper()
	const all = "1,2,3,6,7,8,15,16,17"
	b4 := l.bmc(t, "sessions", machine{suites: all})
	b6 := b4
	b6.host = "::1"
	b4.play(t, []row{{"power on", `Up/On`}, {"until power status", `is on`}}, "ipmitool", b4.ipmitool("1")...)
	for _, suite := range []int{1, 2, 3, 6, 7, 8, 15, 16, 17} {
		s := strconv.Itoa(suite)
		b4.play(t, []row{{"lan set 1 snmp suite-" + s, `suite-` + s}}, "ipmitool", b4.ipmitool(s)...)
		b6.play(t, []row{{"lan print 1", `SNMP Community String +: suite-` + s + `\n`}}, "ipmitool", b6.ipmitool(s)...)
		b4.play(t, []row{{"ipmipower --stat", `: on\s*$`}}, "", b4.freeipmi(s)...)
		b6.play(t, []row{{"bmc-info", `IPMI Version +: 2.0\n`}}, "", b6.freeipmi(s)...)
		if slices.Contains(goipmiSuites(), suite) {
			goipmiSuite(t, map[bool]bed{true: b4, false: b6}[suite == 3], suite, true)
		}
	}
	for _, r := range refusals() {
		b4.refused(t, r.who, r.want, append(r.args, "-H", b4.host, "-p", strconv.Itoa(b4.port), "power", "status")...)
	}
	l.edit(t, "sessions", "cipher_suites", "17")
	b4.refused(t, "suite 3 is not served any more", noAuth, append(b4.ipmitool("3"), "power", "status")...)
	kgRows(t, l, b4)
	b4.play(t, []row{{"power off", `Down/Off`}}, "ipmitool", append(b4.ipmitool("17"), "-k", textKG)...)
	l.isOff(t, "sessions")
}

// What ipmitool says of the BMC's refusals. That of a wrong name, password or level is in its
// answer RAKP 2: a code made of another password.
const (
	wrongKey    = `RAKP 2 HMAC is invalid`
	wrongBMCKey = `RAKP 4 message has invalid integrity check value`
	noAuth      = `Error in open session response message : invalid authentication algorithm`
	noIntegrity = `Error in open session response message : invalid integrity algorithm`
)

// refusal is a login that is met with an answer, and not with silence.
type refusal struct {
	who, want string
	args      []string
}

func refusals() []refusal {
	plus := func(suite, user, password string) []string {
		return []string{"-I", "lanplus", "-C", suite, "-U", user, "-P", password}
	}
	return []refusal{
		{"a wrong password", wrongKey, plus("17", "admin", "wrong")},
		{"an unknown user", wrongKey, plus("17", "nobody", "secret")},
		{"suite 0", noAuth, plus("0", "admin", "secret")},
		{"suite 11", noIntegrity, plus("11", "admin", "secret")},
		{"IPMI 1.5", `Authentication type`, []string{"-I", "lan", "-U", "admin", "-P", "secret"}},
	}
}

// textKG can be given as text and in hexadecimal digits.
const textKG = "a-BMC-key-of-20-byte"

// kgRows log in with the BMC key, and not without it or with another.
func kgRows(t *testing.T, l *lab, b bed) {
	t.Helper()
	hex := fmt.Sprintf("%x", textKG)
	l.edit(t, "sessions", "kg", "0x"+hex)
	status := []row{{"power status", `Chassis Power is on`}}
	b.play(t, status, "ipmitool", append(b.ipmitool("17"), "-k", textKG)...)
	b.play(t, status, "ipmitool", append(b.ipmitool("17"), "-y", hex)...)
	b.play(t, []row{{"ipmipower --stat", `: on\s*$`}, {"bmc-info", `IPMI Version +: 2.0\n`}}, "", append(b.freeipmi("17"), "-k", "0x"+hex)...)
	b.play(t, []row{{"ipmipower --stat", `: on\s*$`}}, "", append(b.freeipmi("17"), "-k", textKG)...)
	b6 := b
	b6.host = "::1"
	b6.pyghmi(t, textKG, []row{
		{"c.get_power()", `^{'powerstate': 'on'}$`},
		{"login('another')", `wrong Kg`},
		{"c.get_power()", `^{'powerstate': 'on'}$`}, // the first session is well
	})
	b.refused(t, "no BMC key", wrongBMCKey, append(b.ipmitool("17"), "power", "status")...)
	b.refused(t, "another BMC key", wrongBMCKey, append(b.ipmitool("17"), "-k", "another", "power", "status")...)
	if out, err := output(t, t.TempDir(), "", "bmc-info", append(b.freeipmi("17"), "-k", "another")...); err == nil {
		t.Errorf("FreeIPMI is let in with another BMC key: %s", out)
	}
}

// edit changes a key of a BMC's configuration.
func (l *lab) edit(t *testing.T, name, key, value string) {
	t.Helper()
	if _, beside, err := l.manager.Edit(name, map[string]string{key: value}); err != nil || beside != nil {
		t.Fatal(err)
	}
}
