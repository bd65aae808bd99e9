//go:build e2e

package install

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"trefoil/undercloud/config"
)

const transitEnv = "TREFOIL_TRANSIT_E2E"

// TestAKilledMoveLosesNoRoute leaves the network as a kill at the worst instant
// does, in a network namespace of its own, and runs again.
func TestAKilledMoveLosesNoRoute(t *testing.T) {
	if os.Getenv(transitEnv) != "" {
		killedMove(t)
		return
	}
	ns := fmt.Sprintf("trefoil-transit-%d", os.Getpid())
	ip(t, "netns add "+ns)
	t.Cleanup(func() { ip(t, "netns del "+ns) })
	for _, c := range []string{"link set lo up", "link add prov0 type veth peer name wire0", "link set wire0 up", "link set prov0 up",
		"addr add 10.99.0.2/24 dev prov0", "route add default via 10.99.0.1", "route add 172.16.0.0/12 via 10.99.0.1 metric 50"} {
		ip(t, "-n "+ns+" "+c)
	}
	cmd := exec.Command("ip", "netns", "exec", ns, os.Args[0], "-test.run", "^TestAKilledMoveLosesNoRoute$", "-test.v")
	cmd.Env = append(os.Environ(), transitEnv+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("inside: %v\n%s", err, out)
	}
}

func ip(t *testing.T, args string) string {
	t.Helper()
	out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput()
	if err != nil {
		t.Fatalf("ip %s: %v\n%s", args, err, out)
	}
	return string(out)
}

func killedMove(t *testing.T) {
	in := newInstaller(t, strings.Replace(good, "eth0", "prov0", 1))
	svc := &config.Service{Config: *in.conf, StateDir: t.TempDir(), Bridge: config.Bridge}
	member, err := netlink.LinkByName("prov0")
	if err != nil {
		t.Fatal(err)
	}
	rec := &netRecord{}
	if err := rememberInterface(rec, member, svc.StateDir); err != nil {
		t.Fatal(err)
	}
	routes, err := gatewayRoutes(member)
	if err != nil || len(routes) != 2 {
		t.Fatalf("%+v, %v", routes, err)
	}
	boot, err := bootID()
	if err != nil {
		t.Fatal(err)
	}
	// Killed after the record and the last address: with it went the routes.
	rec.Transit = rec.take(boot, rec.Addresses, routes)
	if err := rec.save(svc.StateDir); err != nil {
		t.Fatal(err)
	}
	ip(t, "addr del 10.99.0.2/24 dev prov0")
	for range 2 {
		if err := EnsureNetwork(t.Context(), svc, in.ConfigRoot); err != nil {
			t.Fatal(err)
		}
		checkRoutes(t, config.Bridge)
		if rec, err = loadRecord(svc.StateDir); err != nil || rec.Transit != nil {
			t.Errorf("still on its way: %+v, %v", rec.Transit, err)
		}
	}
	// Killed after the bridge was removed.
	bridge, err := netlink.LinkByName(config.Bridge)
	if err != nil {
		t.Fatal(err)
	}
	if err := rec.leaveBridge(svc.StateDir, bridge); err != nil {
		t.Fatal(err)
	}
	if rec, err = loadRecord(svc.StateDir); err != nil {
		t.Fatal(err)
	}
	if err := restoreNetwork(rec, svc.StateDir); err != nil {
		t.Fatal(err)
	}
	checkRoutes(t, "prov0")
}

func checkRoutes(t *testing.T, dev string) {
	t.Helper()
	got := ip(t, "route show")
	for _, want := range []string{"default via 10.99.0.1 dev " + dev, "172.16.0.0/12 via 10.99.0.1 dev " + dev, "10.99.0.0/24 dev " + dev} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}
