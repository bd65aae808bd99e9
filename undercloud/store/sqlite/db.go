// Package sqlite keeps the undercloud's state in one SQLite file: one writer,
// a few readers, write-ahead log. Each kind of thing has a file of its own
// (node.go, image.go, …) and numbered migrations in migrations/.
package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver

	"trefoil/internal/errs"
)

//go:embed migrations/*.sql
var migrations embed.FS

// DB is an open state file. Safe for concurrent use.
type DB struct {
	write *sql.DB // one connection: SQLite has one writer
	read  *sql.DB
	one   *lookups // over connections of its own
}

// Open opens or makes the file at path and brings its schema up to date.
func Open(ctx context.Context, path string) (*DB, error) {
	if err := private(path); err != nil {
		return nil, err
	}
	write, err := open(path, 1)
	if err != nil {
		return nil, err
	}
	if err := migrate(ctx, write); err != nil {
		write.Close()
		return nil, fmt.Errorf("migrate %s: %w", path, err)
	}
	read, err := open(path, 4)
	if err != nil {
		write.Close()
		return nil, err
	}
	one, err := open(path, 2)
	if err != nil {
		write.Close()
		read.Close()
		return nil, err
	}
	return &DB{write: write, read: read, one: &lookups{db: one, ready: map[string]*sql.Stmt{}}}, nil
}

// private makes the file before SQLite does, readable by its owner only: it holds BMC passwords.
func private(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make the directory of the state file: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("make the state file: %w", err)
	}
	return f.Close()
}

func open(path string, conns int) (*sql.DB, error) {
	q := url.Values{"_txlock": {"immediate"}, "_pragma": {
		"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(NORMAL)", "foreign_keys(ON)"}}
	db, err := sql.Open("sqlite", "file:"+path+"?"+q.Encode())
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns) // a new one reads the schema first
	return db, nil
}

// lookups asks for single rows with statements that are prepared once: to parse and
// plan one takes longer than to find the row. There are as many as the code has texts
// of queries. Lists, which may take long, have other connections: a lookup waits for lookups
// only. Safe for concurrent use.
type lookups struct {
	db    *sql.DB
	mu    sync.Mutex
	ready map[string]*sql.Stmt
}

// QueryRowContext is that of the database. A lookup whose context has ended does not begin. One that
// has begun is not interrupted, nor is its wait for those before it: each takes microseconds, and each
// watch over a context that may end would be one more goroutine, of database/sql and of the driver.
func (l *lookups) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	s, err := l.statement(ctx, query)
	if err != nil || ctx.Err() != nil {
		return l.db.QueryRowContext(ctx, query, args...) // the row will say why
	}
	return s.QueryRowContext(context.WithoutCancel(ctx), args...)
}

func (l *lookups) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.ready[query]; s != nil {
		return s, nil
	}
	s, err := l.db.PrepareContext(ctx, query)
	if err == nil {
		l.ready[query] = s
	}
	return s, err
}

func migrate(ctx context.Context, db *sql.DB) error {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, dir, goose.WithAllowOutofOrder(true))
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

// Update runs f in one write transaction; an error rolls it back. A full disk is Unavailable.
func (d *DB) Update(ctx context.Context, f func(tx *sql.Tx) error) error {
	return errs.NoSpace(d.update(ctx, f))
}

func (d *DB) update(ctx context.Context, f func(tx *sql.Tx) error) error {
	tx, err := d.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if err := f(tx); err != nil {
		_ = tx.Rollback() // the first error is the one that matters
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// Close closes the file.
func (d *DB) Close() error {
	return errors.Join(d.one.db.Close(), d.read.Close(), d.write.Close())
}
