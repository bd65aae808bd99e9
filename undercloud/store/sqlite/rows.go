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

// rows is a table (id, uuid, …, doc) of values of type T, kept as JSON: of resources that
// are few and whose lists are read whole. uuid is unique, name, where there is one, too.
type rows[T any] struct {
	table string
	kind  string // what errors call it, with a capital: "Runbook"
	head  func(*T) head
}

// head is what of a value stands in columns, or is the store's to fill.
type head struct {
	id      *int64
	uuid    *string
	created *time.Time
	updated **time.Time
	name    *string  // nil: they have none
	columns []column // what else lists go by
	// taken is the Conflict where something but the uuid is another one's; nil: the name is.
	taken func() error
}

// row are the columns beside id, uuid and doc.
func (h head) row() []column {
	if h.name == nil {
		return h.columns
	}
	return append([]column{{"name", *h.name}}, h.columns...)
}

// create stores v and fills what is the store's.
func (n rows[T]) create(ctx context.Context, d *DB, v *T) error {
	return d.Update(ctx, func(tx *sql.Tx) error { return n.insert(ctx, tx, v) })
}

// insert is create in the caller's transaction.
func (n rows[T]) insert(ctx context.Context, tx *sql.Tx, v *T) error {
	h := n.head(v)
	*h.created, *h.updated = now(), nil
	doc, err := n.encode(v)
	if err != nil {
		return err
	}
	names, args := "uuid, doc", []any{*h.uuid, doc}
	for _, c := range h.row() {
		names, args = names+", "+c.name, append(args, c.value)
	}
	res, err := tx.ExecContext(ctx, "INSERT INTO "+n.table+" ("+names+") VALUES (?"+strings.Repeat(",?", len(args)-1)+")", args...)
	if err != nil {
		return n.conflict(h, err)
	}
	*h.id, err = res.LastInsertId()
	return err
}

func (n rows[T]) encode(v *T) (string, error) {
	doc, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode %s %s: %w", strings.ToLower(n.kind), *n.head(v).uuid, err)
	}
	return string(doc), nil
}

// conflict says which rule of uniqueness was broken, in Ironic's words.
func (n rows[T]) conflict(h head, err error) error {
	kind := strings.ToLower(n.kind)
	article := "A"
	if strings.ContainsAny(kind[:1], "aeio") {
		article = "An"
	}
	switch field, ok := uniqueField(err); {
	case !ok:
		return fmt.Errorf("store %s %s: %w", kind, *h.uuid, err)
	case h.taken != nil && field != n.table+".uuid":
		return h.taken()
	case field == n.table+".name":
		return errs.New(errs.Conflict, "%s %s with name %s already exists.", article, kind, *h.name)
	default:
		return errs.New(errs.Conflict, "%s %s with UUID %s already exists.", article, kind, *h.uuid)
	}
}

func (n rows[T]) scan(s scanner) (*T, error) {
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

// find finds one by uuid or, where there is one, name.
func (n rows[T]) find(ctx context.Context, q queryer, ident string) (*T, error) {
	query, args := "SELECT id, doc FROM "+n.table+" WHERE uuid = ?", []any{ident}
	if n.head(new(T)).name != nil {
		query, args = query+" OR name = ?", append(args, ident)
	}
	v, err := n.scan(q.QueryRowContext(ctx, query, args...))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errs.New(errs.NotFound, "%s %s could not be found.", n.kind, ident)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s %s: %w", strings.ToLower(n.kind), ident, err)
	}
	return v, nil
}

// list lists in order of creation what w lets through.
func (n rows[T]) list(ctx context.Context, d *DB, w where) ([]*T, error) {
	found, err := d.read.QueryContext(ctx, "SELECT id, doc FROM "+n.table+w.sql()+" ORDER BY id", w.args...)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", n.table, err)
	}
	defer found.Close()
	var out []*T
	for found.Next() {
		v, err := n.scan(found)
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", n.table, err)
		}
		out = append(out, v)
	}
	return out, found.Err()
}

// update lets change edit a value inside one write transaction; what is the store's stays.
func (n rows[T]) update(ctx context.Context, d *DB, uuid string, change func(*T) error) (*T, error) {
	return n.updateAs(ctx, d, uuid, func(_ *sql.Tx, v *T) error { return change(v) })
}

// updateAs is update whose change looks at the rest of the store, too.
func (n rows[T]) updateAs(ctx context.Context, d *DB, uuid string, change func(*sql.Tx, *T) error) (*T, error) {
	var out *T
	err := d.Update(ctx, func(tx *sql.Tx) error {
		v, err := n.find(ctx, tx, uuid)
		if err != nil {
			return err
		}
		h := n.head(v)
		id, key, created := *h.id, *h.uuid, *h.created
		if err := change(tx, v); err != nil {
			return err
		}
		t := now()
		h = n.head(v) // with the columns of now
		*h.id, *h.uuid, *h.created, *h.updated = id, key, created, &t
		doc, err := n.encode(v)
		if err != nil {
			return err
		}
		set, args := "doc=?", []any{doc}
		for _, c := range h.row() {
			set, args = set+", "+c.name+"=?", append(args, c.value)
		}
		if _, err := tx.ExecContext(ctx, "UPDATE "+n.table+" SET "+set+" WHERE id=?", append(args, id)...); err != nil {
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
func (n rows[T]) remove(ctx context.Context, d *DB, uuid string) error {
	return d.Update(ctx, func(tx *sql.Tx) error { return deleteByUUID(ctx, tx, n.table, n.kind, uuid) })
}
