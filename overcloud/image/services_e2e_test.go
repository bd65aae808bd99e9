//go:build e2e

package image

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trefoil/overcloud/resource"
)

const keystoneConf = `[DEFAULT]
log_dir = /var/log/keystone
[database]
connection = mysql+pymysql://keystone:db-pass-1234@%[1]s/keystone
[token]
provider = fernet
[identity]
password_hash_rounds = 4
[cache]
enabled = true
backend = dogpile.cache.pymemcache
memcache_servers = %[1]s:11211
[oslo_middleware]
enable_proxy_headers_parsing = true
`

const mariadbConf = `[mysqld]
bind-address = %s
max_connections = 1024
character-set-server = utf8mb3
collation-server = utf8mb3_general_ci
skip-name-resolve
innodb_buffer_pool_size = 128M
innodb_flush_log_at_trx_commit = 2
performance_schema = off
`

const rabbitConf = `listeners.tcp.1 = %s:5672
default_user = openstack
default_pass = rabbit-pass-1234
default_permissions.configure = .*
default_permissions.read = .*
default_permissions.write = .*
loopback_users = none
`

func fileAt(path, content, owner, mode string, secret bool) resource.Resource {
	return resource.Resource{Type: "file", Service: "test", File: &resource.File{Path: path, Content: content, Owner: owner, Group: owner, Mode: mode, Secret: secret}}
}

func unit(name string, restartOn ...string) resource.Resource {
	return resource.Resource{Type: "unit", Service: "test", Unit: &resource.Unit{Name: name, NoBlock: true, RestartOn: restartOn}}
}

func key(s string) string { return s + strings.Repeat("A", 43-len(s)) + "=" }

// documents are five steps as service templates would make them.
func documents() []resource.Document {
	ip := vmAddress
	wait := func(w resource.Wait) resource.Resource {
		return resource.Resource{Type: "wait", Service: "test", Wait: &w}
	}
	exec := func(e resource.Exec) resource.Resource {
		return resource.Resource{Type: "exec", Service: "test", Exec: &e}
	}
	steps := [][]resource.Resource{
		{
			fileAt("/etc/chrony/conf.d/overcloud.conf", "server 192.168.24.2 iburst\n", "", "", false),
			unit("chrony", "file:/etc/chrony/*"),
		}, {
			fileAt("/etc/mysql/mariadb.conf.d/99-overcloud.cnf", fmt.Sprintf(mariadbConf, ip), "", "", false),
			fileAt("/etc/rabbitmq/rabbitmq.conf", fmt.Sprintf(rabbitConf, ip), "rabbitmq", "0640", true),
			fileAt("/etc/memcached.conf", "-m 64\n-p 11211\n-u memcache\n-l "+ip+"\n", "", "", false),
			unit("mariadb", "file:/etc/mysql/*"), unit("rabbitmq-server", "file:/etc/rabbitmq/*"), unit("memcached", "file:/etc/memcached.conf"),
			unit("openvswitch-switch"),
			wait(resource.Wait{Name: "mariadb", Unix: "/run/mysqld/mysqld.sock", Unit: "mariadb"}),
			wait(resource.Wait{Name: "memcached", TCP: ip + ":11211", Unit: "memcached"}),
		}, {
			{Type: "mysql_database", Service: "test", MySQLDatabase: &resource.MySQLDatabase{Name: "keystone"}},
			{Type: "mysql_user", Service: "test", MySQLUser: &resource.MySQLUser{Name: "keystone", Password: "db-pass-1234", Databases: []string{"keystone"}}},
			fileAt("/etc/keystone/keystone.conf", fmt.Sprintf(keystoneConf, ip), "keystone", "0640", true),
			{Type: "directory", Service: "test", Directory: &resource.Directory{Path: "/etc/keystone/fernet-keys", Owner: "keystone", Group: "keystone", Mode: "0700"}},
			{Type: "directory", Service: "test", Directory: &resource.Directory{Path: "/etc/keystone/credential-keys", Owner: "keystone", Group: "keystone", Mode: "0700"}},
			fileAt("/etc/keystone/fernet-keys/0", key("f0"), "keystone", "0600", true), fileAt("/etc/keystone/fernet-keys/1", key("f1"), "keystone", "0600", true),
			fileAt("/etc/keystone/credential-keys/0", key("c0"), "keystone", "0600", true), fileAt("/etc/keystone/credential-keys/1", key("c1"), "keystone", "0600", true),
			exec(resource.Exec{Name: "keystone db_sync", Command: []string{"keystone-manage", "db_sync"}, User: "keystone",
				Unless: []string{"sh", "-c", `test "$(cat /var/lib/os-apply-config/schema/keystone)" = "$(dpkg-query -W -f '${Version}' keystone)" || test "$(mysql -N -e 'SELECT count(*) FROM keystone.endpoint')" -ge 3`}}),
			unit("keystone", "file:/etc/keystone/*"), // its start and the bootstrap take a processor each
			exec(resource.Exec{Name: "keystone bootstrap", Command: []string{"keystone-manage", "bootstrap", "--bootstrap-region-id", "regionOne",
				"--bootstrap-admin-url", "http://" + ip + ":5000/v3/", "--bootstrap-internal-url", "http://" + ip + ":5000/v3/", "--bootstrap-public-url", "http://" + ip + ":5000/v3/"},
				User: "keystone", Env: map[string]string{"OS_BOOTSTRAP_PASSWORD": "admin-pass-1234"},
				Unless: []string{"sh", "-c", "test $(mysql -N -e 'SELECT count(*) FROM keystone.endpoint') -ge 3"}}),
		}, {
			wait(resource.Wait{Name: "keystone", HTTP: "http://" + ip + ":5000/v3", Status: 200, Unit: "keystone", Log: "/var/log/keystone/keystone.log"}),
		}, {
			{Type: "ovs_bridge", Service: "test", OVSBridge: &resource.OVSBridge{Name: "br-int", FailMode: "secure"}},
			{Type: "ovs_bridge", Service: "test", OVSBridge: &resource.OVSBridge{Name: "br-tun", FailMode: "secure"}},
			{Type: "ovs_port", Service: "test", OVSPort: &resource.OVSPort{Bridge: "br-tun", Name: "vxlan-1", Type: "vxlan", Options: map[string]string{"remote_ip": "192.168.24.9", "local_ip": ip, "key": "flow"}}},
			unit("virtlogd"), unit("libvirtd"),
			wait(resource.Wait{Name: "rabbitmq", TCP: ip + ":5672", Unit: "rabbitmq-server"}),
			wait(resource.Wait{Name: "libvirt", Unix: "/run/libvirt/libvirt-sock", Unit: "libvirtd"}),
		},
	}
	var docs []resource.Document
	for i, rs := range steps {
		docs = append(docs, resource.Document{Stack: "overcloud", Node: vmName, Role: "Controller", Step: i + 1, Hash: resource.Sum(rs), Resources: rs})
	}
	return docs
}

// apply runs one document and returns how many resources changed.
func (m *vm) apply(d resource.Document) int {
	m.t.Helper()
	s, err := m.client.NewSession()
	if err != nil {
		m.t.Fatal(err)
	}
	defer s.Close()
	b, err := json.Marshal(d)
	if err != nil {
		m.t.Fatal(err)
	}
	s.Stdin = strings.NewReader(string(b))
	out, err := s.StdoutPipe()
	if err != nil {
		m.t.Fatal(err)
	}
	began := time.Now()
	if err := s.Start("sudo /usr/local/bin/os-apply-config apply"); err != nil {
		m.t.Fatal(err)
	}
	changed := -1
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var e resource.Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			m.t.Errorf("not an event: %s", lines.Text())
		}
		if e.Event == "done" {
			changed = e.Changed
		}
		if e.Event != "unchanged" && e.Event != "start" && e.Event != "waiting" {
			m.t.Logf("  %6d ms %-9s %s %s %s %s", e.MS, e.Event, e.Key, e.Error, e.Hint, strings.Join(e.Tail, "\n      "))
		}
		for _, secret := range []string{"db-pass-1234", "rabbit-pass-1234", "admin-pass-1234"} {
			if strings.Contains(lines.Text(), secret) {
				m.t.Errorf("a secret in an event: %s", lines.Text())
			}
		}
	}
	if err := s.Wait(); err != nil {
		m.t.Fatalf("step %d: %v\n%s", d.Step, err, m.run("sudo tail -5 /var/log/keystone/*.log /var/log/mysql/* 2>/dev/null; sudo journalctl -b -p warning --no-pager | tail -20"))
	}
	m.t.Logf("step %d: %.1f s, %d changed", d.Step, time.Since(began).Seconds(), changed)
	return changed
}

// token asks Keystone for one, as the article's user would.
func token(port int) (string, error) {
	const body = `{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"admin","domain":{"id":"default"},"password":"admin-pass-1234"}}},"scope":{"project":{"name":"admin","domain":{"id":"default"}}}}}`
	c := http.Client{Timeout: 2 * time.Minute}
	resp, err := c.Post(fmt.Sprintf("http://127.0.0.1:%d/v3/auth/tokens", port), "application/json", strings.NewReader(body))
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		return "", fmt.Errorf("status %s", resp.Status)
	}
	return resp.Header.Get("X-Subject-Token"), nil
}

func TestFiveStepsEndInATokenAndASecondRunChangesNothing(t *testing.T) {
	dir, _ := built(t)
	m := boot(t, filepath.Join(dir, Name+".qcow2"))
	if bin := os.Getenv("TREFOIL_OS_APPLY_CONFIG"); bin != "" {
		m.upload(bin, "/usr/local/bin/os-apply-config")
	}
	for _, d := range documents() {
		m.apply(d)
	}
	began := time.Now()
	got, err := token(m.port + 1)
	if err != nil || got == "" {
		t.Errorf("token: %v\n%s", err, m.run("sudo tail -30 /var/log/keystone/keystone.log"))
	}
	t.Logf("token after %.1f s", time.Since(began).Seconds())
	for _, d := range documents() {
		if n := m.apply(d); n != 0 {
			t.Errorf("step %d changed %d resources at the second run", d.Step, n)
		}
	}
	t.Log(m.run("free -m | sed -n 2p; sudo ss -Hlntp | awk '{print $4,$6}'; sudo ovs-vsctl show; sudo os-apply-config status; systemctl --failed --no-legend"))
	if os.Getenv("TREFOIL_HOLD") != "" {
		t.Logf("held: port %d", m.port)
		time.Sleep(20 * time.Minute)
	}
}

func (m *vm) upload(from, to string) {
	m.t.Helper()
	f, err := os.Open(from)
	if err != nil {
		m.t.Fatal(err)
	}
	defer f.Close()
	s, err := m.client.NewSession()
	if err != nil {
		m.t.Fatal(err)
	}
	defer s.Close()
	s.Stdin = f
	if out, err := s.CombinedOutput("sudo sh -c 'cat > " + to + ".new && chmod 755 " + to + ".new && mv " + to + ".new " + to + "'"); err != nil {
		m.t.Fatalf("upload: %v %s", err, out)
	}
}
