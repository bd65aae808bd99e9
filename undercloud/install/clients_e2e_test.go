//go:build e2e

package install_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"trefoil/internal/openstackclient"
	"trefoil/ironic"
)

// client runs the real openstack client of the distribution.
type client struct {
	t    *testing.T
	real *openstackclient.Client
	env  []string
	dir  string
}

func newClient(t *testing.T, c *cloud) *client {
	t.Helper()
	real := openstackclient.Start(t)
	return &client{t, real, []string{"OS_AUTH_URL=" + c.AuthURL + "/", "OS_USERNAME=admin",
		"OS_PASSWORD=s3cret", "OS_PROJECT_NAME=admin", "OS_USER_DOMAIN_NAME=Default", "OS_PROJECT_DOMAIN_NAME=Default", "OS_IDENTITY_API_VERSION=3"}, real.Home}
}

func (c *client) try(args ...string) (string, error) {
	c.t.Helper()
	out, exit := c.real.Combined(c.t, c.env, args...)
	if exit != 0 {
		return out, fmt.Errorf("exit code %d", exit)
	}
	return out, nil
}

func (c *client) ok(args ...string) string {
	c.t.Helper()
	out, err := c.try(args...)
	if err != nil {
		c.t.Fatalf("openstack %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// columns returns the header cells of a table.
func columns(table string) string {
	lines := strings.Split(table, "\n")
	if len(lines) < 2 {
		return ""
	}
	return regexp.MustCompile(`\s*\|\s*`).ReplaceAllString(strings.Trim(lines[1], "| "), "|")
}

func (c *client) columns(want string, args ...string) string {
	c.t.Helper()
	out := c.ok(args...)
	if got := columns(out); got != want {
		c.t.Errorf("openstack %s: columns %s, want %s\n%s", strings.Join(args, " "), got, want, out)
	}
	return out
}

// contains checks that every text is in the output.
func (c *client) contains(out string, texts ...string) {
	c.t.Helper()
	for _, want := range texts {
		if !strings.Contains(out, want) {
			c.t.Errorf("no %q in\n%s", want, out)
		}
	}
}

// TestTheRealClient runs the article's commands on these services, and what goes with them.
func TestTheRealClient(t *testing.T) {
	when := time.Date(2020, 8, 14, 8, 39, 21, 0, time.UTC)
	cl := newCloud(t, &ironic.Node{UUID: "b4b2cf4a-b7ca-4095-af13-cc83be21c4f5", InstanceUUID: "fd7d36f4-ce87-4b9a-93b0-add2957792de",
		ProvisionState: "active", PowerState: ironic.PowerOn, CreatedAt: when,
		InstanceInfo: map[string]any{"display_name": "overcloud-controller-0", "flavor": "control", "image_source": "11111111-1111-4111-8111-111111111111"}})
	c := newClient(t, cl)
	identityCommands(c)
	imageCommands(c)
	networkCommands(c)
	computeCommands(c)
}

func identityCommands(c *client) {
	c.contains(c.ok("token", "issue"), "expires", "project_id", "user_id")
	c.contains(c.columns("Name|Type|Endpoints", "catalog", "list"), "keystone", "glance", "neutron", "nova", "public: http://127.0.0.1")
	c.contains(c.columns("ID|Name", "project", "list"), "| admin   |", "| service |")
	c.contains(c.columns("ID|Name", "user", "list"), "admin")
	c.columns("ID|Region|Service Name|Service Type|Enabled|Interface|URL", "endpoint", "list")
	c.contains(c.columns("Role|User|Group|Project|Domain|System|Inherited", "role", "assignment", "list", "--names"), "admin@Default")
	bad := &client{c.t, c.real, append(c.env, "OS_PASSWORD=wrong"), c.dir}
	if out, err := bad.try("token", "issue"); err == nil || !strings.Contains(out, "HTTP 401") {
		c.t.Errorf("a wrong password: %v\n%s", err, out)
	}
}

func imageCommands(c *client) {
	disk := filepath.Join(c.dir, "disk.qcow2")
	if out, err := exec.Command("qemu-img", "create", "-f", "qcow2", disk, "1G").CombinedOutput(); err != nil {
		c.t.Fatalf("qemu-img: %v\n%s", err, out)
	}
	c.ok("image", "create", "--file", disk, "--disk-format", "qcow2", "--container-format", "bare", "--public",
		"--id", "11111111-1111-4111-8111-111111111111", "--property", "hw_architecture=x86_64", "overcloud-full")
	c.contains(c.columns("ID|Name|Status", "image", "list"), "| overcloud-full | active |")
	c.contains(c.ok("image", "show", "overcloud-full"), "hw_architecture='x86_64'", "virtual_size", "1073741824")
	c.ok("image", "set", "--property", "kernel_id=k", "overcloud-full")
	c.ok("image", "save", "--file", disk+".back", "overcloud-full")
	a, errA := os.ReadFile(disk)
	b, errB := os.ReadFile(disk + ".back")
	if errA != nil || errB != nil || string(a) != string(b) {
		c.t.Errorf("the saved image differs (%v, %v)", errA, errB)
	}
	c.ok("image", "create", "--file", disk, "--disk-format", "qcow2", "--container-format", "bare", "--protected", "keep")
	if out, err := c.try("image", "delete", "keep"); err == nil {
		c.t.Errorf("a protected image was deleted: %s", out)
	}
	c.ok("image", "set", "--unprotected", "keep")
	c.ok("image", "delete", "keep")
	if out, err := c.try("image", "show", "keep"); err == nil || !strings.Contains(out, "No Image found for keep") {
		c.t.Errorf("a deleted image: %v %s", err, out)
	}
}

func networkCommands(c *client) {
	c.ok("network", "create", "--provider-network-type", "flat", "--provider-physical-network", "ctlplane", "--mtu", "1450", "ctlplane")
	c.ok("subnet", "create", "--network", "ctlplane", "--subnet-range", "192.168.255.0/24", "--gateway", "192.168.255.1",
		"--allocation-pool", "start=192.168.255.11,end=192.168.255.50", "--host-route", "destination=169.254.169.254/32,gateway=192.168.255.1", "ctlplane-subnet")
	c.contains(c.columns("ID|Name|Network|Subnet", "subnet", "list"), "ctlplane-subnet", "192.168.255.0/24")
	show := c.columns("Field|Value", "subnet", "show", "ctlplane-subnet")
	for _, line := range []string{"allocation_pools|192.168.255.11-192.168.255.50", "cidr|192.168.255.0/24", "created_at|", "description|", "dns_nameservers|",
		"enable_dhcp|True", "gateway_ip|192.168.255.1", "host_routes|destination='169.254.169.254/32', gateway='192.168.255.1'", "id|", "ip_version|4",
		"ipv6_address_mode|None", "ipv6_ra_mode|None", "name|ctlplane-subnet", "network_id|", "project_id|", "revision_number|0", "segment_id|None",
		"service_types|", "subnetpool_id|None", "tags|", "updated_at|"} {
		field, value, _ := strings.Cut(line, "|")
		if !regexp.MustCompile(`(?m)^\| ` + field + ` +\| ` + regexp.QuoteMeta(value)).MatchString(show) {
			c.t.Errorf("subnet show has no %s = %q:\n%s", field, value, show)
		}
	}
	c.ok("subnet", "set", "--dns-nameserver", "192.168.255.253", "ctlplane-subnet")
	c.contains(c.ok("subnet", "show", "-f", "value", "-c", "dns_nameservers", "ctlplane-subnet"), "192.168.255.253")
	c.contains(c.ok("port", "create", "--network", "ctlplane", "--mac-address", "52:54:00:AA:bb:cc", "--device", "fd7d36f4-ce87-4b9a-93b0-add2957792de", "p1"),
		"ip_address='192.168.255.11'", "52:54:00:aa:bb:cc")
	c.ok("port", "create", "--network", "ctlplane", "--fixed-ip", "subnet=ctlplane-subnet,ip-address=192.168.255.20", "--tag", "vip", "vip")
	c.contains(c.columns("ID|Name|MAC Address|Fixed IP Addresses|Status", "port", "list"), "192.168.255.20")
	if got := c.ok("port", "list", "--tags", "vip", "-f", "value", "-c", "Name"); got != "vip\n" {
		c.t.Errorf("ports by tag: %q", got)
	}
	if got := c.ok("port", "list", "--fixed-ip", "ip-address=192.168.255.11", "-f", "value", "-c", "Name"); got != "p1\n" {
		c.t.Errorf("ports by address: %q", got)
	}
	c.ok("port", "set", "--name", "vip2", "vip")
	c.ok("port", "delete", "vip2")
	c.contains(c.columns("ID|Name|Subnets", "network", "list"), "ctlplane")
	c.contains(c.ok("network", "show", "ctlplane"), "provider:network_type     | flat", "| 1450")
	c.ok("network", "agent", "list")
	if out, err := c.try("network", "delete", "ctlplane"); err == nil || !strings.Contains(out, "ports still in use") {
		c.t.Errorf("deleting a network in use: %v %s", err, out)
	}
}

func computeCommands(c *client) {
	c.ok("flavor", "create", "--ram", "4096", "--disk", "40", "--vcpus", "1", "--property", "capabilities:profile=control", "control")
	c.contains(c.columns("ID|Name|RAM|Disk|Ephemeral|VCPUs|Is Public", "flavor", "list"), "| control | 4096 |   40 |         0 |     1 | True      |")
	c.contains(c.ok("flavor", "show", "control"), "capabilities:profile='control'")
	c.contains(c.columns("ID|Name|Status|Networks|Image|Flavor", "server", "list"),
		"| fd7d36f4-ce87-4b9a-93b0-add2957792de | overcloud-controller-0 | ACTIVE | ctlplane=192.168.255.11 | overcloud-full | control |")
	c.contains(c.ok("server", "show", "overcloud-controller-0"), "ctlplane=192.168.255.11", "overcloud-full (11111111-1111-4111-8111-111111111111)", "Running")
	got := c.ok("host", "list")
	want := `+--------------------------+-----------+----------+
| Host Name                | Service   | Zone     |
+--------------------------+-----------+----------+
| undercloud.openstack.rnd | conductor | internal |
| undercloud.openstack.rnd | scheduler | internal |
| undercloud.openstack.rnd | compute   | nova     |
+--------------------------+-----------+----------+
`
	if got != want {
		c.t.Errorf("host list:\n%s", got)
	}
	if err := os.WriteFile(filepath.Join(c.dir, "k.pub"), []byte("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS x\n"), 0o600); err != nil {
		c.t.Fatal(err)
	}
	c.ok("keypair", "create", "--public-key", "k.pub", "default")
	c.columns("Name|Fingerprint", "keypair", "list")
	c.contains(c.ok("keypair", "show", "--public-key", "default"), "ssh-ed25519")
	c.contains(c.ok("compute", "service", "list"), "nova-conductor", "enabled")
}
