package main

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"regexp"
	"strings"

	"github.com/urfave/cli/v2"

	"trefoil/internal/format"
)

// formatFlags are cliff's.
func formatFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "format", Aliases: []string{"f"}, Usage: "table, json, yaml, csv or value", Value: "table"},
		&cli.StringSliceFlag{Name: "column", Aliases: []string{"c"}, Usage: "column to show; may be given more than once"},
		&cli.StringFlag{Name: "sort-column", Usage: "column to sort by"},
		&cli.StringFlag{Name: "quote", Usage: "of csv: all, minimal, none or nonnumeric", Value: "nonnumeric"},
		&cli.BoolFlag{Name: "noindent", Usage: "json on one line"},
	}
}

func options(c *cli.Context) format.Options {
	return format.Options{Format: c.String("format"), Columns: c.StringSlice("column"), Sort: c.String("sort-column")}
}

func (p *program) printList(c *cli.Context, columns []string, rows [][]any) error {
	o := options(c)
	quote := c.String("quote")
	var b bytes.Buffer
	if err := format.List(&b, o, columns, rows); err != nil {
		return err
	}
	text := b.String()
	switch {
	case o.Format == "json" && c.Bool("noindent"):
		text = oneLine(text)
	case o.Format == "csv" && quote != "nonnumeric":
		var err error
		if text, err = requote(text, quote); err != nil {
			return err
		}
	}
	_, err := fmt.Fprint(p.out, text)
	return err
}

// oneLine writes JSON as Python does without indentation. A line break is never
// part of a JSON string, so that the text can be worked on.
func oneLine(indented string) string {
	text := regexp.MustCompile(`,\n *`).ReplaceAllString(strings.TrimSuffix(indented, "\n"), ", ")
	return regexp.MustCompile(`\n *`).ReplaceAllString(text, "") + "\n"
}

// requote writes CSV in another of cliff's quoting modes.
func requote(text, mode string) (string, error) {
	records, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, r := range records {
		for i, cell := range r {
			switch {
			case mode == "all", mode == "minimal" && strings.ContainsAny(cell, ",\"\r\n"):
				r[i] = `"` + strings.ReplaceAll(cell, `"`, `""`) + `"`
			case mode != "minimal" && mode != "none":
				return "", usageError{fmt.Errorf("argument --quote: invalid choice: '%s' (choose from 'all', 'minimal', 'none', 'nonnumeric')", mode)}
			}
		}
		b.WriteString(strings.Join(r, ",") + "\n")
	}
	return b.String(), nil
}

// complete prints what bash needs; names of domains come from the daemon, which is
// not started for it.
func (p *program) complete(*cli.Context) error {
	_, err := fmt.Fprintf(p.out, `_vbmc()
{
    local cur=${COMP_WORDS[COMP_CWORD]}
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "%s" -- "$cur"))
    else
        COMPREPLY=($(compgen -W "$(vbmc --no-daemon list -f value -c 'Domain name' 2>/dev/null)" -- "$cur"))
    fi
}
complete -F _vbmc vbmc
`, strings.Join(commandNames(), " "))
	return err
}
