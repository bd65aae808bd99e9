package main

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"trefoil/internal/errs"
	"trefoil/internal/format"
)

// narrowest is the width below which cliff breaks no column of a list.
const narrowest = 8

// formatFlags are those of cliff's lists (docs.openstack.org/cliff, "List Commands").
func formatFlags(more ...cli.Flag) []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "format", Aliases: []string{"f"}, Usage: "table, json, yaml, csv or value; of show also shell", Value: "table"},
		&cli.StringSliceFlag{Name: "column", Aliases: []string{"c"}, Usage: "column to show; may be given more than once"},
		&cli.StringSliceFlag{Name: "sort-column", Usage: "column to sort by; may be given more than once, the first counts most"},
		&cli.BoolFlag{Name: "sort-ascending", Usage: "sort upwards, as it is anyway"},
		&cli.BoolFlag{Name: "sort-descending", Usage: "sort downwards"},
		&cli.StringFlag{Name: "quote", Usage: "of csv: all, minimal, none or nonnumeric", Value: "nonnumeric"},
		&cli.BoolFlag{Name: "noindent", Usage: "json on one line"},
		&cli.IntFlag{Name: "max-width", Usage: "width of a table in characters; below 1 as wide as it is", EnvVars: []string{"CLIFF_MAX_TERM_WIDTH"}},
		&cli.BoolFlag{Name: "fit-width", Usage: "a table as wide as the terminal", EnvVars: []string{"CLIFF_FIT_WIDTH"}},
		&cli.BoolFlag{Name: "print-empty", Usage: "the frame of a table without rows"},
	}, more...)
}

func listFormats() []string { return []string{"csv", "json", "table", "value", "yaml"} }

// choices are the values of options with few; argparse refuses others with exit code 2.
func choices(c *cli.Context, formats ...string) error {
	for _, o := range []struct {
		title, name string
		of          []string
	}{
		{"-f/--format", "format", formats},
		{"--quote", "quote", []string{"all", "minimal", "none", "nonnumeric"}},
	} {
		slices.Sort(o.of)
		if v := c.String(o.name); !slices.Contains(o.of, v) {
			return usageError{fmt.Errorf("argument %s: invalid choice: '%s' (choose from '%s')", o.title, v, strings.Join(o.of, "', '"))}
		}
	}
	if c.Bool("sort-ascending") && c.Bool("sort-descending") {
		return usageError{fmt.Errorf("argument --sort-descending: not allowed with argument --sort-ascending")}
	}
	return nil
}

// printList prints as cliff does: columns in the table's order, whatever the user's.
func (p *program) printList(c *cli.Context, columns []string, rows [][]any) error {
	rows = p.sorted(c, columns, rows)
	columns, rows, err := chosen(c.StringSlice("column"), columns, rows)
	if err != nil {
		return err
	}
	switch f := c.String("format"); f {
	case "csv":
		return p.printCSV(c.String("quote"), columns, rows)
	case "json":
		var b bytes.Buffer
		if err := format.List(&b, format.Options{Format: f}, columns, rows); err != nil {
			return err
		}
		text := ascii(b.String())
		if c.Bool("noindent") {
			text = oneLine(text)
		}
		_, err = fmt.Fprint(p.out, text)
		return err
	case "yaml":
		return p.printYAML(columns, rows)
	case "table":
		if width := p.width(c); width > 0 {
			rows = format.Narrow(columns, rows, width, narrowest)
		}
		if len(rows) == 0 && c.Bool("print-empty") {
			return p.printFrame(columns)
		}
		fallthrough
	default:
		return format.List(p.out, format.Options{Format: f}, columns, rows)
	}
}

// printYAML has keys in the alphabet's order, as PyYAML writes them.
func (p *program) printYAML(columns []string, rows [][]any) error {
	names := slices.Sorted(slices.Values(columns))
	sorted := make([][]any, len(rows))
	for r, row := range rows {
		for _, name := range names {
			sorted[r] = append(sorted[r], row[slices.Index(columns, name)])
		}
	}
	return format.List(p.out, format.Options{Format: "yaml"}, names, sorted)
}

// sorted sorts by columns; those that there are not are passed over, and rows without a
// value come last.
func (p *program) sorted(c *cli.Context, columns []string, rows [][]any) [][]any {
	by := c.StringSlice("sort-column")
	rows = slices.Clone(rows)
	for _, name := range slices.Backward(by) {
		i := slices.Index(columns, name)
		if i < 0 {
			continue
		}
		sortable := true
		sorted := slices.Clone(rows)
		slices.SortStableFunc(sorted, func(a, b []any) int {
			n, ok := order(a[i], b[i])
			sortable = sortable && ok
			if c.Bool("sort-descending") {
				n = -n
			}
			return n
		})
		if !sortable {
			fmt.Fprintf(p.err, "Could not sort on field '%s'; unsortable types\n", name)
			continue
		}
		rows = sorted
	}
	return rows
}

// order compares two cells of one column; false for numbers with texts.
func order(a, b any) (n int, ok bool) {
	if a == nil || b == nil {
		last := map[bool]int{true: 1}
		return last[a == nil] - last[b == nil], true
	}
	x, isText := a.(string)
	y, isTextToo := b.(string)
	if isText && isTextToo {
		return cmp.Compare(x, y), true
	}
	i, isNumber := number(a)
	j, isNumberToo := number(b)
	return cmp.Compare(i, j), isNumber && isNumberToo
}

// number is a cell that is one.
func number(v any) (n uint64, ok bool) {
	switch n := v.(type) {
	case int: // ports and counts
		return uint64(max(0, n)), true
	case uint64:
		return n, true
	}
	return 0, false
}

// chosen keeps the columns that were asked for. Unknown names do nothing beside known ones.
func chosen(want, columns []string, rows [][]any) ([]string, [][]any, error) {
	if len(want) == 0 {
		return columns, rows, nil
	}
	var names []string
	var places []int
	for i, c := range columns {
		if slices.Contains(want, c) {
			names, places = append(names, c), append(places, i)
		}
	}
	if len(names) == 0 {
		return nil, nil, errs.New(errs.Invalid, "No recognized column names in %s. Recognized columns are %s.", format.Text(want), format.Text(columns))
	}
	out := make([][]any, len(rows))
	for r, row := range rows {
		for _, i := range places {
			out[r] = append(out[r], row[i])
		}
	}
	return names, out, nil
}

// width is what a table may have; 0: as much as it needs.
func (p *program) width(c *cli.Context) int {
	if n := c.Int("max-width"); n > 0 || !c.Bool("fit-width") {
		return n
	}
	f, ok := p.out.(*os.File)
	if !ok {
		return 0
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0 // not a terminal
	}
	return int(size.Col)
}

func (p *program) printFrame(columns []string) error {
	var b bytes.Buffer
	if err := format.Table(&b, columns, [][]any{titles(columns)}, format.Left); err != nil {
		return err
	}
	lines := strings.SplitAfter(b.String(), "\n") // rule, titles, rule, the row, rule
	_, err := fmt.Fprint(p.out, strings.Join(slices.Delete(lines, 3, 4), ""))
	return err
}

// titles are columns as a row.
func titles(columns []string) []any {
	row := make([]any, len(columns))
	for i, c := range columns {
		row[i] = c
	}
	return row
}

// oneLine writes JSON as Python does without indentation. A line break is never
// part of a JSON string, so that the text can be worked on.
func oneLine(indented string) string {
	text := regexp.MustCompile(`,\n *`).ReplaceAllString(strings.TrimSuffix(indented, "\n"), ", ")
	return regexp.MustCompile(`\n *`).ReplaceAllString(text, "") + "\n"
}

// ascii writes JSON as Python does: what is beyond ASCII stands in strings only, and can
// be escaped.
func ascii(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r < 0x7f {
			b.WriteRune(r)
			continue
		}
		for _, u := range utf16.AppendRune(nil, r) {
			fmt.Fprintf(&b, `\u%04x`, u)
		}
	}
	return b.String()
}

// printCSV quotes as Python's csv module does with a backslash as its escape character.
func (p *program) printCSV(quote string, columns []string, rows [][]any) error {
	var b strings.Builder
	for _, row := range append([][]any{titles(columns)}, rows...) {
		cells := make([]string, len(row))
		for i, v := range row {
			cells[i] = csvCell(quote, v, len(row) == 1)
		}
		b.WriteString(strings.Join(cells, ",") + "\n")
	}
	_, err := fmt.Fprint(p.out, b.String())
	return err
}

// csvCell is one cell; nothing is an empty one. An empty cell that is a whole line is
// quoted, or nobody would see it.
func csvCell(quote string, v any, alone bool) string {
	text := ""
	if v != nil {
		text = format.Text(v)
	}
	_, isNumber := number(v)
	special := strings.ContainsAny(text, ",\"\n")
	switch {
	case quote == "none":
		return strings.NewReplacer(`\`, `\\`, `"`, `\"`, ",", `\,`, "\n", "\\\n").Replace(text)
	case quote == "all", quote == "nonnumeric" && !isNumber, quote == "minimal" && (special || alone && text == ""):
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `""`).Replace(text) + `"`
	}
	return strings.ReplaceAll(text, `\`, `\\`)
}

// printShell prints what a shell can evaluate, as cliff's show commands do; -c names
// properties here. Beside the quotation marks, which cliff escapes, $, ` and \ are: a name
// must not become a command.
func (p *program) printShell(prefix string, want []string, fields []format.Field) {
	inQuotes := strings.NewReplacer(`"`, `\"`, `\`, `\\`, "$", `\$`, "`", "\\`")
	variable := strings.NewReplacer(":", "_", "-", "_", " ", "_")
	for _, f := range fields {
		if len(want) == 0 || slices.Contains(want, f.Name) {
			fmt.Fprintf(p.out, "%s%s=\"%s\"\n", prefix, variable.Replace(strings.ToLower(f.Name)), inQuotes.Replace(format.Text(f.Value)))
		}
	}
}
