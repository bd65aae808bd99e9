package diff

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// patched applies a difference to a text, and fails where it does not fit.
func patched(t *testing.T, a string, diff []string) string {
	t.Helper()
	old, out, at := lines(a), []string{}, 0
	for _, l := range diff {
		if strings.HasPrefix(l, "@@") {
			var from int
			count := 1
			if n, _ := fmt.Sscanf(l, "@@ -%d,%d", &from, &count); n == 2 && count == 0 {
				from++
			}
			out = append(out, old[at:from-1]...)
			at = from - 1
			continue
		}
		if l[0] != '+' {
			if old[at] != l[1:] {
				t.Fatalf("line %d is %q, the difference says %q\n%s", at+1, old[at], l[1:], strings.Join(diff, "\n"))
			}
			at++
		}
		if l[0] != '-' {
			out = append(out, l[1:])
		}
	}
	return strings.Join(append(out, old[at:]...), "\n")
}

func TestUnifiedLeadsFromOneTextToTheOther(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	text := func() string {
		var b strings.Builder
		for range r.IntN(40) {
			fmt.Fprintf(&b, "line %d\n", r.IntN(6))
		}
		return strings.TrimSuffix(b.String(), strings.Repeat("\n", r.IntN(2)))
	}
	for range 2000 {
		a, b := text(), text()
		diff := unified(a, b)
		if got, want := patched(t, a, diff), strings.Join(lines(b), "\n"); got != want {
			t.Fatalf("from %q to %q it gives %q:\n%s", a, b, got, strings.Join(diff, "\n"))
		}
		if a == b && len(diff) > 0 {
			t.Fatalf("equal texts differ: %s", diff)
		}
	}
}

func TestUnifiedAsDiffDoes(t *testing.T) {
	for _, c := range []struct{ a, b, want string }{
		{"", "x\ny\n", "@@ -0,0 +1,2 @@|+x|+y"},
		{"x\n", "", "@@ -1 +0,0 @@|-x"},
		{"1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n", "@@ -2,7 +2,7 @@| 2| 3| 4|-5|+five| 6| 7| 8"},
		{"a\n1\n2\n3\n4\n5\n6\nb\n", "A\n1\n2\n3\n4\n5\n6\nB\n", "@@ -1,8 +1,8 @@|-a|+A| 1| 2| 3| 4| 5| 6|-b|+B"},
		{"a\n1\n2\n3\n4\n5\n6\n7\nb\n", "A\n1\n2\n3\n4\n5\n6\n7\nB\n", "@@ -1,4 +1,4 @@|-a|+A| 1| 2| 3|@@ -6,4 +6,4 @@| 5| 6| 7|-b|+B"},
		{"x", "x\n", `@@ -1,2 +1 @@| x|-\ no newline at the end`},
	} {
		if got := strings.Join(unified(c.a, c.b), "|"); got != c.want {
			t.Errorf("%q → %q:\n got %s\nwant %s", c.a, c.b, got, c.want)
		}
	}
}

// Beyond maxEdits no line is looked for any more: what is the same is replaced too.
func TestUnifiedIsBounded(t *testing.T) {
	for _, c := range []struct{ changed, same int }{{200, 1}, {1000, 0}} {
		var a, b strings.Builder
		for i := range 2 * c.changed {
			if i == c.changed {
				a.WriteString("same\n")
				b.WriteString("same\n")
			}
			fmt.Fprintf(&a, "a%d\n", i)
			fmt.Fprintf(&b, "b%d\n", i)
		}
		same := 0
		for _, l := range unified(a.String(), b.String()) {
			if l == " same" {
				same++
			}
		}
		if same != c.same {
			t.Errorf("%d lines changed: %d are found to be the same, want %d", 2*c.changed, same, c.same)
		}
	}
}
