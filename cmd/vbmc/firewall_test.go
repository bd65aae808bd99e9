package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDoctorReadsTheFirewallForItsDaemon: nft lets the command read the packet filter, and
// the daemon, which comes second, not.
func TestDoctorReadsTheFirewallForItsDaemon(t *testing.T) {
	home, bin := t.TempDir(), t.TempDir()
	dir := filepath.Join(home, ".vbmc", "a")
	const nft = `#!/bin/sh
mkdir "$0.once" 2>/dev/null || { echo "Operation not permitted" >&2; exit 1; }
echo "table inet firewalld {
	chain filter_INPUT {
		type filter hook input priority filter + 10; policy accept;
		reject with icmpx admin-prohibited
	}
}"
`
	config := "[VirtualBMC]\nport = 6999\naddress = 0.0.0.0\nlibvirt_uri = qemu+unix:///system?socket=" + home + "/none\n"
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "config"), []byte(config), 0o600),
		os.WriteFile(filepath.Join(bin, "nft"), []byte(nft), 0o755)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	startDaemon(t, home)
	for _, want := range []string{"firewall-cmd --permanent --add-port=6999/udp", "run vbmc doctor as root"} {
		if _, out, errs := vbmc(t, home, "--no-daemon", "doctor"); !strings.Contains(errs, "hint, firewall of all: "+want) {
			t.Errorf("want %q:\n%s%s", want, out, errs)
		}
	}
}
