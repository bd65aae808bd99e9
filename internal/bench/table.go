package bench

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Figure is a measured number. The zero value means that there is none.
type Figure struct {
	Value float64
	Unit  string // "sessions/s", "ms", "MB/s"; stands behind the number
}

func (f Figure) String() string {
	if f == (Figure{}) {
		return "-"
	}
	return number(f.Value) + " " + f.Unit
}

// Row is one line of the table. Series replaces Ours where one number does not
// say it: the cost of a node at three sizes, for example.
type Row struct {
	What       string
	Ours, Peer Figure
	Series     string
	Less       bool // a smaller figure is the better one
	Note       string
}

// Ratio says how many times better ours is than the peer's, "" without a peer.
func (r Row) Ratio() string {
	if r.Ours == (Figure{}) || r.Peer == (Figure{}) || r.Ours.Value <= 0 || r.Peer.Value <= 0 {
		return ""
	}
	ratio := r.Ours.Value / r.Peer.Value
	if r.Less {
		ratio = 1 / ratio
	}
	return number(ratio) + "×"
}

// Print writes all rows as a table in Markdown and says how to read a ratio.
func Print(w io.Writer, rows []Row) error {
	cell := strings.NewReplacer("|", "/", "\n", " ") // a note may be an error's text
	cells := [][]string{{"what", "ours", "peer", "ratio", "note"}}
	for _, r := range rows {
		ours := r.Series
		if ours == "" {
			ours = r.Ours.String()
		}
		cells = append(cells, []string{r.What, ours, r.Peer.String(), r.Ratio(), cell.Replace(r.Note)})
	}
	widths := make([]int, len(cells[0]))
	for _, row := range cells {
		for i, text := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(text))
		}
	}
	var b strings.Builder
	for i, row := range cells {
		for j, text := range row {
			fmt.Fprintf(&b, "| %-*s ", widths[j], text)
		}
		b.WriteString("|\n")
		if i == 0 {
			for _, width := range widths {
				b.WriteString("|" + strings.Repeat("-", width+2))
			}
			b.WriteString("|\n")
		}
	}
	_, err := fmt.Fprintln(w, b.String()+"\nratio: how many times better ours is (below 1: worse). (recorded): measured earlier on another 2-core machine.")
	return err
}

// number keeps three digits of a figure and all before its point.
func number(v float64) string {
	if v == 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	places := max(0, 2-int(math.Floor(math.Log10(math.Abs(v)))))
	s := strconv.FormatFloat(v, 'f', places, 64)
	if places > 0 {
		s = strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
	}
	return s
}
