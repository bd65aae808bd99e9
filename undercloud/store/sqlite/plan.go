package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"trefoil/internal/errs"
	"trefoil/overcloud/stack"
)

// CreatePlan implements stack.PlanStore.
func (d *DB) CreatePlan(ctx context.Context, p *stack.Plan) error {
	return d.Update(ctx, func(tx *sql.Tx) error { return insertPlan(ctx, tx, p) })
}

func insertPlan(ctx context.Context, tx *sql.Tx, p *stack.Plan) error {
	body, input, err := encodePlan(p)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO plans (name, body, input) VALUES (?,?,?)`, p.Name, body, input)
	if err != nil && strings.Contains(err.Error(), "UNIQUE") {
		return errs.New(errs.Conflict, "the plan %s already exists", p.Name)
	}
	return err
}

func writePlan(ctx context.Context, tx *sql.Tx, p *stack.Plan) error {
	body, input, err := encodePlan(p)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE plans SET body = ?, input = ? WHERE name = ?`, body, input, p.Name)
	return err
}

// Plan implements stack.PlanStore.
func (d *DB) Plan(ctx context.Context, name string) (*stack.Plan, error) {
	return readPlan(ctx, d.read, name)
}

// Plans implements stack.PlanStore.
func (d *DB) Plans(ctx context.Context) ([]*stack.Plan, error) {
	rows, err := d.read.QueryContext(ctx, `SELECT body FROM plans ORDER BY name`)
	if err != nil {
		return nil, fmt.Errorf("list plans: %w", err)
	}
	defer rows.Close()
	var out []*stack.Plan
	for rows.Next() {
		var body string
		if err := rows.Scan(&body); err != nil {
			return nil, fmt.Errorf("list plans: %w", err)
		}
		p := &stack.Plan{}
		if err := json.Unmarshal([]byte(body), p); err != nil {
			return nil, fmt.Errorf("decode plan: %w", err)
		}
		p.Passwords = nil
		out = append(out, p)
	}
	return out, rows.Err()
}

// UpdatePlan implements stack.PlanStore.
func (d *DB) UpdatePlan(ctx context.Context, name string, change func(*stack.Plan) error) (*stack.Plan, error) {
	var p *stack.Plan
	err := d.Update(ctx, func(tx *sql.Tx) (err error) {
		if p, err = readPlan(ctx, tx, name); err != nil {
			return err
		}
		if err := change(p); err != nil {
			return err
		}
		return writePlan(ctx, tx, p)
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// DeletePlan implements stack.PlanStore.
func (d *DB) DeletePlan(ctx context.Context, name string) error {
	return d.Update(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `DELETE FROM plans WHERE name = ?`, name)
		if err != nil {
			return fmt.Errorf("delete plan %s: %w", name, err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, noPlan(name))
		}
		return nil
	})
}

func noPlan(name string) error {
	return errs.New(errs.NotFound, "the plan %s could not be found", name)
}

func encodePlan(p *stack.Plan) (body string, input []byte, err error) {
	rest := *p
	rest.Input = stack.Input{}
	b, err := json.Marshal(rest)
	if err != nil {
		return "", nil, fmt.Errorf("encode plan: %w", err)
	}
	input, err = packInput(p.Input)
	return string(b), input, err
}

func readPlan(ctx context.Context, q querier, name string) (*stack.Plan, error) {
	var body string
	var input []byte
	err := q.QueryRowContext(ctx, `SELECT body, input FROM plans WHERE name = ?`, name).Scan(&body, &input)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, noPlan(name)
	}
	if err != nil {
		return nil, fmt.Errorf("read plan: %w", err)
	}
	p := &stack.Plan{}
	if err := json.Unmarshal([]byte(body), p); err != nil {
		return nil, fmt.Errorf("decode plan: %w", err)
	}
	return p, unpackInput(input, &p.Input)
}
