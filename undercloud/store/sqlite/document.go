package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"trefoil/internal/errs"
)

// querier is a *sql.DB or a *sql.Tx.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// documents is a table (seq, id, doc) of values of type T, kept as JSON. It
// suits the small, seldom written things around bare metal.
type documents[T any] struct {
	table string
	kind  string // what an error calls it
}

// get returns the document with that id, or an errs.NotFound.
func (d documents[T]) get(ctx context.Context, q querier, id string) (*T, error) {
	var text string
	err := q.QueryRowContext(ctx, "SELECT doc FROM "+d.table+" WHERE id = ?", id).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errs.New(errs.NotFound, "%s %s could not be found", d.kind, id)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s %s: %w", d.kind, id, err)
	}
	return d.decode(id, text)
}

func (d documents[T]) decode(id, text string) (*T, error) {
	v := new(T)
	if err := json.Unmarshal([]byte(text), v); err != nil {
		return nil, fmt.Errorf("decode %s %s: %w", d.kind, id, err)
	}
	return v, nil
}

// list returns all documents in the order they were made.
func (d documents[T]) list(ctx context.Context, q querier) ([]*T, error) {
	rows, err := q.QueryContext(ctx, "SELECT id, doc FROM "+d.table+" ORDER BY seq")
	if err != nil {
		return nil, fmt.Errorf("list %ss: %w", d.kind, err)
	}
	defer rows.Close()
	out := []*T{}
	for rows.Next() {
		var id, text string
		if err := rows.Scan(&id, &text); err != nil {
			return nil, fmt.Errorf("list %ss: %w", d.kind, err)
		}
		v, err := d.decode(id, text)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// put writes the document, new or not.
func (d documents[T]) put(ctx context.Context, q querier, id string, v *T) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s %s: %w", d.kind, id, err)
	}
	_, err = q.ExecContext(ctx, "INSERT INTO "+d.table+" (id, doc) VALUES (?, ?) "+
		"ON CONFLICT (id) DO UPDATE SET doc = excluded.doc", id, string(text))
	if err != nil {
		return fmt.Errorf("write %s %s: %w", d.kind, id, err)
	}
	return nil
}

// drop deletes the document; an unknown id is an errs.NotFound.
func (d documents[T]) drop(ctx context.Context, q querier, id string) error {
	res, err := q.ExecContext(ctx, "DELETE FROM "+d.table+" WHERE id = ?", id)
	if err != nil {
		return fmt.Errorf("delete %s %s: %w", d.kind, id, err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, errs.New(errs.NotFound, "%s %s could not be found", d.kind, id))
	}
	return nil
}
