package format

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Align says how cells of a table stand. Numbers stand right in a Left table.
type Align int

// The alignments that OpenStack's clients use.
const (
	Left   Align = iota // lists and shows
	Center              // `overcloud image upload`
)

// Table prints a frame of +, - and |. Without rows it prints one empty line, as cliff does.
func Table(w io.Writer, columns []string, rows [][]any, align Align) error {
	if len(rows) == 0 {
		_, err := fmt.Fprintln(w)
		return err
	}
	cells := make([][][]string, len(rows)) // row, column, line
	width := make([]int, len(columns))
	right := make([]bool, len(columns))
	for i, c := range columns {
		width[i] = utf8.RuneCountInString(c)
		right[i] = align == Left && isNumber(rows[0][i])
	}
	for r, row := range rows {
		cells[r] = make([][]string, len(columns))
		for i := range columns {
			cells[r][i] = strings.Split(visible(Text(row[i])), "\n")
			for _, l := range cells[r][i] {
				width[i] = max(width[i], utf8.RuneCountInString(l))
			}
		}
	}
	rule := "+"
	for _, n := range width {
		rule += strings.Repeat("-", n+2) + "+"
	}
	pad := func(i int, s string) string {
		n := width[i] - utf8.RuneCountInString(s)
		switch {
		case align == Center:
			return strings.Repeat(" ", n/2) + s + strings.Repeat(" ", n-n/2)
		case right[i]:
			return strings.Repeat(" ", n) + s
		}
		return s + strings.Repeat(" ", n)
	}
	var b strings.Builder
	line := func(cells []string) {
		for i, c := range cells {
			b.WriteString("| " + pad(i, c) + " ")
		}
		b.WriteString("|\n")
	}
	b.WriteString(rule + "\n")
	line(columns)
	b.WriteString(rule + "\n")
	for _, row := range cells {
		height := 0
		for _, c := range row {
			height = max(height, len(c))
		}
		for l := range height {
			out := make([]string, len(columns))
			for i, c := range row {
				if l < len(c) {
					out[i] = c[l]
				}
			}
			line(out)
		}
	}
	b.WriteString(rule + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// visible escapes control characters: a name that somebody gave to a network must
// not be able to recolour or rewrite the operator's terminal.
func visible(s string) string {
	control := func(r rune) bool { return unicode.IsControl(r) && r != '\n' }
	if !strings.ContainsFunc(s, control) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if control(r) {
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}
