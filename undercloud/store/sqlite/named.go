package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"trefoil/internal/errs"
)

// named is a table (id, uuid, name, doc) of values of type T, kept as JSON. Both uuid and
// name are unique.
type named[T any] struct {
	table string
	kind  string // what errors call it, with a capital: "Runbook"
	head  func(*T) head
}

// head is what of a value stands in columns, or is the store's to fill.
type head struct {
	id         *int64
	uuid, name *string
	created    *time.Time
	updated    **time.Time
}

// create stores v and fills what is the store's.
func (n named[T]) create(ctx context.Context, d *DB, v *T) error {
	return d.Update(ctx, func(tx *sql.Tx) error {
		h := n.head(v)
		*h.created, *h.updated = now(), nil
		doc, err := n.encode(v)
		if err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, "INSERT INTO "+n.table+" (uuid, name, doc) VALUES (?,?,?)", *h.uuid, *h.name, doc)
		if err != nil {
			return n.conflict(h, err)
		}
		*h.id, err = res.LastInsertId()
		return err
	})
}

func (n named[T]) encode(v *T) (string, error) {
	doc, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode %s %s: %w", strings.ToLower(n.kind), *n.head(v).uuid, err)
	}
	return string(doc), nil
}

// conflict says which rule of uniqueness was broken, in Ironic's words.
func (n named[T]) conflict(h head, err error) error {
	kind := strings.ToLower(n.kind)
	switch field, ok := uniqueField(err); {
	case !ok:
		return fmt.Errorf("store %s %s: %w", kind, *h.uuid, err)
	case field == n.table+".name":
		return errs.New(errs.Conflict, "A %s with name %s already exists.", kind, *h.name)
	default:
		return errs.New(errs.Conflict, "A %s with UUID %s already exists.", kind, *h.uuid)
	}
}

func (n named[T]) scan(s scanner) (*T, error) {
	var id int64
	var doc string
	if err := s.Scan(&id, &doc); err != nil {
		return nil, err
	}
	v := new(T)
	if err := json.Unmarshal([]byte(doc), v); err != nil {
		return nil, fmt.Errorf("decode %s %d: %w", strings.ToLower(n.kind), id, err)
	}
	*n.head(v).id = id
	return v, nil
}

// find finds one by uuid or name.
func (n named[T]) find(ctx context.Context, q queryer, ident string) (*T, error) {
	v, err := n.scan(q.QueryRowContext(ctx, "SELECT id, doc FROM "+n.table+" WHERE uuid = ? OR name = ?", ident, ident))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errs.New(errs.NotFound, "%s %s could not be found.", n.kind, ident)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s %s: %w", strings.ToLower(n.kind), ident, err)
	}
	return v, nil
}

// list lists in order of creation what where, an SQL condition, lets through; empty: all.
func (n named[T]) list(ctx context.Context, d *DB, where string, args ...any) ([]*T, error) {
	if where != "" {
		where = " WHERE " + where
	}
	rows, err := d.read.QueryContext(ctx, "SELECT id, doc FROM "+n.table+where+" ORDER BY id", args...)
	if err != nil {
		return nil, fmt.Errorf("list %ss: %w", strings.ToLower(n.kind), err)
	}
	defer rows.Close()
	var out []*T
	for rows.Next() {
		v, err := n.scan(rows)
		if err != nil {
			return nil, fmt.Errorf("list %ss: %w", strings.ToLower(n.kind), err)
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// update lets change edit a value inside one write transaction; what is the store's stays.
func (n named[T]) update(ctx context.Context, d *DB, uuid string, change func(*T) error) (*T, error) {
	var out *T
	err := d.Update(ctx, func(tx *sql.Tx) error {
		v, err := n.find(ctx, tx, uuid)
		if err != nil {
			return err
		}
		h := n.head(v)
		id, key, created := *h.id, *h.uuid, *h.created
		if err := change(v); err != nil {
			return err
		}
		t := now()
		*h.id, *h.uuid, *h.created, *h.updated = id, key, created, &t
		doc, err := n.encode(v)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE "+n.table+" SET name=?, doc=? WHERE id=?", *h.name, doc, id); err != nil {
			return n.conflict(h, err)
		}
		out = v
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// remove deletes one.
func (n named[T]) remove(ctx context.Context, d *DB, uuid string) error {
	return d.Update(ctx, func(tx *sql.Tx) error { return deleteByUUID(ctx, tx, n.table, n.kind, uuid) })
}
