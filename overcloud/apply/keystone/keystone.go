// Package keystone makes Keystone's first rows in its database: what keystone-manage bootstrap
// makes, without a Python start of a minute and more under emulation.
package keystone

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// bcrypt reads no more bytes of a password; Keystone cuts it there, too (keystone.common.password_hashing).
const maxPassword = 72

// flushTime is how long a memcached has to answer.
const flushTime = 3 * time.Second

//go:embed bootstrap.sql
var bootstrap string

// Look is the query for the hash of the administrator's password, the newest, by which Keystone
// goes; no row, or an empty one, when there is none that holds.
const Look = "SELECT IF(p.expires_at_int <= UNIX_TIMESTAMP() * 1000000, '', p.password_hash) FROM keystone.password p " +
	"JOIN keystone.local_user u ON u.id = p.local_user_id WHERE u.name = 'admin' AND u.domain_id = 'default' " +
	"ORDER BY p.created_at_int DESC LIMIT 1;\n"

// Matches tells whether a hash of Keystone's is of a password; false for hashes that are not bcrypt's.
func Matches(password, hash string) bool {
	return bcrypt.CompareHashAndPassword([]byte(hash), cut(password)) == nil
}

// Hash is what Keystone stores for a password; rounds is a power of two, 4 to 31.
func Hash(password string, rounds int) (string, error) {
	hash, err := bcrypt.GenerateFromPassword(cut(password), rounds)
	if err != nil {
		return "", fmt.Errorf("hash the administrator's password: %w", err)
	}
	return "$2b$" + strings.TrimPrefix(string(hash), "$2a$"), nil // the same algorithm; 2b is what Keystone writes
}

func cut(password string) []byte { return []byte(password)[:min(len(password), maxPassword)] }

// Statements make the rows for a region and Keystone's URL. The hash of the administrator's
// password replaces the one that is there, "" leaves it. Without keep all is taken back. Their only
// row is the number of changes, and how many of them concern what Keystone may remember otherwise.
// They may run beside a Keystone, and again.
func Statements(region, url, hash string, keep bool) string {
	end := "ROLLBACK;\nSELECT @changes, @told;\n"
	if keep {
		// A token counts in whole seconds, and one of the second in which those of the old password end is ended, too.
		end = "COMMIT;\nDO IF(@again > 0, SLEEP(1.1), 0);\nSELECT @changes, @told;\n"
	}
	password := "NULL"
	if hash != "" {
		password = quote(hash)
	}
	// Texts compare as the tables' do, also where a database came from elsewhere; times are Keystone's.
	const session = "SET NAMES utf8mb3, time_zone = '+00:00';\nUSE keystone;\nSET collation_connection = @@collation_database;\n"
	return session + fmt.Sprintf("SET @region = %s, @url = %s, @hash = %s;\nSTART TRANSACTION;\n%s%s",
		quote(region), quote(url), password, bootstrap, end)
}

func quote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(s) + "'"
}

// Flush has memcached servers (host:port, joined by commas) forget what Keystone has told:
// tokens of the password before, and the catalog. One that does not answer within three
// seconds is an error, after the others were asked.
func Flush(ctx context.Context, servers string) error {
	ctx, cancel := context.WithTimeout(ctx, flushTime)
	defer cancel()
	var wait sync.WaitGroup
	list := strings.Split(servers, ",")
	failed := make([]error, len(list))
	for i, server := range list {
		wait.Go(func() { failed[i] = flush(ctx, server) })
	}
	wait.Wait()
	return errors.Join(failed...)
}

func flush(ctx context.Context, server string) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", server)
	if err != nil {
		return fmt.Errorf("reach memcached: %w", err)
	}
	defer c.Close()
	if until, ok := ctx.Deadline(); ok {
		_ = c.SetDeadline(until) // a connection that takes none ends by itself
	}
	if _, err := c.Write([]byte("flush_all\r\n")); err != nil {
		return fmt.Errorf("ask memcached %s to forget: %w", server, err)
	}
	answer, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return fmt.Errorf("wait for memcached %s to forget: %w", server, err)
	}
	if answer != "OK\r\n" {
		return fmt.Errorf("memcached %s says %q to flush_all, expected OK", server, answer)
	}
	return nil
}
