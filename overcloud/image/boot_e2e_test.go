//go:build e2e

package image

import (
	"path/filepath"
	"strings"
	"testing"

	"trefoil/overcloud/image/imagetest"
)

func checkMachine(m *imagetest.VM) {
	m.T.Helper()
	if got := m.Run("hostname"); got != imagetest.Name+".localdomain" {
		m.T.Errorf("host name %q", got)
	}
	if got := m.Run("ip -br -4 addr show eth0"); !strings.Contains(got, imagetest.Address+"/24") {
		m.T.Errorf("address: %s", got)
	}
	if got := m.Run("sudo -n whoami"); got != "root" {
		m.T.Errorf("sudo gives %q", got)
	}
	m.T.Log(m.Run("systemctl is-system-running --wait; systemd-analyze; systemd-analyze blame | head -12; journalctl -b -o cat -u os-first-boot; df -h / | tail -1; free -m | sed -n 2p"))
	if got := m.Run("systemctl --failed --no-legend --plain"); got != "" {
		m.T.Errorf("failed units: %s\n%s", got, m.Run("sudo journalctl -b -p warning --no-pager | tail -30"))
	}
	if got := m.Run(`sudo ss -Hlntu | awk '$5 !~ /:22$/'`); got != "" {
		m.T.Errorf("something beside ssh listens:\n%s", got)
	}
	if got := m.Run("df --output=size -BG / | tail -1"); strings.TrimSpace(got) != "8G" {
		m.T.Errorf("root filesystem was not grown to the disk of 8 GB: %s", got)
	}
	if got := m.Run("ps -C systemd -o args= | grep -- --user; true"); got != "" {
		m.T.Errorf("a login starts %s", got)
	}
	if got := m.Run("cat /sys/devices/system/clocksource/clocksource0/current_clocksource"); got != "tsc" && m.Run("sudo dmesg | grep -c 'PIT calibration deviates'; true") == "0" {
		m.T.Errorf("the clock is %s, want tsc: GRUB did not see QEMU's SMBIOS; /proc/cmdline: %s", got, m.Run("cat /proc/cmdline"))
	}
	if got := m.Run("cd /proc/sys/kernel && echo $(cat softlockup_panic panic watchdog_thresh)"); strings.TrimSpace(got) != "1 10 60" {
		m.T.Errorf("a stuck kernel does not start anew: softlockup_panic, panic, watchdog_thresh are %s", got)
	}
	for _, g := range maskedGenerators {
		if got := m.Run("readlink /etc/systemd/system-generators/" + g + "; true"); got != "/dev/null" {
			m.T.Errorf("systemd still runs %s at each daemon-reload: %q", g, got)
		}
	}
	// 1 is an address of the kernel's making; 3 would be one that udev set afterwards.
	if got := m.Run("sudo ip link add probe0 type bridge && sudo udevadm settle && cat /sys/class/net/probe0/addr_assign_type && sudo ip link delete probe0"); got != "1" {
		m.T.Errorf("udev gives new devices addresses of its own (addr_assign_type %s): it would change those of Neutron's ports", got)
	}
	if got := m.Run("cat /etc/machine-id"); len(got) != 32 {
		m.T.Errorf("machine-id %q", got)
	}
}

// By BIOS it boots in internal/e2e, on the controller.
func TestImageBootsByUEFI(t *testing.T) {
	const code, vars = "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"
	own := filepath.Join(t.TempDir(), "vars.fd")
	if err := copyFile(vars, own, 0o600); err != nil {
		t.Fatalf("%v (package ovmf)", err)
	}
	m := imagetest.Boot(t, imagetest.OvercloudFull(t), "-machine", "q35",
		"-drive", "if=pflash,unit=0,format=raw,readonly=on,file="+code, "-drive", "if=pflash,unit=1,format=raw,file="+own)
	checkMachine(m)
	checkAddress(m)
	checkClock(m)
}

// checkClock has Linux say that it measured the time stamp counter wrong, as it does at boot.
func checkClock(m *imagetest.VM) {
	m.T.Helper()
	const source = "/sys/devices/system/clocksource/clocksource0/current_clocksource"
	m.Run(`echo "<4>tsc: PIT calibration deviates from HPET: 94013 2445486" | sudo tee /dev/kmsg && sudo systemctl restart emulated-processor`)
	if got := m.Run("cat " + source); got != "hpet" {
		m.T.Errorf("the clock is %s on a machine whose time stamp counter was measured wrong, want hpet", got)
	}
}
