package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/ironic"
)

// where gathers conditions.
type where struct {
	conds []string
	args  []any
}

func (w *where) add(cond string, args ...any) {
	w.conds, w.args = append(w.conds, cond), append(w.args, args...)
}

func (w *where) equal(column, value string) {
	if value != "" {
		w.add(column+" = ?", value)
	}
}

// part is for a text that is to be a part of the column's.
func (w *where) part(column, value string) {
	if value != "" {
		w.add("instr("+column+", ?) > 0", value)
	}
}

// oneOf is a condition of column; nil does not filter.
func (w *where) oneOf(column string, values []string) {
	if values == nil {
		return
	}
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = v
	}
	cond := column + " IN (" + strings.TrimSuffix(strings.Repeat("?,", len(values)), ",") + ")"
	if !slices.Contains(values, "") {
		cond += " AND " + column + " <> ''" // what an index without empty ones is found by
	}
	w.add(cond, args...)
}

// with is w and one more condition; w stays as it is.
func (w *where) with(cond string, args ...any) where {
	return where{slices.Concat(w.conds, []string{cond}), slices.Concat(w.args, args)}
}

func (w *where) sql() string {
	if len(w.conds) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.conds, " AND ")
}

// pager makes queries for pages of a table.
type pager struct {
	table, columns string            // columns begin with id
	kind           string            // what an error calls a row
	keys           map[string]string // what pages can be sorted by → SQL, which is never NULL
}

// query is the SQL for a page of the rows that w lets through. A row has one column
// more than asked for, behind them: its sort key.
func (p pager) query(ctx context.Context, q queryer, w where, page ironic.Page) (string, []any, error) {
	key, err := p.key(page.SortKey)
	if err != nil {
		return "", nil, err
	}
	than, dir, first := ">", "", int64(0)
	if page.Desc {
		than, dir, first = "<", " DESC", math.MaxInt64
	}
	limit := page.Limit
	if limit <= 0 {
		limit = -1 // none
	}
	from := func(w where) string {
		return "SELECT " + p.columns + ", " + key + " AS page_key FROM " + p.table + w.sql()
	}
	order := " ORDER BY page_key" + dir + ", id" + dir + " LIMIT ?"
	var after any
	if page.Marker != "" {
		if first, after, err = p.marker(ctx, q, key, page.Marker); err != nil {
			return "", nil, err
		}
	}
	switch {
	case key == "id":
		w = w.with("id "+than+" ?", first)
	case page.Marker != "":
		// Rows of the same key and those behind them are looked for one by one: an index leads to the first
		// of each, where (key, id) > (?, ?) in one would go over all rows of the marker's key.
		same, behind := w.with(key+" = ? AND id "+than+" ?", after, first), w.with(key+" "+than+" ?", after)
		return from(same) + " UNION ALL " + from(behind) + order, slices.Concat(same.args, behind.args, []any{limit}), nil
	}
	return from(w) + order, slices.Concat(w.args, []any{limit}), nil
}

func (p pager) key(name string) (string, error) {
	if name == "" {
		return "id", nil
	}
	key, ok := p.keys[name]
	if !ok {
		return "", errs.New(errs.Invalid, "%ss cannot be sorted by %q", strings.ToLower(p.kind), name)
	}
	return key, nil
}

// marker finds the place of the row with that uuid.
func (p pager) marker(ctx context.Context, q queryer, key, uuid string) (id int64, value any, err error) {
	err = q.QueryRowContext(ctx, "SELECT id, "+key+" FROM "+p.table+" WHERE uuid = ?", uuid).Scan(&id, &value)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil, errs.New(errs.NotFound, "%s %s could not be found.", p.kind, uuid)
	}
	if err != nil {
		return 0, nil, fmt.Errorf("read %s %s: %w", strings.ToLower(p.kind), uuid, err)
	}
	return id, value, nil
}

// list reads the page.
func list[R any](ctx context.Context, q querier, p pager, w where, page ironic.Page, scan func(scanner) (R, error)) ([]R, error) {
	query, args, err := p.query(ctx, q, w, page)
	if err != nil {
		return nil, err
	}
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list %ss: %w", strings.ToLower(p.kind), err)
	}
	defer rows.Close()
	var out []R
	for rows.Next() {
		r, err := scan(withKey{rows})
		if err != nil {
			return nil, fmt.Errorf("list %ss: %w", strings.ToLower(p.kind), err)
		}
		out = append(out, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list %ss: %w", strings.ToLower(p.kind), err)
	}
	return out, nil
}

// withKey is a row whose last column is its sort key, which nobody wants.
type withKey struct{ row scanner }

func (k withKey) Scan(dest ...any) error {
	var key any
	return k.row.Scan(append(slices.Clip(dest), &key)...)
}
