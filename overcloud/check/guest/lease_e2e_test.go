//go:build e2e

package guest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"trefoil/overcloud/check/guest"
)

// leases are what two networks' DHCP servers give, and the kernel's answer to where
// things then go. Bridges stand for the guest's interfaces; root and a namespace do.
const leases = `
mount -t tmpfs none /run
for nic in eth0 eth1; do ip link add $nic type bridge; ip link set $nic up; done
export PATH=$APPLETS
interface=eth0 ip=10.213.1.5 mask=24 router=10.213.1.1 mtu=1450 sh lease bound
interface=eth1 ip=10.213.2.6 mask=24 staticroutes='169.254.169.254/32 10.213.2.2 0.0.0.0/0 10.213.2.1' router=10.213.2.9 sh lease bound
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
for to in '10.213.1.9 from 10.213.1.5' '10.213.1.9 from 10.213.2.6' 10.213.1.9 8.8.8.8 169.254.169.254; do ip route get $to | head -n 1; done
`

// What comes in through one network is answered through it, and neighbours are reached without the router:
// else the pings would prove other ways than the check says.
func TestLeaseRoutes(t *testing.T) {
	applets := t.TempDir()
	if out, err := exec.Command(guest.BusyBox, "--install", "-s", applets).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	script := filepath.Join(t.TempDir(), "leases")
	if err := os.WriteFile(script, []byte(leases), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("unshare", "--mount", "--net", "sh", "-e", script)
	cmd.Env = append(os.Environ(), "APPLETS="+applets)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{
		"10.213.1.9 from 10.213.1.5 dev eth0", // a neighbour: not through the router
		"10.213.1.9 from 10.213.2.6 via 10.213.2.1 dev eth1",
		"10.213.1.9 dev eth0 src 10.213.1.5",
		"8.8.8.8 via 10.213.1.1 dev eth0",
		"169.254.169.254 via 10.213.2.2 dev eth1",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}
