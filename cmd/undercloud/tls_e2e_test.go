//go:build e2e

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const tlsConf = `[DEFAULT]
undercloud_hostname = undercloud.openstack.rnd
local_ip = 192.168.255.1/24
network_gateway = 192.168.255.1
undercloud_public_host = 192.168.255.2
undercloud_admin_host = 192.168.255.3
generate_service_certificate = true
local_interface = prov0
network_cidr = 192.168.255.0/24
masquerade = false
dhcp_start = 192.168.255.11
dhcp_end = 192.168.255.50
inspection_iprange = 192.168.255.51,192.168.255.100
`

// TestPublicEndpointsWithTLS installs an undercloud with a certificate of its own
// authority in a network namespace and asks it with Debian's client and with ours.
func TestPublicEndpointsWithTLS(t *testing.T) {
	bin := os.Getenv("TREFOIL_BIN")
	if bin == "" || os.Geteuid() != 0 {
		t.Fatal("this test needs root, and the programs in TREFOIL_BIN: make test")
	}
	ns, home, root := fmt.Sprintf("trefoil-tls-%d", os.Getpid()), t.TempDir(), t.TempDir()
	inside := func(script string) (string, error) {
		cmd := exec.Command("ip", "netns", "exec", ns, "bash", "-euo", "pipefail", "-c", "cd; "+script)
		cmd.Env = []string{"PATH=" + bin + ":/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + home, "LC_ALL=C.UTF-8",
			"UNDERCLOUD_STATE_DIR=" + filepath.Join(home, "state"), "UNDERCLOUD_CONFIG_ROOT=" + root}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	ok := func(script string, want ...string) {
		t.Helper()
		out, err := inside(script)
		if err != nil {
			t.Fatalf("%s: %v\n%s", script, err, out)
		}
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("%s: no %q in\n%s", script, w, out)
			}
		}
	}
	for _, c := range []string{"netns add " + ns, "-n " + ns + " link set lo up", "-n " + ns + " link add prov0 type veth peer name wire0",
		"-n " + ns + " link set wire0 up", "-n " + ns + " link set prov0 up"} {
		if out, err := exec.Command("ip", strings.Fields(c)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v\n%s", c, err, out)
		}
	}
	t.Cleanup(func() {
		if out, err := inside("openstack undercloud uninstall --purge"); err != nil {
			t.Errorf("uninstall: %v\n%s", err, out)
		}
		if out, err := exec.Command("ip", "netns", "del", ns).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
	for path, text := range map[string]string{filepath.Join(home, "undercloud.conf"): tlsConf, filepath.Join(root, "etc", "hosts"): "127.0.0.1 localhost\n"} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	const debian = "source stackrc; /usr/bin/openstack "
	ok("openstack undercloud install", "Made "+home+"/state/tls/undercloud.pem", "Undercloud install complete.")
	ok("cat stackrc", "export OS_CACERT="+home+"/undercloud-ca.pem", "OS_AUTH_URL=https://192.168.255.2:13000/")
	ok(debian+"catalog show baremetal -f yaml -c endpoints", "url: https://192.168.255.2:13385", "url: http://192.168.255.1:6385")
	ok(debian+"baremetal driver list -f value -c 'Supported driver(s)'", "ipmi")
	ok(debian+"network list -f value -c Name", "ctlplane")
	ok("/usr/bin/openstack --os-cloud undercloud flavor list -f value -c Name", "baremetal")
	ok("source stackrc; openstack server list; openstack baremetal node list; openstack stack list; openstack image list")
	for _, client := range []string{"/usr/bin/openstack", "openstack"} { // who does not know the authority gives nobody a password
		if out, err := inside("source stackrc; unset OS_CACERT; " + client + " network list"); err == nil || !strings.Contains(out, "certificate") {
			t.Errorf("%s without the authority: %v\n%s", client, err, out)
		}
	}
	if out, err := inside("openstack undercloud install"); err != nil || strings.Contains(out, "Made ") {
		t.Errorf("installed again: %v\n%s", err, out)
	}

	ok("sed -i 's/^generate_service_certificate.*/generate_service_certificate = false/' undercloud.conf; openstack undercloud install; test ! -e undercloud-ca.pem")
	ok(debian+"catalog show baremetal -f yaml -c endpoints", "url: http://192.168.255.1:6385")
	if out, err := inside("bash -c '</dev/tcp/192.168.255.2/13000'"); err == nil {
		t.Errorf("the port is still open: %s", out)
	}
}
