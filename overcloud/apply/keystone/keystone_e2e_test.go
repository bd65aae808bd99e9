//go:build e2e

package keystone_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"trefoil/overcloud/apply/keystone"
)

// cloud is a MariaDB of the test with Keystone's tables, and Debian's keystone-manage.
type cloud struct {
	t   *testing.T
	dir string
}

func (c *cloud) run(env []string, stdin, name string, args ...string) string {
	c.t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		c.t.Fatalf("this test needs %s: make deps-ha", name)
	}
	cmd := exec.CommandContext(c.t.Context(), path, args...)
	cmd.Stdin, cmd.Dir, cmd.Env = strings.NewReader(stdin), c.dir, append(os.Environ(), env...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		c.t.Fatalf("%s %q: %v\n%s%s", name, args, err, out, errs.String())
	}
	return string(out)
}

func (c *cloud) sql(text string) string {
	c.t.Helper()
	return c.run(nil, text, "mysql", "--socket="+c.dir+"/socket", "--batch", "--skip-column-names")
}

func (c *cloud) write(name, text string) {
	c.t.Helper()
	if err := os.MkdirAll(filepath.Dir(filepath.Join(c.dir, name)), 0o700); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

func start(t *testing.T) *cloud {
	t.Helper()
	c := &cloud{t: t, dir: t.TempDir()}
	c.run(nil, "", "mariadb-install-db", "--no-defaults", "--user=root", "--datadir="+c.dir+"/data", "--skip-test-db")
	server := exec.Command("mariadbd", "--no-defaults", "--user=root", "--datadir="+c.dir+"/data", "--socket="+c.dir+"/socket", "--skip-networking", "--pid-file="+c.dir+"/pid")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }()
	t.Cleanup(func() { _ = server.Process.Kill(); <-ended })
	for began := time.Now(); exec.Command("mysqladmin", "--socket="+c.dir+"/socket", "ping").Run() != nil; time.Sleep(50 * time.Millisecond) {
		if time.Since(began) > 3*time.Minute {
			t.Fatal("the database server does not answer after three minutes")
		}
	}
	for _, name := range []string{"fernet/0", "fernet/1", "credential/0", "credential/1"} {
		key := make([]byte, 32)
		_, _ = rand.Read(key) // never fails
		c.write(name, base64.URLEncoding.EncodeToString(key))
	}
	c.write("keystone.conf", strings.ReplaceAll("[database]\nconnection = mysql+pymysql://root@localhost/keystone?unix_socket=DIR/socket\n"+
		"[fernet_tokens]\nkey_repository = DIR/fernet\n[fernet_receipts]\nkey_repository = DIR/fernet\n[credential]\nkey_repository = DIR/credential\n"+
		"[identity]\npassword_hash_rounds = 4\n[cache]\nenabled = false\n", "DIR", c.dir))
	c.sql("CREATE DATABASE keystone CHARACTER SET utf8mb3")
	c.run(nil, "", "keystone-manage", "--config-file", c.dir+"/keystone.conf", "db_sync")
	return c
}

// bootstrap is Keystone's own.
func (c *cloud) bootstrap(password, url string) {
	c.t.Helper()
	c.run([]string{"OS_BOOTSTRAP_USERNAME=admin", "OS_BOOTSTRAP_PASSWORD=" + password, "OS_BOOTSTRAP_PROJECT_NAME=admin", "OS_BOOTSTRAP_ROLE_NAME=admin",
		"OS_BOOTSTRAP_SERVICE_NAME=keystone"}, "", "keystone-manage", "--config-file", c.dir+"/keystone.conf", "bootstrap", "--bootstrap-region-id", "regionOne",
		"--bootstrap-admin-url", url, "--bootstrap-internal-url", url, "--bootstrap-public-url", url)
}

// rows are those of all tables.
func (c *cloud) rows() []string {
	c.t.Helper()
	dump := c.run(nil, "", "mysqldump", "--socket="+c.dir+"/socket", "--no-create-info", "--skip-extended-insert", "--compact", "--complete-insert", "keystone")
	return slices.Sorted(strings.Lines(dump))
}

var (
	made = regexp.MustCompile(`'[0-9a-f]{32}'|'\$2b\$[^']*'|\b[0-9]{16}\b|'[0-9]{4}-[0-9: -]+'`)
	own  = regexp.MustCompile("(INTO `(?:local_user|password|revocation_event)` [^V]*VALUES )\\([0-9]+,(?:[0-9]+,)?")
)

// alike leaves out what differs from cloud to cloud: ids, hashes, times.
func alike(rows []string) string {
	var out []string
	for _, r := range rows {
		out = append(out, own.ReplaceAllString(made.ReplaceAllString(r, "…"), "$1(…,"))
	}
	slices.Sort(out)
	return strings.Join(out, "")
}

// TestTheRowsAreThoseOfKeystonesOwnBootstrap, and Keystone finds nothing to do after ours:
// it takes the password for set, and the endpoints.
func TestTheRowsAreThoseOfKeystonesOwnBootstrap(t *testing.T) {
	const first, second = "http://192.168.24.9:5000/v3", "http://192.168.24.10:5000/v3"
	c := start(t)
	empty := c.run(nil, "", "mysqldump", "--socket="+c.dir+"/socket", "keystone")
	ours := func(password, url string) {
		t.Helper()
		hash, err := keystone.Hash(password, 4)
		if err != nil {
			t.Fatal(err)
		}
		if n := c.sql(keystone.Statements("regionOne", url, hash, true)); n == "0\t0\n" {
			t.Error("nothing was changed")
		}
		if n := c.sql(keystone.Statements("regionOne", url, "", false)); n != "0\t0\n" {
			t.Errorf("%s changes are left", n)
		}
		if have := strings.TrimSpace(c.sql(keystone.Look)); have != hash {
			t.Errorf("the hash is %s, want %s", have, hash)
		}
		before := c.rows()
		if c.bootstrap(password, url); !slices.Equal(c.rows(), before) {
			t.Errorf("Keystone changes rows:\n%s\n%s", strings.Join(before, ""), strings.Join(c.rows(), ""))
		}
	}
	c.bootstrap("secret one", first)
	theirs := alike(c.rows())
	c.bootstrap("secret two", second)
	theirsAgain := alike(c.rows())
	if n := c.sql(keystone.Statements("regionOne", second, "", false)); n != "0\t0\n" || !keystone.Matches("secret two", strings.TrimSpace(c.sql(keystone.Look))) {
		t.Errorf("a cloud that Keystone's own has made is changed: %s", n)
	}

	c.sql("DROP DATABASE keystone; CREATE DATABASE keystone CHARACTER SET utf8mb3; USE keystone;\n" + empty)
	ours("secret one", first)
	if got := alike(c.rows()); got != theirs {
		t.Errorf("our rows:\n%s\nKeystone's:\n%s", got, theirs)
	}
	if n := c.sql(keystone.Statements("other", first, "", false)); n != "4\t0\n" {
		t.Errorf("a region and three endpoints are %s changes", n)
	}
	ours("secret two", second)
	if got := alike(c.rows()); got != theirsAgain {
		t.Errorf("our rows:\n%s\nKeystone's:\n%s", got, theirsAgain)
	}

	// What a clock that was ahead has set, and an endpoint that somebody added, which is Keystone's first.
	c.sql("UPDATE keystone.password SET created_at_int = created_at_int + 3600000000; INSERT INTO keystone.endpoint (id, interface, service_id, url, extra, enabled, region_id) " +
		"SELECT '0', 'public', service_id, 'https://alias/v3', '{}', 1, region_id FROM keystone.endpoint WHERE interface = 'public' LIMIT 1")
	ours("secret three", first)
	if got := c.sql("SELECT COUNT(*) FROM keystone.endpoint WHERE url = 'https://alias/v3'"); got != "1\n" {
		t.Error("somebody's endpoint was changed")
	}
}
