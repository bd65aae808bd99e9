// Package nearest finds what somebody meant who mistyped a name.
package nearest

// Name returns the known name that is fewest letters away from what was
// written, or "" when all are far: more than a third of its letters and one.
func Name(written string, known []string) string {
	best, at := "", len(written)/3+2
	for _, k := range known {
		if max(len(written)-len(k), len(k)-len(written)) >= at {
			continue // no nearer than that, and what was written may have megabytes
		}
		if d := Distance(written, k); d < at {
			best, at = k, d
		}
	}
	return best
}

// Hint returns `; did you mean "x"?` for the nearest name, or nothing.
func Hint(written string, known []string) string {
	if best := Name(written, known); best != "" {
		return "; did you mean \"" + best + "\"?"
	}
	return ""
}

// Distance is the number of letters to insert, delete or replace, or of neighbours to
// swap, no letter twice (optimal string alignment): "strat" is one from "start".
func Distance(a, b string) int {
	before, row, next := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next[0] = i + 1
		for j := range len(b) {
			cost := row[j]
			if a[i] != b[j] {
				cost++
			}
			next[j+1] = min(cost, next[j]+1, row[j+1]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row, next = row, next, before
	}
	return row[len(b)]
}
