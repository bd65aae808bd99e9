package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const unitFile = "../../examples/vbmcd.service"

// TestUnitIsWhatSystemdTakes asks systemd itself, offline: it knows every line, and calls
// the sandbox good (an exposure of 3.0 of 10 at most; 9.6 is a service without any).
func TestUnitIsWhatSystemdTakes(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Fatalf("%v: it is of Debian's package systemd, which scripts/deps installs", err)
	}
	// verify also looks for the program, which is installed later.
	here := filepath.Join(t.TempDir(), "vbmcd.service")
	text := strings.ReplaceAll(read(t, unitFile), "/usr/local/bin/vbmcd", "/bin/true")
	if err := os.WriteFile(here, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"verify", here}, {"security", "--offline=true", "--threshold=30", "--no-pager", here}} {
		out, err := exec.Command(analyze, args...).CombinedOutput()
		if err != nil || args[0] == "verify" && len(out) > 0 {
			t.Errorf("systemd-analyze %v: %v\n%s", args, err, out)
		}
	}
}

// TestUnitLeavesWhatTheDaemonNeeds: a unit that is shut in further does not work; the
// reasons are in the unit and in docs/vbmc.md.
func TestUnitLeavesWhatTheDaemonNeeds(t *testing.T) {
	unit := map[string][]string{}
	for line := range strings.Lines(read(t, unitFile)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(key, "#") {
			unit[key] = append(unit[key], strings.Fields(value)...)
		}
	}
	for key, needs := range map[string][]string{
		"CapabilityBoundingSet":   {"CAP_NET_BIND_SERVICE", "CAP_DAC_OVERRIDE"},
		"RestrictAddressFamilies": {"AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK"},
		"ReadWritePaths":          {"-/root/.vbmc"},
		"ProtectHome":             {"read-only"}, // keys of ssh, certificates
		"Environment":             {"HOME=/root"},
		"ExecReload":              {"-HUP"},
		"ExecStartPre":            {"+/bin/mkdir", "/root/.vbmc"}, // a path that is not there cannot be made writable
		"Type":                    {"notify"},                     // notify.go
		"After":                   {"libvirt-guests.service"},     // what it stops was on: TestRestorePolicy, "both restarted"
		"KillMode":                {"mixed"},                      // ssh is not killed under its user
		"Restart":                 {"on-failure"},
		"StartLimitIntervalSec":   {"0"},
	} {
		for _, n := range needs {
			if !slices.Contains(unit[key], n) {
				t.Errorf("%s=%v lacks %s", key, unit[key], n)
			}
		}
	}
	for key, why := range map[string]string{
		"ProcSubset":          "/proc/sys/kernel/random/boot_id tells boots of the host apart",
		"PrivateNetwork":      "it serves the network",
		"PrivateUsers":        "libvirt and the consoles see another user then",
		"User":                "libvirt asks polkit for others than root",
		"DynamicUser":         "libvirt asks polkit for others than root",
		"IPAddressDeny":       "BMCs are asked from anywhere",
		"RootDirectory":       "libvirt's socket, ssh and certificates are the host's",
		"RestrictFileSystems": "the directory may be on any",
	} {
		if unit[key] != nil {
			t.Errorf("%s=%v: %s", key, unit[key], why)
		}
	}
}
