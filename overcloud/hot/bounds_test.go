package hot

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// counting is a scope that only counts.
type counting struct {
	Scope
	limit, steps int
	file         []byte
}

func (s *counting) Step(n int) error {
	if s.steps += n + 1; s.steps > s.limit {
		return errSteps
	}
	return nil
}

func (s *counting) File(string) ([]byte, error) { return s.file, nil }

// What yaql does counts for the stack, and the stack's error (too many steps, or
// cancelled) ends it from within.
func TestYAQLIsChargedToTheStack(t *testing.T) {
	s := &counting{limit: 1 << 40}
	arg := map[string]any{"expression": "range(300).select(range(300).sum()).sum()"}
	if _, err := callYAQL(call{name: "yaql", scope: s}, arg); err != nil || s.steps < 300*300 {
		t.Errorf("%d steps, %v", s.steps, err)
	}
	few := &counting{limit: 5000}
	if _, err := callYAQL(call{name: "yaql", scope: few}, arg); !errors.Is(err, errSteps) || few.steps > 10_000 {
		t.Errorf("%d steps, %v", few.steps, err)
	}
}

// Text is counted before lists or text are made of it.
func TestTextIsCountedBeforeItIsUsed(t *testing.T) {
	large := strings.Repeat("a,", maxString/2+1)
	for name, run := range map[string]func(c call, text string) (any, error){
		"str_split": func(c call, text string) (any, error) { return strSplit(c, []any{",", text, 0}) },
		"get_file": func(c call, text string) (any, error) {
			c.scope.(*counting).file = []byte(text)
			return getFile(c, "/f")
		},
	} {
		if _, err := run(call{name: name, scope: &counting{limit: 1 << 40}}, large); err == nil || !strings.Contains(err.Error(), "larger than") {
			t.Errorf("%s of a large text: %v", name, err)
		}
		if _, err := run(call{name: name, scope: &counting{limit: 50}}, large[:100_000]); !errors.Is(err, errSteps) {
			t.Errorf("%s beyond the steps: %v", name, err)
		}
	}
}

// TestProblemsThatAreDroppedAreTheLastByLine adds them in an order that jumps about.
func TestProblemsThatAreDroppedAreTheLastByLine(t *testing.T) {
	p := problems{file: "t.yaml"}
	const all, jump = 2*maxKept + 7, 7919 // without a common divisor: each line once
	for i := range all {
		p.add(i*jump%all+1, "wrong")
	}
	if len(p.list) > maxKept {
		t.Errorf("%d problems are kept, more than %d", len(p.list), maxKept)
	}
	p.sort()
	want := ""
	for line := 1; line <= maxProblems; line++ {
		want += fmt.Sprintf("t.yaml:%d: wrong\n", line)
	}
	want += fmt.Sprintf("t.yaml: … and %d more", all-maxProblems)
	if got := p.err().Error(); got != want {
		t.Errorf("got %s", got)
	}
}
