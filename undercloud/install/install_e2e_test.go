//go:build e2e

package install_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"trefoil/undercloud/config"
	"trefoil/undercloud/install"
)

const insideEnv = "TREFOIL_INSTALL_E2E"

// TestMain lets the test binary be the undercloud service, too: `serve --config FILE`.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "serve" {
		if err := serve(os.Args[3]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func serve(path string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	svc, err := config.LoadService(path)
	if err != nil {
		return err
	}
	c, err := startCloud(ctx, svc.StateDir, svc.Hostname, svc.AdminPassword, nil, func(name string) (net.Listener, error) {
		return net.Listen("tcp", svc.Addr(name))
	})
	if err != nil {
		return err
	}
	<-ctx.Done()
	c.close()
	return nil
}

// TestInstallInANamespace runs the whole installation in a network namespace of
// its own; the test binary is run again inside of it.
func TestInstallInANamespace(t *testing.T) {
	if os.Getenv(insideEnv) != "" {
		inside(t)
		return
	}
	if os.Geteuid() != 0 {
		t.Fatal("this test needs root")
	}
	ns := fmt.Sprintf("trefoil-install-%d", os.Getpid())
	run(t, "ip", "netns", "add", ns)
	t.Cleanup(func() { run(t, "ip", "netns", "del", ns) })
	for _, c := range []string{"link set lo up", "link add prov0 mtu 1500 type veth peer name wire0", "link set wire0 up",
		"link set prov0 up", "addr add 192.168.255.1/24 dev prov0", "addr add 10.99.0.2/24 dev prov0", "route add default via 10.99.0.1"} {
		run(t, "ip", append([]string{"-n", ns}, strings.Fields(c)...)...)
	}
	cmd := exec.Command("ip", "netns", "exec", ns, os.Args[0], "-test.run", "^TestInstallInANamespace$", "-test.v")
	cmd.Env = append(os.Environ(), insideEnv+"=1")
	out, err := cmd.CombinedOutput()
	t.Logf("inside:\n%s", out)
	if err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

const article = `[DEFAULT]
undercloud_hostname = undercloud.openstack.rnd
local_ip = 192.168.255.1/24
network_gateway = 192.168.255.1
undercloud_public_host = 192.168.255.2
undercloud_admin_host = 192.168.255.3
undercloud_nameservers = 192.168.255.253
generate_service_certificate = false
local_interface = prov0
local_mtu = 1450
network_cidr = 192.168.255.0/24
masquerade = true
masquerade_network = 192.168.255.0/24
dhcp_start = 192.168.255.11
dhcp_end = 192.168.255.50
inspection_iprange = 192.168.255.51,192.168.255.100
scheduler_max_attempts = 10
`

func inside(t *testing.T) {
	forwardBefore := read(t, "/proc/sys/net/ipv4/ip_forward")
	home, root, state := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "state")
	write(t, filepath.Join(home, "undercloud.conf"), article)
	write(t, filepath.Join(root, "etc", "hosts"), "127.0.0.1 localhost\n")
	clouds := filepath.Join(home, ".config", "openstack", "clouds.yaml")
	write(t, clouds, "# mine\nclouds:\n  other:\n    region_name: x # keep me\n")
	var out bytes.Buffer
	opt := install.Options{Home: home, StateDir: state, ConfigRoot: root, Binary: os.Args[0], Out: &out}
	defer func() {
		if t.Failed() {
			t.Logf("output:\n%s", &out)
		}
	}()
	if err := install.Run(t.Context(), opt); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = install.NewProcess(os.Args[0], state, nil).Stop(context.Background()) })
	t.Logf("first run:\n%s", &out)
	checkMachine(t, home, root, state)
	if got := read(t, clouds); !strings.Contains(got, "# keep me") || !strings.Contains(got, "undercloud:") {
		t.Errorf("clouds.yaml lost something:\n%s", got)
	}
	checkClient(t, home)
	checkAgain(t, opt, home, state)
	checkLocalIPRefused(t, opt, home)

	if err := install.Uninstall(t.Context(), opt, false); err != nil {
		t.Fatal(err)
	}
	checkGone(t, home, root, state, forwardBefore)
	if err := install.Uninstall(t.Context(), opt, true); err != nil {
		t.Errorf("a second uninstall: %v", err)
	}
}

func checkMachine(t *testing.T, home, root, state string) {
	t.Helper()
	addrs := run(t, "ip", "-4", "-o", "addr", "show", "dev", "br-ctlplane")
	for _, want := range []string{"192.168.255.1/24", "192.168.255.2/32", "192.168.255.3/32", "10.99.0.2/24"} {
		if !strings.Contains(addrs, want) {
			t.Errorf("br-ctlplane has no %s:\n%s", want, addrs)
		}
	}
	link := run(t, "ip", "-d", "link", "show", "prov0")
	if !strings.Contains(link, "master br-ctlplane") || !strings.Contains(link, "mtu 1450") {
		t.Errorf("prov0: %s", link)
	}
	if def := run(t, "ip", "route", "show", "default"); !strings.Contains(def, "via 10.99.0.1 dev br-ctlplane") {
		t.Errorf("default route was lost: %q", def)
	}
	if rules := run(t, "nft", "list", "ruleset"); !strings.Contains(rules, "ip saddr 192.168.255.0/24 ip daddr != { 192.168.255.0/24, 224.0.0.0/4, 255.255.255.255 } masquerade") {
		t.Errorf("no masquerade:\n%s", rules)
	}
	if got := read(t, "/proc/sys/net/ipv4/ip_forward"); got != "1\n" {
		t.Errorf("ip_forward is %q", got)
	}
	if got := read(t, filepath.Join(root, "etc", "hosts")); !strings.Contains(got, "192.168.255.1 undercloud.openstack.rnd undercloud") {
		t.Errorf("hosts: %s", got)
	}
	var net map[string]any
	if err := json.Unmarshal([]byte(read(t, filepath.Join(root, "etc", "os-net-config", "config.json"))), &net); err != nil {
		t.Error(err)
	}
	for path, mode := range map[string]os.FileMode{filepath.Join(home, "stackrc"): 0o600, clouds(home): 0o600,
		filepath.Join(home, "undercloud-passwords.conf"): 0o600, filepath.Join(home, ".ssh", "id_rsa"): 0o600,
		filepath.Join(state, "undercloud.json"): 0o600, state: 0o700} {
		info, err := os.Stat(path)
		if err != nil {
			t.Error(err)
		} else if info.Mode().Perm() != mode {
			t.Errorf("%s has mode %v, want %v", path, info.Mode().Perm(), mode)
		}
	}
}

func clouds(home string) string { return filepath.Join(home, ".config", "openstack", "clouds.yaml") }

// checkClient sources stackrc and asks as the article does.
func checkClient(t *testing.T, home string) {
	t.Helper()
	ask := func(cmd string) string {
		return run(t, "bash", "-c", "source "+filepath.Join(home, "stackrc")+" && /usr/bin/openstack "+cmd)
	}
	if got := ask("flavor list -f value -c Name"); got != "baremetal\ncontrol\ncompute\nceph-storage\nblock-storage\nswift-storage\n" {
		t.Errorf("flavors: %q", got)
	}
	if got := ask("subnet show ctlplane-subnet -f json"); !strings.Contains(got, `"192.168.255.253"`) || !strings.Contains(got, `"192.168.255.50"`) {
		t.Errorf("subnet: %s", got)
	}
	if got := ask("network show ctlplane -f value -c mtu"); got != "1450\n" {
		t.Errorf("mtu: %q", got)
	}
	if got := ask("keypair list -f value -c Name"); got != "default\n" {
		t.Errorf("keypairs: %q", got)
	}
	got := run(t, "bash", "-c", "HOME="+home+" /usr/bin/openstack --os-cloud undercloud project list -f value -c Name")
	if got != "admin\nservice\n" {
		t.Errorf("by clouds.yaml: %q", got)
	}
}

// checkAgain repeats the installation: nothing but the log may change.
func checkAgain(t *testing.T, opt install.Options, home, state string) {
	t.Helper()
	pids, passwords := read(t, filepath.Join(state, "undercloud.pid")), read(t, filepath.Join(home, "undercloud-passwords.conf"))
	var out bytes.Buffer
	opt.Out = &out
	if err := install.Run(t.Context(), opt); err != nil {
		t.Fatalf("second run: %v\n%s", err, &out)
	}
	if read(t, filepath.Join(state, "undercloud.pid")) != pids {
		t.Error("the second run restarted the service though nothing changed")
	}
	if read(t, filepath.Join(home, "undercloud-passwords.conf")) != passwords {
		t.Error("the second run changed passwords")
	}
	if n := strings.Count(run(t, "ip", "-4", "-o", "addr", "show", "dev", "br-ctlplane"), "inet "); n != 4 {
		t.Errorf("br-ctlplane has %d addresses after the second run, want 4", n)
	}
	// A changed configuration restarts the service and takes the old address away.
	write(t, filepath.Join(home, "undercloud.conf"), strings.Replace(article, "192.168.255.2\n", "192.168.255.4\n", 1))
	if err := install.Run(t.Context(), opt); err != nil {
		t.Fatalf("third run: %v\n%s", err, &out)
	}
	if read(t, filepath.Join(state, "undercloud.pid")) == pids {
		t.Error("the changed configuration did not restart the service")
	}
	if addrs := run(t, "ip", "-4", "-o", "addr", "show", "dev", "br-ctlplane"); strings.Contains(addrs, "192.168.255.2/32") || !strings.Contains(addrs, "192.168.255.4/32") {
		t.Errorf("addresses after the change:\n%s", addrs)
	}
}

func checkLocalIPRefused(t *testing.T, opt install.Options, home string) {
	t.Helper()
	write(t, filepath.Join(home, "undercloud.conf"), strings.Replace(article, "local_ip = 192.168.255.1/24", "local_ip = 192.168.255.9/24", 1))
	err := install.Run(t.Context(), opt)
	want := "Changing the local_ip is not allowed.  Existing IP: 192.168.255.1/24, Configured IP: 192.168.255.9/24"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}

func checkGone(t *testing.T, home, root, state, forward string) {
	t.Helper()
	if out, err := exec.Command("ip", "link", "show", "br-ctlplane").CombinedOutput(); err == nil {
		t.Errorf("br-ctlplane is still there: %s", out)
	}
	addrs := run(t, "ip", "-4", "-o", "addr", "show", "dev", "prov0")
	if !strings.Contains(addrs, "192.168.255.1/24") || !strings.Contains(addrs, "10.99.0.2/24") || strings.Contains(addrs, "/32") {
		t.Errorf("prov0 did not get its addresses back:\n%s", addrs)
	}
	if def := run(t, "ip", "route", "show", "default"); !strings.Contains(def, "via 10.99.0.1 dev prov0") {
		t.Errorf("default route was lost: %q", def)
	}
	if rules := run(t, "nft", "list", "ruleset"); strings.Contains(rules, "trefoil") {
		t.Errorf("rules are left:\n%s", rules)
	}
	if got := read(t, "/proc/sys/net/ipv4/ip_forward"); got != forward {
		t.Errorf("ip_forward is %q, was %q", got, forward)
	}
	if got := read(t, filepath.Join(root, "etc", "hosts")); got != "127.0.0.1 localhost\n" {
		t.Errorf("hosts: %q", got)
	}
	for _, p := range []string{state, filepath.Join(home, "stackrc"), filepath.Join(root, "etc", "os-net-config", "config.json")} {
		if _, err := os.Stat(p); !os.IsNotExist(err) {
			t.Errorf("%s is left (%v)", p, err)
		}
	}
	if _, err := os.Stat(filepath.Join(home, "undercloud-passwords.conf")); err != nil {
		t.Errorf("passwords are gone: %v", err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
