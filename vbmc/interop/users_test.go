//go:build e2e

package interop

import (
	"regexp"
	"testing"
)

// usersTable makes users as people do, and logs in as them.
func usersTable(t *testing.T, b bed) {
	t.Helper()
	b.play(t, []row{
		{"user set name 3 maas", ``},
		{"user set password 3 a~password~of~20~byt 20", ``},
		{"user enable 3", ``},
		{"user test 3 20 a~password~of~20~byt", `Success`},
		{"channel setaccess 1 3 callin=on ipmi=on link=on privilege=4", ``},
		{"channel getaccess 1 3", `User Name +: maas\n.*Privilege Level +: ADMINISTRATOR\n.*Enable Status +: enabled`},
		{"user set name 4 watcher", ``},
		{"user set password 4 look", ``},
		{"user enable 4", ``},
		{"user priv 4 2 1", ``},
		{"user list 1", `2   admin .*3   maas             true    true       true       ADMINISTRATOR\n4   watcher .*USER\n`},
		{"sol payload status 1 3", `User 3 on channel 1 is enabled`},
	}, "ipmitool", b.ipmitool("17")...)
	watcher := b.ipmitool("17", "watcher", "look")
	b.play(t, []row{{"-L USER power status", `Power is off`}}, "ipmitool", watcher...)
	b.refused(t, "a USER switches", `Insufficient privilege level`, append(watcher, "-L", "USER", "power", "on")...)
	b.refused(t, "a USER asks to be ADMINISTRATOR", wrongKey, append(watcher, "power", "status")...)
	b.play(t, []row{
		{"user list 1", `3   maas`},
		{"power on", `Up/On`},
		{"user set password 3 another", ``},
	}, "ipmitool", b.ipmitool("17", "maas", "a password of 20 byt")...)
	b.play(t, []row{{"user disable 4", ``}, {"user list 1", `watcher`}, {"power off", `Down/Off`}}, "ipmitool", b.ipmitool("17", "maas", "another")...)
	b.refused(t, "the old password", wrongKey, append(b.ipmitool("17", "maas", "a password of 20 byt"), "power", "status")...)
	b.refused(t, "a disabled user", wrongKey, append(watcher, "-L", "USER", "power", "status")...)
}

// refused is what ipmitool must not succeed with, and its words for the BMC's answer: a BMC
// that says nothing at all does not let anybody in either.
func (b bed) refused(t *testing.T, who, want string, args ...string) {
	t.Helper()
	out, err := output(t, t.TempDir(), "", "ipmitool", append([]string{"-v"}, args...)...)
	if err == nil {
		t.Errorf("%s and is let: %s", who, out)
	}
	if !regexp.MustCompile(want).Match(out) || regexp.MustCompile(`(?i)time-?out|timed out|no response`).Match(out) {
		t.Errorf("%s and reads\n%s\nwant %q", who, out, want)
	}
}
