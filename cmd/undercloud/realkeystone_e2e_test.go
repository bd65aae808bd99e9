//go:build e2e

package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"trefoil/internal/openstackclient"
)

// realKeystone is Debian's Keystone over a directory of the test, on loopback.
type realKeystone struct {
	t    *testing.T
	dir  string
	url  string // without /v3
	stop func()
	log  *watcher

	admin string // a token for the system
}

const adminPassword = "the-admins"

// startKeystone runs it; nothing of it is left behind.
func startKeystone(t *testing.T) *realKeystone {
	t.Helper()
	k := &realKeystone{t: t, dir: t.TempDir()}
	for _, name := range []string{"fernet/0", "fernet/1", "credential/0", "credential/1"} {
		key := make([]byte, 32)
		if _, err := rand.Read(key); err != nil {
			t.Fatal(err)
		}
		k.write(name, base64.URLEncoding.EncodeToString(key))
	}
	k.write("keystone.conf", strings.ReplaceAll(`[database]
connection = sqlite:///DIR/keystone.db
[token]
provider = fernet
[fernet_tokens]
key_repository = DIR/fernet
[fernet_receipts]
key_repository = DIR/fernet
[credential]
key_repository = DIR/credential
[identity]
password_hash_rounds = 4
[cache]
enabled = false
`, "DIR", k.dir))
	k.manage("db_sync")
	// Keystone's own readers would lock its writers out otherwise.
	wal := k.command("python3", "-c", "import sqlite3; sqlite3.connect('keystone.db').execute('pragma journal_mode=wal')")
	if out, err := wal.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	k.serve()
	k.manage("bootstrap", "--bootstrap-region-id", "regionOne", "--bootstrap-public-url", k.url+"/v3")
	k.admin = login(t, k.url, "admin", adminPassword, `{"system":{"all":true}}`)
	return k
}

func (k *realKeystone) write(name, text string) {
	k.t.Helper()
	path := filepath.Join(k.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		k.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		k.t.Fatal(err)
	}
}

func (k *realKeystone) command(name string, args ...string) *exec.Cmd {
	k.t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		k.t.Fatal("this test needs Debian's Keystone: apt-get install python3-keystone")
	}
	cmd := exec.CommandContext(k.t.Context(), path, args...)
	cmd.Dir = k.dir
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + k.dir, "LC_ALL=C.UTF-8", "OS_KEYSTONE_CONFIG_DIR=" + k.dir, "OS_BOOTSTRAP_PASSWORD=" + adminPassword}
	return cmd
}

func (k *realKeystone) manage(args ...string) {
	k.t.Helper()
	out, err := k.command("keystone-manage", append([]string{"--config-file", filepath.Join(k.dir, "keystone.conf")}, args...)...).CombinedOutput()
	if err != nil {
		k.t.Fatalf("keystone-manage %s: %v\n%s", args[0], err, out)
	}
}

// serve waits until it says where it listens.
func (k *realKeystone) serve() {
	k.t.Helper()
	cmd := k.command("keystone-wsgi-public", "--host", "127.0.0.1", "--port", "0")
	k.log = &watcher{ready: make(chan map[string]any, 1)}
	cmd.Stderr = k.log
	out, err := cmd.StdoutPipe()
	if err != nil {
		k.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	k.stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	k.t.Cleanup(k.stop)
	where := regexp.MustCompile(`Available at http://\S+:(\d+)/`)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if m := where.FindStringSubmatch(lines.Text()); m != nil {
			k.url = "http://127.0.0.1:" + m[1]
			return
		}
	}
	k.t.Fatalf("Keystone ended:\n%s", k.log.text())
}

// api sends a request as the system's administrator and returns the answer's ID.
func (k *realKeystone) api(method, path string, body string) string {
	k.t.Helper()
	req, err := http.NewRequestWithContext(k.t.Context(), method, k.url+"/v3"+path, strings.NewReader(body))
	if err != nil {
		k.t.Fatal(err)
	}
	req.Header.Set("X-Auth-Token", k.admin)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		k.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		k.t.Fatalf("%s %s: %s %v\n%s\n%s", method, path, resp.Status, err, data, k.log.text())
	}
	var made map[string]struct{ ID string }
	_ = json.NewDecoder(bytes.NewReader(data)).Decode(&made) // an answer without a body has no ID
	for _, m := range made {
		return m.ID
	}
	return ""
}

// role finds a role, or makes it.
func (k *realKeystone) role(name string) string {
	k.t.Helper()
	req, err := http.NewRequestWithContext(k.t.Context(), "GET", k.url+"/v3/roles?name="+name, nil)
	if err != nil {
		k.t.Fatal(err)
	}
	req.Header.Set("X-Auth-Token", k.admin)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		k.t.Fatal(err)
	}
	defer resp.Body.Close()
	var list struct{ Roles []struct{ ID string } }
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
		k.t.Fatal(err)
	}
	if len(list.Roles) > 0 {
		return list.Roles[0].ID
	}
	return k.api("POST", "/roles", fmt.Sprintf(`{"role":{"name":%q}}`, name))
}

// person makes a project and a user with a role in it.
func (k *realKeystone) person(name, password, project, role string) (userID, projectID string) {
	k.t.Helper()
	projectID = k.api("POST", "/projects", fmt.Sprintf(`{"project":{"name":%q,"domain_id":"default"}}`, project))
	userID = k.api("POST", "/users", fmt.Sprintf(`{"user":{"name":%q,"password":%q,"domain_id":"default"}}`, name, password))
	k.api("PUT", "/projects/"+projectID+"/users/"+userID+"/roles/"+k.role(role), "")
	return userID, projectID
}

// endpoint puts a service into the catalog.
func (k *realKeystone) endpoint(kind, url string) {
	k.t.Helper()
	id := k.api("POST", "/services", fmt.Sprintf(`{"service":{"type":%q,"name":%q}}`, kind, kind))
	k.api("POST", "/endpoints", fmt.Sprintf(`{"endpoint":{"service_id":%q,"interface":"public","region_id":"regionOne","url":%q}}`, id, url))
}

// openstack runs Debian's client with an rc file's variables.
func (k *realKeystone) openstack(client *openstackclient.Client, rc map[string]string, command string) (string, bool) {
	k.t.Helper()
	var env []string
	for name, value := range rc {
		env = append(env, name+"="+value)
	}
	out, exit := client.Combined(k.t, env, strings.Fields(command)...)
	return out, exit == 0
}
