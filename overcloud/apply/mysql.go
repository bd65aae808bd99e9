package apply

import (
	"context"
	"crypto/sha1" // mysql_native_password is defined so
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"trefoil/internal/errs"
	"trefoil/overcloud/resource"
)

// mysqlRun is the run of MySQL resources at the head: they go to the server in
// one conversation, since each start of the client costs under emulation.
func mysqlRun(rs []resource.Resource) []resource.Resource {
	n := 0
	for n < len(rs) && (rs[n].MySQLDatabase != nil || rs[n].MySQLUser != nil) {
		n++
	}
	return rs[:n]
}

// server is what there is on the node's MariaDB.
type server struct {
	databases map[string]bool
	users     map[string]string // user@host → password hash
	grants    map[string]bool   // user@host/database
}

const mysqlLook = "SELECT 'd', SCHEMA_NAME, '', '' FROM information_schema.SCHEMATA;\n" +
	"SELECT 'u', User, Host, authentication_string FROM mysql.user;\n" +
	"SELECT 'g', User, Host, Db FROM mysql.db WHERE Select_priv='Y' AND Insert_priv='Y' AND Drop_priv='Y' AND Alter_priv='Y';\n"

func (s *step) mysql(ctx context.Context, batch []resource.Resource) error {
	for _, r := range batch {
		s.emit("start", r.Key())
	}
	first := batch[0].Key()
	have, err := s.mysqlState(ctx)
	if err != nil {
		return s.fail(first, err, nil)
	}
	var sql strings.Builder
	var changed []string
	for _, r := range batch {
		stmt := have.missing(r)
		if stmt == "" {
			continue
		}
		sql.WriteString(stmt)
		changed = append(changed, r.Key())
		if err := s.changing(r.Key()); err != nil {
			return s.fail(r.Key(), err, nil)
		}
	}
	if len(changed) > 0 {
		if _, err := s.mysqlClient(ctx, sql.String()+"FLUSH PRIVILEGES;\n"); err != nil {
			return s.fail(changed[0], err, nil)
		}
	}
	for _, r := range batch {
		if slices.Contains(changed, r.Key()) {
			s.count++
			s.emit("changed", r.Key())
		} else {
			s.emit("unchanged", r.Key())
		}
	}
	return nil
}

// mysqlClient logs in as root through the socket, and gives the turn away meanwhile.
func (s *step) mysqlClient(ctx context.Context, sql string) (out string, err error) {
	err = s.aside(func() (err error) {
		out, err = s.mysqlAsk(ctx, sql)
		return err
	})
	return out, err
}

// mysqlAsk needs no turn; statements go to standard input.
func (s *step) mysqlAsk(ctx context.Context, sql string) (string, error) {
	out, err := s.System.Run(ctx, Command{Args: []string{"mysql", "--protocol=socket", "--user=root", "--batch", "--skip-column-names"},
		Stdin: sql, Timeout: 2 * time.Minute})
	if err == nil {
		return out, nil
	}
	err, refused := sqlError(err)
	e := errs.Wrap(errs.Unavailable, err, "talk to the node's database server")
	if refused {
		return "", e.WithHint("journalctl -u mariadb on the node tells more; the next deployment goes on here")
	}
	return "", e.WithHint("is mariadb started, and does a wait on unix:/run/mysqld/mysqld.sock stand before this resource?")
}

// sqlError takes the server's own words out of what the client printed: the statement that
// failed comes before them, whole. refused: the server was there.
func sqlError(err error) (told error, refused bool) {
	var ended *RunError
	if !errors.As(err, &ended) {
		return err, false
	}
	for line := range strings.Lines(ended.Output) {
		if strings.HasPrefix(line, "ERROR ") {
			return &RunError{ended.Name, ended.Code, line}, !strings.HasPrefix(line, "ERROR 2002 ")
		}
	}
	return err, false
}

func (s *step) mysqlState(ctx context.Context) (*server, error) {
	out, err := s.mysqlClient(ctx, mysqlLook)
	if err != nil {
		return nil, err
	}
	have := &server{databases: map[string]bool{}, users: map[string]string{}, grants: map[string]bool{}}
	for line := range strings.Lines(out) {
		f := strings.Split(strings.TrimRight(line, "\n"), "\t")
		if len(f) != 4 {
			continue
		}
		switch f[0] {
		case "d":
			have.databases[f[1]] = true
		case "u":
			have.users[f[1]+"@"+f[2]] = f[3]
		case "g":
			// The batch output escapes the backslash that escapes _ in a pattern.
			have.grants[f[1]+"@"+f[2]+"/"+strings.ReplaceAll(f[3], `\`, "")] = true
		}
	}
	return have, nil
}

// missing returns the statements that make r so; "" when it is.
func (v *server) missing(r resource.Resource) string {
	if d := r.MySQLDatabase; d != nil {
		if v.databases[d.Name] {
			return ""
		}
		charset := d.Charset
		if charset == "" {
			charset = "utf8mb3"
		}
		return fmt.Sprintf("CREATE DATABASE IF NOT EXISTS `%s` CHARACTER SET %s;\n", d.Name, charset)
	}
	u := r.MySQLUser
	hosts := u.Hosts
	if len(hosts) == 0 {
		hosts = []string{"localhost", "%"}
	}
	var b strings.Builder
	want := nativeHash(u.Password)
	for _, h := range hosts {
		at := fmt.Sprintf("'%s'@'%s'", u.Name, h)
		if v.users[u.Name+"@"+h] != want {
			fmt.Fprintf(&b, "CREATE USER IF NOT EXISTS %s;\nALTER USER %s IDENTIFIED BY PASSWORD '%s';\n", at, at, want)
		}
		for _, d := range u.Databases {
			if !v.grants[u.Name+"@"+h+"/"+d] {
				fmt.Fprintf(&b, "GRANT ALL PRIVILEGES ON `%s`.* TO %s;\n", strings.ReplaceAll(d, "_", `\_`), at)
			}
		}
	}
	return b.String()
}

// nativeHash is what mysql_native_password stores: so the password itself is
// neither sent nor logged by the server.
func nativeHash(password string) string {
	a := sha1.Sum([]byte(password))
	b := sha1.Sum(a[:])
	return "*" + strings.ToUpper(fmt.Sprintf("%x", b))
}
