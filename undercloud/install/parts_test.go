package install

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trefoil/internal/errs"
	"trefoil/undercloud/config"
)

// options are those of a machine on which an installation could begin.
func options(t *testing.T, conf string) Options {
	t.Helper()
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, "undercloud.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	ipxe := t.TempDir()
	for _, n := range []string{"undionly.kpxe", "ipxe.efi"} {
		if err := os.WriteFile(filepath.Join(ipxe, n), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Options{Home: home, StateDir: filepath.Join(t.TempDir(), "state"), ConfigRoot: t.TempDir(), IPXEDir: ipxe, Out: io.Discard,
		EUID: func() int { return 0 }, MemoryMB: func() (int, error) { return 2048, nil },
		Interfaces: func() ([]string, error) { return []string{"lo", "eth0"}, nil },
		LookPath:   func(string) (string, error) { return "/bin/true", nil }}
}

const good = "[DEFAULT]\nundercloud_hostname = undercloud.openstack.rnd\nlocal_interface = eth0\nmasquerade_network = 192.168.24.0/24\n"

// check runs what comes before the first change.
func check(t *testing.T, o Options) error {
	t.Helper()
	o = o.withDefaults()
	log, err := openLog(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(log.close)
	in := &installer{Options: o, log: log}
	if err := in.load(); err != nil {
		return err
	}
	return in.preflight(t.Context())
}

func TestPreflight(t *testing.T) {
	if err := check(t, options(t, good)); err != nil {
		t.Fatalf("a good machine: %v", err)
	}
	for name, tc := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"too little memory": {func(o *Options) { o.MemoryMB = func() (int, error) { return 300, nil } },
			"At least 512 MB of memory is required for undercloud installation.  A minimum of 1 GB is recommended. Only detected 300 MB"},
		"no nft":            {func(o *Options) { o.LookPath = func(string) (string, error) { return "", exec.ErrNotFound } }, "Required command(s) not found: nft"},
		"no iPXE":           {func(o *Options) { o.IPXEDir = "/nowhere" }, "Required file(s) do not exist: /nowhere/undionly.kpxe, /nowhere/ipxe.efi"},
		"missing interface": {func(o *Options) { o.Interfaces = func() ([]string, error) { return []string{"lo"}, nil } }, "Invalid local_interface specified. eth0 is not available."},
		"passwords lost":    {func(o *Options) { _ = os.WriteFile(filepath.Join(o.Home, "stackrc"), nil, 0o600) }, "undercloud-passwords.conf file is missing. This will cause all service passwords to change"},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t, good)
			tc.change(&o)
			if err := check(t, o); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if _, err := os.Stat(o.StateDir); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the preflight changed something: %v", err)
			}
		})
	}
}

func TestPreflightFindsAllThatIsWrong(t *testing.T) {
	o := options(t, strings.Replace(good, "undercloud.openstack.rnd", "undercloud", 1))
	o.IPXEDir, o.MemoryMB = "/nowhere", func() (int, error) { return 1, nil }
	var out bytes.Buffer
	o.Out = &out
	if err := Run(t.Context(), o); err == nil {
		t.Fatal("installed")
	}
	for _, want := range []string{"Undercloud install failed.", "Reason: Hostname \"undercloud\" is not fully qualified.", "At least 512 MB", "/nowhere/undionly.kpxe",
		filepath.Join(o.Home, ".instack", "install-undercloud.log")} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
	log, err := os.ReadFile(filepath.Join(o.Home, ".instack", "install-undercloud.log"))
	if err != nil || string(log) != out.String() {
		t.Errorf("the log differs from the output (%v):\n%s", err, log)
	}
}

func TestWithoutRootItSaysWhatToDo(t *testing.T) {
	o := options(t, good)
	o.EUID = func() int { return 1000 }
	if err := Run(t.Context(), o); !errs.Is(err, errs.Forbidden) || !strings.Contains(errs.HintOf(err), "sudo") {
		t.Errorf("%v, hint %q", err, errs.HintOf(err))
	}
}

func TestTheLastBlockIsTheArticles(t *testing.T) {
	var out bytes.Buffer
	l := &logger{out: &out, opt: Options{Now: func() time.Time { return time.Date(2020, 8, 13, 23, 13, 12, 668_000_000, time.UTC) }}}
	l.complete("/home/stack/undercloud-passwords.conf", "/home/stack/stackrc")
	want := `2020-08-13 23:13:12,668 INFO: 
#############################################################################
Undercloud install complete.

The file containing this installation's passwords is at
/home/stack/undercloud-passwords.conf.

There is also a stackrc file at /home/stack/stackrc.

These files are needed to interact with the OpenStack services, and should be
secured.

#############################################################################
`
	if out.String() != want {
		t.Errorf("got\n%s", &out)
	}
}

func newInstaller(t *testing.T, conf string) *installer {
	t.Helper()
	o := options(t, conf).withDefaults()
	o.Rand = rand.Reader
	c, err := config.Load(o.ConfPath)
	if err != nil {
		t.Fatal(err)
	}
	return &installer{Options: o, conf: c}
}

func TestOneInstallationAtATime(t *testing.T) {
	first := newInstaller(t, good)
	if err := first.stateDir(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := &installer{Options: first.Options, conf: first.conf}
	if err := second.stateDir(t.Context()); !errs.Is(err, errs.Conflict) {
		t.Errorf("beside the first: %v", err)
	}
	first.lock.Close()
	if err := second.stateDir(t.Context()); err != nil {
		t.Errorf("after the first: %v", err)
	}
	second.lock.Close()
}

func TestPasswordsAreKept(t *testing.T) {
	in := newInstaller(t, good+"[auth]\nundercloud_admin_password = chosen\n")
	if err := in.makePasswords(t.Context()); err != nil {
		t.Fatal(err)
	}
	first := in.passwords
	if first["undercloud_admin_password"] != "chosen" || len(first["undercloud_heat_encryption_key"]) != 32 || len(first["undercloud_db_password"]) != 40 {
		t.Errorf("passwords of length %d, %d", len(first["undercloud_heat_encryption_key"]), len(first["undercloud_db_password"]))
	}
	if err := in.makePasswords(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, k := range config.AuthKeys() {
		if first[k] == "" || in.passwords[k] != first[k] {
			t.Errorf("%s is empty or changed", k)
		}
	}
}

func TestNetConfigHasTheArticlesShape(t *testing.T) {
	in := newInstaller(t, good+"undercloud_nameservers = 192.168.255.253\nlocal_mtu = 1450\n")
	if err := in.netConfigFile(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(in.ConfigRoot, "etc", "os-net-config", "config.json"))
	want := `{
    "network_config": [
        {
            "addresses": [
                {
                    "ip_netmask": "192.168.24.1/24"
                }
            ],
            "members": [
                {
                    "dns_servers": [
                        "192.168.255.253"
                    ],
                    "mtu": 1450,
                    "name": "eth0",
                    "primary": "true",
                    "type": "interface"
                }
            ],
            "mtu": 1450,
            "name": "br-ctlplane",
            "ovs_extra": [],
            "routes": [],
            "type": "linux_bridge"
        }
    ]
}
`
	if err != nil || string(got) != want {
		t.Errorf("%v\n%s", err, got)
	}
}

// TestStackrcInAShell sources the file as the article does.
func TestStackrcInAShell(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stackrc")
	if err := os.WriteFile(path, []byte(stackrc(access{authURL: "http://192.168.255.1:5000", password: "s3cret"})), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("bash", "-c", `PS1='$ '; source "$0"; env | grep -E '^(OS_|NOVA_|COMPUTE_|IRONIC_)' | sort; eval "echo \"$PS1\""`, path)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "OS_REGION_NAME=old"}
	out, err := cmd.CombinedOutput()
	want := `COMPUTE_API_VERSION=1.1
IRONIC_API_VERSION=latest
NOVA_VERSION=1.1
OS_AUTH_TYPE=password
OS_AUTH_URL=http://192.168.255.1:5000/
OS_BAREMETAL_API_VERSION=latest
OS_CLOUDNAME=undercloud
OS_IDENTITY_API_VERSION=3
OS_NO_CACHE=True
OS_PASSWORD=s3cret
OS_PROJECT_DOMAIN_NAME=Default
OS_PROJECT_NAME=admin
OS_USERNAME=admin
OS_USER_DOMAIN_NAME=Default
(undercloud) $ 
`
	if err != nil || string(out) != want {
		t.Errorf("%v\n%s", err, out)
	}
}

// Clients learn of an own certificate authority, and of none where there is none.
func TestClientsOfAnOwnAuthority(t *testing.T) {
	for _, authority := range []string{"", "/home/stack/undercloud-ca.pem"} {
		at := access{authURL: "https://192.0.2.2:13000", authority: authority, password: "p"}
		clouds, err := addCloud("clouds.yaml", nil, at)
		if err != nil {
			t.Fatal(err)
		}
		for text, want := range map[string]string{stackrc(at): "export OS_CACERT=" + authority + "\n", string(clouds): "cacert: " + authority + "\n"} {
			if strings.Contains(text, want) != (authority != "") || authority == "" && strings.Contains(strings.ToLower(text), "cacert") {
				t.Errorf("%q in\n%s", want, text)
			}
		}
	}
}

func TestCloudsYAMLKeepsOtherClouds(t *testing.T) {
	old := "# my clouds\nclouds:\n  other: {region_name: x} # mine\n  undercloud:\n    auth: {password: old}\ncache: {class: memory}\n"
	got, err := addCloud("clouds.yaml", []byte(old), access{authURL: "http://192.0.2.1:5000", password: "new"})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"# my clouds", "# mine", "cache: {class: memory}", "password: new"} {
		if !strings.Contains(string(got), want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(string(got), "password: old") {
		t.Errorf("the old password is left:\n%s", got)
	}
	if _, err := addCloud("clouds.yaml", []byte("- a list"), access{authURL: "u", password: "p"}); err == nil {
		t.Error("a list is taken for clouds")
	}
	path := filepath.Join(t.TempDir(), "clouds.yaml")
	if err := os.WriteFile(path, got, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := removeCloud(path, filepath.Dir(path)); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(left), "undercloud") || !strings.Contains(string(left), "other") {
		t.Errorf("%v\n%s", err, left)
	}
}

func TestHostsFile(t *testing.T) {
	in := newInstaller(t, good)
	path := in.etc("hosts")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	const before = "127.0.0.1 localhost # undercloud.openstack.rnd\n"
	if err := os.WriteFile(path, []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := in.hostsFile(t.Context()); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if want := before + "192.168.24.1 undercloud.openstack.rnd undercloud # undercloud\n"; err != nil || string(got) != want {
			t.Errorf("%v\n%s", err, got)
		}
	}
	in.conf.Hostname = "other.openstack.rnd"
	if err := in.hostsFile(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != before+"192.168.24.1 other.openstack.rnd other # undercloud\n" {
		t.Errorf("with another name: %v\n%s", err, got)
	}
	if err := cleanHosts(path); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != before {
		t.Errorf("after cleaning: %v\n%s", err, got)
	}
}

func TestListenLines(t *testing.T) {
	for line, want := range map[string]string{
		"   0: 0100007F:1388 00000000:0000 0A 00000000:00000000":                                           "127.0.0.1:5000",
		"   1: 00000000:18F1 00000000:0000 0A":                                                             "0.0.0.0:6385",
		"   2: 00000000000000000000000000000000:1388 00000000000000000000000000000000:0000 0A":             "[::]:5000",
		"   3: 0000000000000000FFFF00000100007F:1388 00000000000000000000000000000000:0000 0A":             "127.0.0.1:5000",
		"   4: 0100007F:1388 0100007F:9999 01 established":                                                 "",
		"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode": "",
		"": "", "0: xyz:1388 0:0 0A": "", "0: 0100007F:zz 0:0 0A": ""} {
		got, ok := listenLine(line)
		if ok != (want != "") || ok && got != netip.MustParseAddrPort(want) {
			t.Errorf("%q: %v %v, want %s", line, got, ok, want)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	if busy, err := listening(netip.MustParseAddr("127.0.0.1")); err != nil || !busy[port] {
		t.Errorf("port %d is not seen as busy (%v)", port, err)
	}
	if busy, err := listening(netip.MustParseAddr("192.0.2.1")); err != nil || busy[port] {
		t.Errorf("port %d of 127.0.0.1 is seen as busy at another address (%v)", port, err)
	}
}

func TestNATRulesTouchOnlyOurTable(t *testing.T) {
	got := natRules([]netip.Prefix{netip.MustParsePrefix("192.168.255.0/24")})
	want := `add table ip trefoil_undercloud
delete table ip trefoil_undercloud
table ip trefoil_undercloud {
  chain postrouting {
    type nat hook postrouting priority 100; policy accept;
    ip saddr 192.168.255.0/24 ip daddr != { 192.168.255.0/24, 224.0.0.0/4, 255.255.255.255 } masquerade
  }
}
`
	if got != want {
		t.Errorf("got\n%s", got)
	}
}
