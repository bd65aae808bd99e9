//go:build e2e

package plan_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// startDatabase is the unit mariadb: what its drop-in adds, then Debian's own line.
func (e *ensemble) startDatabase(c *controller) {
	e.t.Helper()
	dropIn := c.files["/etc/systemd/system/mariadb.service.d/galera.conf"].Content
	setting := func(name string) string {
		_, rest, found := strings.Cut(dropIn, "\n"+name+"=")
		if !found {
			e.t.Fatalf("the drop-in of mariadb has no %s:\n%s", name, dropIn)
		}
		value, _, _ := strings.Cut(rest, "\n")
		return strings.TrimPrefix(value, "-")
	}
	before := strings.Replace(setting("ExecStartPre"), "/usr/local/bin/os-apply-config", e.tool, 1)
	c.start("mariadb", "mysql", "sh", "-c", before+` && . `+setting("EnvironmentFile")+` && VAR=$(/usr/bin/galera_recovery) && exec mariadbd $_WSREP_NEW_CLUSTER $VAR`)
}

// synced waits until all servers are Synced, by what HAProxy asks.
func (e *ensemble) synced(t *testing.T, what string) {
	t.Helper()
	within(t, *patience, what, func() error {
		for _, c := range e.all {
			if out, err := e.curl("http://" + c.node.Address + ":9200/"); err != nil {
				return fmt.Errorf("%s: %w: %s", c.node.Name, err, out)
			}
			// What the checker says may be of a second ago.
			if out, err := e.sql(c, "SHOW STATUS LIKE 'wsrep_cluster_size'"); err != nil || out != "wsrep_cluster_size\t3" {
				return fmt.Errorf("%s says %q, %v", c.node.Name, out, err)
			}
		}
		return nil
	}, e.logs("mariadb", "galera-check"))
}

// sql asks a machine's own server.
func (e *ensemble) sql(c *controller, statement string) (string, error) {
	return c.run("root", "mysql", "--protocol=socket", "--batch", "--skip-column-names", "-e", statement)
}

// mustSQL is sql that must not fail.
func (e *ensemble) mustSQL(t *testing.T, c *controller, statement string) string {
	t.Helper()
	out, err := e.sql(c, statement)
	if err != nil {
		t.Fatalf("%s on %s: %v: %s", statement, c.node.Name, err, out)
	}
	return out
}

// clusterID is the identity of the data, which must outlive everything.
func (e *ensemble) clusterID(t *testing.T) string {
	t.Helper()
	return e.mustSQL(t, e.all[0], "SHOW STATUS LIKE 'wsrep_cluster_state_uuid'")
}

func (e *ensemble) database(t *testing.T) {
	seed := e.all[0]
	if out, err := seed.run("root", "mariadb-install-db", "--user=mysql", "--datadir=/var/lib/mysql", "--auth-root-authentication-method=socket", "--skip-test-db"); err != nil {
		t.Fatalf("make the first data: %v\n%s", err, out)
	}
	for _, c := range e.all[1:] {
		sh(t, "cp", "-a", seed.dir+"/var/lib/mysql/.", c.dir+"/var/lib/mysql")
	}
	for _, c := range e.all {
		c.start("galera-check", "mysql", e.tool, "galera-check")
	}
	e.side(e.startDatabase)
	e.synced(t, "three servers are one cluster")
	e.mustSQL(t, e.all[0], "CREATE DATABASE keystone; CREATE TABLE keystone.t (n INT PRIMARY KEY AUTO_INCREMENT, s TEXT); INSERT INTO keystone.t (s) VALUES ('a'), ('b'), ('c')")
	if got := e.mustSQL(t, e.all[2], "SET SESSION wsrep_sync_wait=1; SELECT COUNT(*) FROM keystone.t"); got != "3" {
		t.Fatalf("the third server has %s rows of 3", got)
	}
	e.mustSQL(t, e.all[1], "CREATE USER keystone@'%' IDENTIFIED BY 'e2e'; GRANT ALL ON keystone.* TO keystone@'%'")
}

// through asks the database as a service does: at the virtual address.
func (e *ensemble) through(statement string) (string, error) {
	out, err := exec.Command("ip", "netns", "exec", e.hub, "mysql", "--host="+virtualAddress, "--user=keystone", "--password=e2e", "--skip-ssl",
		"--connect-timeout=5", "--batch", "--skip-column-names", "-e", statement).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (e *ensemble) failover(t *testing.T) {
	logs := e.logs("haproxy", "mariadb")
	var active string
	within(t, *patience, "the database answers at the virtual address", func() (err error) {
		active, err = e.through("SELECT @@wsrep_node_name")
		return err
	}, logs)
	for range 5 {
		if again, err := e.through("SELECT @@wsrep_node_name"); err != nil || again != active {
			t.Errorf("asked again, %q answers instead of %q: %v", again, active, err)
		}
	}
	for _, c := range e.all {
		if c.node.Name != active {
			continue
		}
		c.kill("mariadb", syscall.SIGKILL)
		within(t, *patience, "another server takes over", func() error {
			now, err := e.through("INSERT INTO keystone.t (s) VALUES ('d'); SELECT @@wsrep_node_name")
			if err == nil && now == active {
				err = errors.New("it is the one that was killed")
			}
			return err
		}, logs)
		e.startDatabase(c)
	}
	e.synced(t, "the killed server is back")
}

// survivor: two of three die at once. The third runs on without a majority, and nobody
// starts it again: it has to begin the cluster itself when they are back.
func (e *ensemble) survivor(t *testing.T) {
	id, rows := e.clusterID(t), e.mustSQL(t, e.all[0], "SELECT COUNT(*) FROM keystone.t")
	third := e.all[1]
	e.side(func(c *controller) {
		if c != third {
			c.kill("mariadb", syscall.SIGKILL)
		}
	})
	e.outvoted(t, third)
	for _, c := range e.all {
		if c != third {
			e.startDatabase(c)
		}
	}
	e.synced(t, "two of three killed: the third begins the cluster again")
	if said := third.log("galera-check"); !strings.Contains(said, "all who may have newer data have answered") {
		t.Errorf("it was not the one that lived:\n%s", said)
	}
	e.same(t, id, rows)
}

// outvoted waits until a server has noticed that it is no majority.
func (e *ensemble) outvoted(t *testing.T, c *controller) {
	t.Helper()
	within(t, *patience, "a server is without a majority", func() error {
		out, err := e.sql(c, "SHOW STATUS LIKE 'wsrep_cluster_status'")
		if err == nil && out != "wsrep_cluster_status\tnon-Primary" {
			err = errors.New("it is not yet")
		}
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}, e.logs("mariadb", "galera-check"))
}

// cutOff: a machine loses its network. The others go on without it, it serves nobody and
// begins nothing, and it has all they have when the network is back.
func (e *ensemble) cutOff(t *testing.T) {
	id := e.clusterID(t)
	e.link(t, 0, "down")
	t.Cleanup(func() { _ = exec.Command("ip", "-n", e.hub, "link", "set", "p0", "up").Run() })
	e.outvoted(t, e.all[0])
	within(t, *patience, "the others go on", func() error {
		_, err := e.sql(e.all[1], "INSERT INTO keystone.t (s) VALUES ('e')")
		return err
	}, e.logs("mariadb"))
	rows := e.mustSQL(t, e.all[2], "SET SESSION wsrep_sync_wait=1; SELECT COUNT(*) FROM keystone.t")
	e.link(t, 0, "up")
	e.synced(t, "the network is back")
	if said := e.all[0].log("galera-check"); strings.Contains(said, "galera: all who may have newer data") {
		t.Errorf("the machine that was cut off began a cluster:\n%s", said)
	}
	e.same(t, id, rows)
	within(t, *patience, "one machine has the virtual address", func() error { _, err := e.holder(); return err }, e.logs("keepalived"))
}

// left: a server that Galera has taken out of its cluster (it differed, or was told to) runs
// on by itself, and comes back without anybody.
func (e *ensemble) left(t *testing.T) {
	id, c := e.clusterID(t), e.all[1]
	e.mustSQL(t, c, "SET GLOBAL wsrep_provider_options = 'gmcast.isolate=2'")
	within(t, *patience, "the server has left", func() error {
		if out, err := e.sql(c, "SHOW STATUS LIKE 'wsrep_connected'"); err != nil || out != "wsrep_connected\tOFF" {
			return fmt.Errorf("it says %q, %v", out, err)
		}
		return nil
	}, e.logs("mariadb", "galera-check"))
	e.mustSQL(t, e.all[0], "INSERT INTO keystone.t (s) VALUES ('f')")
	rows := e.mustSQL(t, e.all[2], "SET SESSION wsrep_sync_wait=1; SELECT COUNT(*) FROM keystone.t")
	e.synced(t, "it is back")
	e.same(t, id, rows)
}

// link plugs and unplugs the cable of a machine.
func (e *ensemble) link(t *testing.T, i int, to string) {
	t.Helper()
	sh(t, "ip", "-n", e.hub, "link", "set", fmt.Sprintf("p%d", i), to)
}

func (e *ensemble) allKilled(t *testing.T) {
	id, rows := e.clusterID(t), e.mustSQL(t, e.all[0], "SELECT COUNT(*) FROM keystone.t")
	e.side(func(c *controller) { c.kill("mariadb", syscall.SIGKILL) })
	for _, c := range e.all[:2] {
		e.startDatabase(c)
	}
	within(t, *patience, "two of three say for whom they wait", func() error {
		for _, c := range e.all[:2] {
			if !strings.Contains(c.log("mariadb"), "the database waits: overcloud-controller-2 (192.168.24.13)") {
				return fmt.Errorf("%s says nothing", c.node.Name)
			}
		}
		return nil
	}, e.logs("mariadb"))
	e.startDatabase(e.all[2])
	e.synced(t, "all killed: the cluster is back")
	e.same(t, id, rows)
}

// same checks that nothing is lost, and that it is the same cluster.
func (e *ensemble) same(t *testing.T, id, rows string) {
	t.Helper()
	if now := e.clusterID(t); now != id {
		t.Errorf("the cluster is %s, and was %s", now, id)
	}
	for _, c := range e.all {
		if now := e.mustSQL(t, c, "SET SESSION wsrep_sync_wait=1; SELECT COUNT(*) FROM keystone.t"); now != rows {
			t.Errorf("%s has %s rows of %s", c.node.Name, now, rows)
		}
	}
}

func (e *ensemble) allStopped(t *testing.T) {
	id, rows := e.clusterID(t), e.mustSQL(t, e.all[0], "SELECT COUNT(*) FROM keystone.t")
	for _, c := range e.all {
		c.kill("mariadb", syscall.SIGTERM)
	}
	e.side(e.startDatabase)
	e.synced(t, "all stopped in order: the cluster is back")
	e.same(t, id, rows)
}

// torn: a machine lost its power while it was given all data, and cannot start with half
// of them. A number that another program has since stands for who copied them.
func (e *ensemble) torn(t *testing.T) {
	id, rows := e.clusterID(t), e.mustSQL(t, e.all[0], "SELECT COUNT(*) FROM keystone.t")
	c := e.all[2]
	c.kill("mariadb", syscall.SIGKILL)
	data := filepath.Join(c.dir, "var/lib/mysql")
	for name, content := range map[string]string{
		"sst_in_progress": "", "wsrep_sst.pid": "1", "ibdata1": "half",
		"grastate.dat": "# GALERA saved state\nversion: 2.1\nuuid:    00000000-0000-0000-0000-000000000000\nseqno:   -1\nsafe_to_bootstrap: 0\n",
	} {
		if err := os.WriteFile(filepath.Join(data, name), []byte(content), 0o660); err != nil {
			t.Fatal(err)
		}
		c.chown(filepath.Join(data, name), "mysql", "mysql")
	}
	e.startDatabase(c)
	e.synced(t, "half of another's data: the machine is given all of them")
	e.same(t, id, rows)
}
