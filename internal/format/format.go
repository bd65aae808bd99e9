// Package format prints results the way OpenStack's command-line clients do:
// -f table, json, yaml, csv or value, and -c to choose columns.
package format

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/yaml"
)

// Options are what the user chose. The zero value is a table of all columns.
type Options struct {
	Format  string   // table (default), json, yaml, csv, value
	Columns []string // empty: all; order is the user's
	Sort    string   // a column's name; empty leaves the order
}

// Field is one row of a Field|Value table.
type Field struct {
	Name  string
	Value any
}

// List prints rows under columns. Values may be nil, bool, numbers, text, lists and maps;
// tables show them as Python would, because that is what scripts expect.
func List(w io.Writer, o Options, columns []string, rows [][]any) error {
	if o.Sort != "" {
		i := slices.Index(columns, o.Sort)
		if i < 0 {
			return unknownColumn(o.Sort, columns)
		}
		rows = slices.Clone(rows)
		sort.SliceStable(rows, func(a, b int) bool { return Text(rows[a][i]) < Text(rows[b][i]) })
	}
	columns, rows, err := choose(o.Columns, columns, rows)
	if err != nil {
		return err
	}
	switch o.Format {
	case "", "table":
		return Table(w, columns, rows, Left)
	case "json":
		return writeJSON(w, objects(columns, rows))
	case "yaml":
		return writeYAML(w, objects(columns, rows))
	case "csv":
		return writeCSV(w, columns, rows)
	case "value":
		for _, r := range rows {
			fmt.Fprintln(w, strings.Join(texts(r), " "))
		}
		return nil
	}
	return unknownFormat(o.Format)
}

// Show prints one thing as Field|Value, or as one object.
func Show(w io.Writer, o Options, fields []Field) error {
	if len(o.Columns) > 0 {
		var kept []Field
		for _, c := range o.Columns {
			i := slices.IndexFunc(fields, func(f Field) bool { return f.Name == c })
			if i < 0 {
				names := make([]string, len(fields))
				for j, f := range fields {
					names[j] = f.Name
				}
				return unknownColumn(c, names)
			}
			kept = append(kept, fields[i])
		}
		fields = kept
	}
	rows := make([][]any, len(fields))
	obj := &object{}
	for i, f := range fields {
		rows[i] = []any{f.Name, f.Value}
		obj.add(f.Name, f.Value)
	}
	switch o.Format {
	case "", "table":
		for _, r := range rows {
			r[1] = Text(r[1])
		}
		return Table(w, []string{"Field", "Value"}, rows, Left)
	case "json":
		return writeJSON(w, obj)
	case "yaml":
		return writeYAML(w, obj)
	case "csv":
		return writeCSV(w, []string{"Field", "Value"}, rows)
	case "value":
		for _, f := range fields {
			fmt.Fprintln(w, Text(f.Value))
		}
		return nil
	}
	return unknownFormat(o.Format)
}

func choose(want, columns []string, rows [][]any) ([]string, [][]any, error) {
	if len(want) == 0 {
		return columns, rows, nil
	}
	idx := make([]int, len(want))
	for i, c := range want {
		if idx[i] = slices.Index(columns, c); idx[i] < 0 {
			return nil, nil, unknownColumn(c, columns)
		}
	}
	out := make([][]any, len(rows))
	for r := range rows {
		for _, i := range idx {
			out[r] = append(out[r], rows[r][i])
		}
	}
	return want, out, nil
}

func unknownColumn(c string, known []string) error {
	return errs.New(errs.Invalid, "no recognized column names in ['%s']. Recognized columns are %s", c, Text(anys(known)))
}

func unknownFormat(f string) error {
	return errs.New(errs.Invalid, "unknown output format %q: expected table, json, yaml, csv or value", f)
}

func anys(ss []string) []any {
	out := make([]any, len(ss))
	for i, s := range ss {
		out[i] = s
	}
	return out
}

func texts(r []any) []string {
	out := make([]string, len(r))
	for i, v := range r {
		out[i] = Text(v)
	}
	return out
}

func objects(columns []string, rows [][]any) []*object {
	out := make([]*object, len(rows))
	for i, r := range rows {
		out[i] = &object{}
		for j, c := range columns {
			out[i].add(c, r[j])
		}
	}
	return out
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

func writeYAML(w io.Writer, v any) error {
	b, err := yaml.Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}

func writeCSV(w io.Writer, columns []string, rows [][]any) error {
	// encoding/csv quotes only what needs it; cliff quotes all that is not a number.
	line := func(cells []any) {
		out := make([]string, len(cells))
		for i, c := range cells {
			if isNumber(c) {
				out[i] = Text(c)
			} else {
				out[i] = `"` + strings.ReplaceAll(Text(c), `"`, `""`) + `"`
			}
		}
		fmt.Fprintln(w, strings.Join(out, ","))
	}
	line(anys(columns))
	for _, r := range rows {
		line(r)
	}
	return nil
}
