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

// tlsCloud is an undercloud's machine: a network namespace and a home.
type tlsCloud struct {
	t              *testing.T
	ns, home, root string
	bin            string
}

func newTLSCloud(t *testing.T) *tlsCloud {
	t.Helper()
	u := &tlsCloud{t, fmt.Sprintf("trefoil-tls-%d", os.Getpid()), t.TempDir(), t.TempDir(), os.Getenv("TREFOIL_BIN")}
	if u.bin == "" || os.Geteuid() != 0 {
		t.Fatal("this test needs root, and the programs in TREFOIL_BIN: make test")
	}
	for _, c := range []string{"netns add " + u.ns, "-n " + u.ns + " link set lo up", "-n " + u.ns + " link add prov0 type veth peer name wire0",
		"-n " + u.ns + " link set wire0 up", "-n " + u.ns + " link set prov0 up"} {
		if out, err := exec.Command("ip", strings.Fields(c)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v\n%s", c, err, out)
		}
	}
	t.Cleanup(func() {
		if out, err := u.inside("openstack undercloud uninstall --purge"); err != nil {
			t.Errorf("uninstall: %v\n%s", err, out)
		}
		if out, err := exec.Command("ip", "netns", "del", u.ns).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
	for path, text := range map[string]string{filepath.Join(u.home, "undercloud.conf"): tlsConf, filepath.Join(u.root, "etc", "hosts"): "127.0.0.1 localhost\n"} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return u
}

func (u *tlsCloud) inside(script string) (string, error) {
	cmd := exec.Command("ip", "netns", "exec", u.ns, "bash", "-euo", "pipefail", "-c", "cd; "+script)
	cmd.Env = []string{"PATH=" + u.bin + ":/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + u.home, "LC_ALL=C.UTF-8",
		"UNDERCLOUD_STATE_DIR=" + filepath.Join(u.home, "state"), "UNDERCLOUD_CONFIG_ROOT=" + u.root}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (u *tlsCloud) ok(script string, want ...string) {
	u.t.Helper()
	out, err := u.inside(script)
	if err != nil {
		u.t.Fatalf("%s: %v\n%s", script, err, out)
	}
	for _, w := range want {
		if !strings.Contains(out, w) {
			u.t.Errorf("%s: no %q in\n%s", script, w, out)
		}
	}
}

// fails types what must fail, and looks how.
func (u *tlsCloud) fails(script, want string) {
	u.t.Helper()
	if out, err := u.inside(script); err == nil || !strings.Contains(out, want) {
		u.t.Errorf("%s: %v, expected %q in\n%s", script, err, want, out)
	}
}

// TestPublicEndpointsWithTLS installs an undercloud with a certificate of its own
// authority in a network namespace and asks it with Debian's client and with ours.
func TestPublicEndpointsWithTLS(t *testing.T) {
	u := newTLSCloud(t)
	const debian = "source stackrc; /usr/bin/openstack "
	u.ok("openstack undercloud install", "Made "+u.home+"/state/tls/undercloud.pem", "Undercloud install complete.")
	u.ok("cat stackrc", "export OS_CACERT="+u.home+"/undercloud-ca.pem", "OS_AUTH_URL=https://192.168.255.2:13000/")
	u.ok(debian+"catalog show baremetal -f yaml -c endpoints", "url: https://192.168.255.2:13385", "url: http://192.168.255.1:6385")
	u.ok(debian+"baremetal driver list -f value -c 'Supported driver(s)'", "ipmi")
	u.ok(debian+"network list -f value -c Name", "ctlplane")
	u.ok("/usr/bin/openstack --os-cloud undercloud flavor list -f value -c Name", "baremetal")
	u.ok("source stackrc; openstack server list; openstack baremetal node list; openstack stack list; openstack image list")
	u.ok("curl -s --cacert undercloud-ca.pem https://192.168.255.2:13004/", "https://192.168.255.2:13004/v1/")
	u.ok("source stackrc; openstack overcloud status", "No deployment was found for overcloud")
	for _, client := range []string{"/usr/bin/openstack", "openstack"} { // who does not know the authority gives nobody a password
		u.fails("source stackrc; unset OS_CACERT; "+client+" network list", "certificate")
	}
	if out, err := u.inside("openstack undercloud install"); err != nil || strings.Contains(out, "Made ") {
		t.Errorf("installed again: %v\n%s", err, out)
	}

	u.ok("sed -i 's/^generate_service_certificate.*/generate_service_certificate = false/' undercloud.conf; openstack undercloud install; test ! -e undercloud-ca.pem")
	u.ok(debian+"catalog show baremetal -f yaml -c endpoints", "url: http://192.168.255.1:6385")
	u.fails("bash -c '</dev/tcp/192.168.255.2/13000'", "refused")
}
