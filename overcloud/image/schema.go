package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// SchemaDir holds one file a service, named like it, with the version of the
// package whose database schema is in the image's MariaDB. A template skips
// its db_sync, which takes minutes under emulation, when the version is that of
// the installed package. There are no accounts, grants or rows of a deployment.
const SchemaDir = "var/lib/os-apply-config/schema"

// schemas are the services whose tables can be made at build time. Two may be of
// one package: Nova has a database for its API, one for a cell and one for what
// never reached a cell, and `db sync` without --local_cell would ask the cells.
var schemas = []struct {
	service, pkg, database string
	command                []string
}{
	{"keystone", "keystone", "keystone", []string{"keystone-manage", schemaFlag, "db_sync"}},
	{"glance", "glance-api", "glance", []string{"glance-manage", schemaFlag, "db_sync"}},
	{"placement", "placement-api", "placement", []string{"placement-manage", schemaFlag, "db", "sync"}},
	{"nova_api", "nova-api", "nova_api", []string{"nova-manage", schemaFlag, "api_db", "sync"}},
	{"nova_cell0", "nova-api", "nova_cell0", []string{"nova-manage", schemaFlag, "db", "sync", "--local_cell"}},
	{"nova", "nova-api", "nova", []string{"nova-manage", schemaFlag, "db", "sync", "--local_cell"}},
	{"neutron", "neutron-api", "neutron", []string{"neutron-db-manage", schemaFlag, "upgrade", "heads"}},
	{"cinder", "cinder-api", "cinder", []string{"cinder-manage", schemaFlag, "db", "sync"}},
}

const (
	schemaSocket  = "/tmp/schema.sock"
	schemaFlag    = "--config-file=/tmp/schema.conf"
	schemaConf    = "[DEFAULT]\nuse_stderr = true\n[database]\n%[1]s[api_database]\n%[1]s[placement_database]\n%[1]s"
	schemaConnect = "connection = mysql+pymysql://root@localhost/%s?unix_socket=" + schemaSocket + "\n"
)

// schema starts the tree's own MariaDB without network and lets each service
// make its tables. It may be cut short and run again.
func (b *build) schema(ctx context.Context) error {
	todo := map[int]string{}
	for i, s := range schemas {
		version := b.version(s.pkg)
		stamp, err := os.ReadFile(filepath.Join(b.tree, SchemaDir, s.service))
		if version != "" && (err != nil || strings.TrimSpace(string(stamp)) != version) {
			todo[i] = version
		}
	}
	if len(todo) == 0 || b.version("mariadb-server") == "" {
		return nil
	}
	stop, err := b.startDatabase(ctx)
	if err != nil {
		return err
	}
	for i, s := range schemas {
		if todo[i] == "" {
			continue
		}
		if err = b.sync(ctx, s.database, s.command); err != nil {
			err = fmt.Errorf("make the tables of %s: %w", s.service, err)
			break
		}
	}
	err = errors.Join(err, stop())
	os.Remove(filepath.Join(b.tree, "tmp/schema.conf"))
	if err != nil {
		return err
	}
	for i, version := range todo { // only now is the data on the disk
		if err := writeFiles(b.tree, []rootFile{{filepath.Join(SchemaDir, schemas[i].service), version + "\n", 0o644}}); err != nil {
			return err
		}
	}
	return nil
}

func (b *build) sync(ctx context.Context, database string, command []string) error {
	sql := "CREATE DATABASE IF NOT EXISTS `" + database + "` CHARACTER SET utf8mb3;\n"
	if err := b.chrootIn(ctx, b.tree, strings.NewReader(sql), "mysql", "--socket="+schemaSocket); err != nil {
		return err
	}
	if err := writeFiles(b.tree, []rootFile{{"tmp/schema.conf", fmt.Sprintf(schemaConf, fmt.Sprintf(schemaConnect, database)), 0o600}}); err != nil {
		return err
	}
	return b.chroot(ctx, command[0], command[1:]...)
}

// startDatabase returns when the server answers; stop shuts it down in order.
func (b *build) startDatabase(ctx context.Context) (stop func() error, err error) {
	server := command(ctx, "/usr/sbin/chroot", b.tree, "mariadbd", "--user=mysql", "--skip-networking", "--socket="+schemaSocket, "--pid-file=/tmp/schema.pid")
	server.Env = chrootEnv
	var out bytes.Buffer
	server.Stdout, server.Stderr = &out, &out
	if err := server.Start(); err != nil {
		return nil, fmt.Errorf("start the image's database server: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }()
	limit := time.After(time.Minute)
	for {
		select {
		case err := <-ended:
			return nil, fmt.Errorf("the image's database server ended: %w: %s", err, lastLines(out.String(), 5))
		case <-limit:
			server.Cancel()
			<-ended
			return nil, errors.New("the image's database server does not answer")
		case <-time.After(100 * time.Millisecond):
		}
		if _, err := os.Stat(filepath.Join(b.tree, schemaSocket)); err == nil {
			break
		}
	}
	return func() error {
		// A clean end also when ctx is over: the next start then needs no recovery.
		server.Cancel()
		err := <-ended
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("stop the image's database server: %w: %s", err, lastLines(out.String(), 5))
		}
		return nil
	}, nil
}

// version of an installed package, or "".
func (b *build) version(name string) string {
	all, err := b.installed()
	if err != nil {
		return ""
	}
	for _, p := range all {
		if n, v, _ := strings.Cut(p, "="); n == name {
			return v
		}
	}
	return ""
}
