package diff

import (
	"fmt"
	"slices"
	"strings"
)

// around is how many equal lines stand around a change.
const around = 3

// maxEdits bounds the search for the shortest difference; beyond it everything
// between the first and the last difference counts as replaced.
const maxEdits = 1000

// unified is the difference of two texts as diff -u writes it, without the two
// lines of names: hunks of @@, and lines that begin with a space, - or +.
func unified(a, b string) []string { return hunks(edits(lines(a), lines(b))) }

// lines splits a text. That the last line does not end is marked, as diff does it.
func lines(text string) []string {
	if text == "" {
		return nil
	}
	out := strings.Split(text, "\n")
	if last := len(out) - 1; out[last] == "" {
		return out[:last]
	}
	return append(out, `\ no newline at the end`)
}

// edit is a line with what happens to it: ' ', '-' or '+'.
type edit struct {
	op   byte
	text string
}

// edits leads from a to b.
func edits(a, b []string) []edit {
	var out []edit
	start := 0
	for start < len(a) && start < len(b) && a[start] == b[start] {
		out = append(out, edit{' ', a[start]})
		start++
	}
	end := 0
	for end < len(a)-start && end < len(b)-start && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
	}
	out = append(out, myers(a[start:len(a)-end], b[start:len(b)-end])...)
	for _, l := range a[len(a)-end:] {
		out = append(out, edit{' ', l})
	}
	return out
}

// myers finds a shortest list of edits (E. Myers, An O(ND) difference algorithm, 1986).
func myers(a, b []string) []edit {
	limit := min(len(a)+len(b), maxEdits)
	reach := make([]int, 2*limit+2) // the furthest line of a on each diagonal, from -limit on
	var trace [][]int
	for d := 0; d <= limit; d++ {
		trace = append(trace, slices.Clone(reach[limit-d:limit+d+2]))
		for k := -d; k <= d; k += 2 {
			x := 0
			if k == -d || k != d && reach[limit+k-1] < reach[limit+k+1] {
				x = reach[limit+k+1]
			} else {
				x = reach[limit+k-1] + 1
			}
			for x < len(a) && x-k < len(b) && a[x] == b[x-k] {
				x++
			}
			reach[limit+k] = x
			if x >= len(a) && x-k >= len(b) {
				return backtrack(a, b, trace)
			}
		}
	}
	return replaced(a, b)
}

// backtrack reads the edits out of the trace, from the end. trace[d] holds the
// diagonals from -d to d+1 as they were before round d.
func backtrack(a, b []string, trace [][]int) []edit {
	var out []edit
	x, y := len(a), len(b)
	for d := len(trace) - 1; d > 0; d-- {
		k, at := x-y, func(k int) int { return trace[d][k+d] }
		from := k - 1
		if k == -d || k != d && at(k-1) < at(k+1) {
			from = k + 1
		}
		px := at(from)
		py := px - from
		for x > px && y > py { // equal lines after the edit
			x, y = x-1, y-1
			out = append(out, edit{' ', a[x]})
		}
		if from == k+1 {
			y--
			out = append(out, edit{'+', b[y]})
		} else {
			x--
			out = append(out, edit{'-', a[x]})
		}
	}
	for x > 0 {
		x--
		out = append(out, edit{' ', a[x]})
	}
	slices.Reverse(out)
	return out
}

func replaced(a, b []string) []edit {
	out := make([]edit, 0, len(a)+len(b))
	for _, l := range a {
		out = append(out, edit{'-', l})
	}
	for _, l := range b {
		out = append(out, edit{'+', l})
	}
	return out
}

// hunks are the changed lines with their context.
func hunks(es []edit) []string {
	out := []string{}
	oldLine, newLine := 1, 1 // of the edit at i
	for i := 0; i < len(es); {
		if es[i].op == ' ' {
			oldLine, newLine, i = oldLine+1, newLine+1, i+1
			continue
		}
		from, to := max(i-around, 0), i
		for j := i; j < len(es) && j <= to+2*around+1; j++ {
			if es[j].op != ' ' {
				to = j
			}
		}
		end := min(to+around+1, len(es))
		back := i - from
		head := len(out)
		out = append(out, "")
		oldCount, newCount := 0, 0
		for _, e := range es[from:end] {
			out = append(out, string(e.op)+show(e.text))
			if e.op != '+' {
				oldCount++
			}
			if e.op != '-' {
				newCount++
			}
		}
		out[head] = fmt.Sprintf("@@ -%s +%s @@", span(oldLine-back, oldCount), span(newLine-back, newCount))
		oldLine, newLine, i = oldLine-back+oldCount, newLine-back+newCount, end
	}
	return out
}

// span is the place of a hunk: its first line and how many; nothing begins before the first line.
func span(first, count int) string {
	if count == 0 {
		first--
	}
	if count == 1 {
		return fmt.Sprint(first)
	}
	return fmt.Sprintf("%d,%d", first, count)
}
