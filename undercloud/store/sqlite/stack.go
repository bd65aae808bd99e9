package sqlite

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"trefoil/internal/errs"
	"trefoil/overcloud/stack"
)

var _ stack.Store = (*DB)(nil)

const timeLayout = time.RFC3339Nano

// CreateStack implements stack.Store.
func (d *DB) CreateStack(ctx context.Context, s *stack.Stack) error {
	return d.Update(ctx, func(tx *sql.Tx) error { return insertStack(ctx, tx, s) })
}

func insertStack(ctx context.Context, tx *sql.Tx, s *stack.Stack) error {
	body, input, err := encodeStack(s)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO stacks (id, name, action, state, body, input, created_at) VALUES (?,?,?,?,?,?,?)`,
		s.ID, s.Name, s.Action, s.State, body, input, s.CreatedAt.Format(timeLayout))
	if err != nil && strings.Contains(err.Error(), "UNIQUE") {
		return errs.New(errs.Conflict, "the stack (%s) already exists", s.Name)
	}
	return err
}

// Accept implements stack.Store.
func (d *DB) Accept(ctx context.Context, a stack.Acceptance) (*stack.Stack, error) {
	out := a.Stack
	err := d.Update(ctx, func(tx *sql.Tx) (err error) {
		// The stack first: that an action is under way says more than that the plan is another.
		if a.Change == nil {
			err = insertStack(ctx, tx, a.Stack)
		} else {
			out, err = updateStack(ctx, tx, a.Stack.ID, a.Change)
		}
		if err != nil {
			return err
		}
		p, err := readPlan(ctx, tx, a.Stack.Name)
		switch {
		case errs.Is(err, errs.NotFound):
			p = &stack.Plan{}
		case err != nil:
			return err
		}
		switch {
		case p.Version != a.Was:
			return stack.Overtaken(a.Stack.Name)
		case a.Plan == nil:
			return nil
		case a.Was == 0:
			return insertPlan(ctx, tx, a.Plan)
		}
		return writePlan(ctx, tx, a.Plan)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Stack implements stack.Store.
func (d *DB) Stack(ctx context.Context, ident string) (*stack.Stack, error) {
	return scanStack(d.read.QueryRowContext(ctx, `SELECT body, input FROM stacks WHERE id = ? OR name = ?`, ident, ident), ident)
}

// Stacks implements stack.Store.
func (d *DB) Stacks(ctx context.Context) ([]*stack.Stack, error) {
	rows, err := d.read.QueryContext(ctx, `SELECT body, input FROM stacks ORDER BY created_at`)
	if err != nil {
		return nil, fmt.Errorf("list stacks: %w", err)
	}
	defer rows.Close()
	var out []*stack.Stack
	for rows.Next() {
		s, err := scanStack(rows, "")
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}

// UpdateStack implements stack.Store.
func (d *DB) UpdateStack(ctx context.Context, id string, change func(*stack.Stack) error) (*stack.Stack, error) {
	var out *stack.Stack
	err := d.Update(ctx, func(tx *sql.Tx) (err error) {
		out, err = updateStack(ctx, tx, id, change)
		return err
	})
	return out, err
}

func updateStack(ctx context.Context, tx *sql.Tx, id string, change func(*stack.Stack) error) (*stack.Stack, error) {
	s, err := scanStack(tx.QueryRowContext(ctx, `SELECT body, input FROM stacks WHERE id = ?`, id), id)
	if err != nil {
		return nil, err
	}
	if err := change(s); err != nil {
		return nil, err
	}
	body, input, err := encodeStack(s)
	if err != nil {
		return nil, err
	}
	_, err = tx.ExecContext(ctx, `UPDATE stacks SET action = ?, state = ?, body = ?, input = ? WHERE id = ?`, s.Action, s.State, body, input, id)
	return s, err
}

// DeleteStack implements stack.Store.
func (d *DB) DeleteStack(ctx context.Context, id string) error {
	return d.Update(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM stacks WHERE id = ?`, id)
		return err
	})
}

// Record implements stack.Store.
func (d *DB) Record(ctx context.Context, e *stack.Event) error {
	return d.Update(ctx, func(tx *sql.Tx) error {
		at := e.Time.UTC().Format(timeLayout)
		res, err := tx.ExecContext(ctx, `INSERT INTO stack_events (stack_id, resource, type, physical_id, status, reason, at) VALUES (?,?,?,?,?,?,?)`,
			e.StackID, e.Resource, e.Type, e.PhysicalID, e.Status, e.Reason, at)
		if err != nil {
			return fmt.Errorf("record event: %w", err)
		}
		if e.ID, err = res.LastInsertId(); err != nil || e.Resource == "" {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO stack_resources (stack_id, name, type, physical_id, status, reason, updated_at) VALUES (?,?,?,?,?,?,?)
			ON CONFLICT (stack_id, name) DO UPDATE SET status = excluded.status, reason = excluded.reason, updated_at = excluded.updated_at,
			physical_id = CASE WHEN excluded.physical_id = '' THEN physical_id ELSE excluded.physical_id END`,
			e.StackID, e.Resource, e.Type, e.PhysicalID, e.Status, e.Reason, at)
		return err
	})
}

// Events implements stack.Store.
func (d *DB) Events(ctx context.Context, stackID string, after int64, limit int) ([]stack.Event, error) {
	if limit <= 0 {
		limit = -1
	}
	rows, err := d.read.QueryContext(ctx, `SELECT e.id, e.stack_id, s.name, e.resource, e.type, e.physical_id, e.status, e.reason, e.at
		FROM stack_events e JOIN stacks s ON s.id = e.stack_id WHERE e.stack_id = ? AND e.id > ? ORDER BY e.id LIMIT ?`, stackID, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list events: %w", err)
	}
	defer rows.Close()
	var out []stack.Event
	for rows.Next() {
		var e stack.Event
		var at string
		if err := rows.Scan(&e.ID, &e.StackID, &e.StackName, &e.Resource, &e.Type, &e.PhysicalID, &e.Status, &e.Reason, &at); err != nil {
			return nil, err
		}
		if e.Time, err = time.Parse(timeLayout, at); err != nil {
			return nil, fmt.Errorf("event %d: %w", e.ID, err)
		}
		out = append(out, e)
	}
	return out, rows.Err()
}

// Resources implements stack.Store.
func (d *DB) Resources(ctx context.Context, stackID string) ([]stack.Resource, error) {
	rows, err := d.read.QueryContext(ctx, `SELECT name, type, physical_id, status, reason, updated_at FROM stack_resources WHERE stack_id = ? ORDER BY name`, stackID)
	if err != nil {
		return nil, fmt.Errorf("list resources: %w", err)
	}
	defer rows.Close()
	var out []stack.Resource
	for rows.Next() {
		var r stack.Resource
		var at string
		if err := rows.Scan(&r.Name, &r.Type, &r.PhysicalID, &r.Status, &r.Reason, &at); err != nil {
			return nil, err
		}
		if r.UpdatedAt, err = time.Parse(timeLayout, at); err != nil {
			return nil, fmt.Errorf("resource %s: %w", r.Name, err)
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

// RemoveResources implements stack.Store.
func (d *DB) RemoveResources(ctx context.Context, stackID, prefix string) error {
	return d.Update(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM stack_resources WHERE stack_id = ? AND (name = ? OR substr(name, 1, ?) = ?)`,
			stackID, prefix, len(prefix)+1, prefix+".")
		return err
	})
}

// StackNodes implements stack.Store.
func (d *DB) StackNodes(ctx context.Context, stackID string) ([]stack.Node, error) {
	rows, err := d.read.QueryContext(ctx, `SELECT body FROM stack_nodes WHERE stack_id = ? ORDER BY name`, stackID)
	if err != nil {
		return nil, fmt.Errorf("list nodes of stack: %w", err)
	}
	defer rows.Close()
	var out []stack.Node
	for rows.Next() {
		var body string
		var n stack.Node
		if err := rows.Scan(&body); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(body), &n); err != nil {
			return nil, fmt.Errorf("node of stack: %w", err)
		}
		out = append(out, n)
	}
	return out, rows.Err()
}

// PutStackNode implements stack.Store.
func (d *DB) PutStackNode(ctx context.Context, stackID string, n stack.Node) error {
	body, err := json.Marshal(n)
	if err != nil {
		return err
	}
	return d.Update(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO stack_nodes (stack_id, name, body) VALUES (?,?,?)
			ON CONFLICT (stack_id, name) DO UPDATE SET body = excluded.body`, stackID, n.Name, string(body))
		return err
	})
}

// DeleteStackNode implements stack.Store.
func (d *DB) DeleteStackNode(ctx context.Context, stackID, name string) error {
	return d.Update(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM stack_nodes WHERE stack_id = ? AND name = ?`, stackID, name)
		return err
	})
}

// encodeStack keeps the files apart and packed: they are large and seldom read.
func encodeStack(s *stack.Stack) (body string, input []byte, err error) {
	rest := *s
	rest.Input = stack.Input{}
	b, err := json.Marshal(rest)
	if err != nil {
		return "", nil, fmt.Errorf("encode stack: %w", err)
	}
	input, err = packInput(s.Input)
	return string(b), input, err
}

func packInput(in stack.Input) ([]byte, error) {
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	if err := json.NewEncoder(z).Encode(in); err != nil {
		return nil, fmt.Errorf("encode files: %w", err)
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("pack files: %w", err)
	}
	return buf.Bytes(), nil
}

func unpackInput(packed []byte, in *stack.Input) error {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return fmt.Errorf("unpack files: %w", err)
	}
	raw, err := io.ReadAll(z)
	if err != nil {
		return fmt.Errorf("unpack files: %w", err)
	}
	return json.Unmarshal(raw, in)
}

func scanStack(row interface{ Scan(...any) error }, ident string) (*stack.Stack, error) {
	var body string
	var input []byte
	if err := row.Scan(&body, &input); errors.Is(err, sql.ErrNoRows) {
		return nil, errs.New(errs.NotFound, "the stack (%s) could not be found", ident).WithHint("openstack stack list shows which there are")
	} else if err != nil {
		return nil, fmt.Errorf("read stack: %w", err)
	}
	s := &stack.Stack{}
	if err := json.Unmarshal([]byte(body), s); err != nil {
		return nil, fmt.Errorf("decode stack: %w", err)
	}
	return s, unpackInput(input, &s.Input)
}
