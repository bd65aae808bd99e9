package hot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
)

// stubStack is a scope over a template whose resources are OS::Heat::Value.
type stubStack struct {
	t     *Template
	busy  map[string]bool
	steps int
}

var errSteps = errors.New("too many steps")

func (s *stubStack) Step(n int) error {
	if s.steps += n + 1; s.steps > 1_000_000 {
		return errSteps
	}
	return nil
}

func (s *stubStack) Param(name string) (any, bool) {
	if name == "OS::stack_name" {
		return "stack", true
	}
	d := s.t.Parameter(name)
	if d == nil {
		return "", name == "OS::project_id"
	}
	v, problem := d.Check(d.Default)
	return v, problem == "" || !d.HasDefault
}

func (s *stubStack) resource(name string, from Origin) (*Definition, error) {
	d := s.t.Resource(name)
	if d == nil {
		return nil, at(from, "the template has no resource %q", name)
	}
	ok, err := Holds(d.Condition, s)
	if err == nil && !ok {
		err = at(from, "resource %s is not there: its condition is false", name)
	}
	return d, err
}

func (s *stubStack) Attr(name string, path []any, from Origin) (any, error) {
	d, err := s.resource(name, from)
	if err != nil {
		return nil, err
	}
	if s.busy[name] {
		return nil, at(from, "resource %s needs itself", name)
	}
	s.busy[name] = true
	defer delete(s.busy, name)
	v, err := Eval(d.Properties, s)
	m, _ := v.(map[string]any)
	if len(path) == 0 || err != nil {
		return map[string]any{"value": m["value"]}, err
	}
	if path[0] != "value" {
		return nil, at(from, "%s (%s) has no attribute %q", name, d.Type, String(path[0]))
	}
	v, _ = Walk(m, path)
	return v, nil
}

func (s *stubStack) Ref(name string, from Origin) (any, error) {
	_, err := s.resource(name, from)
	return "stack." + name, err
}

func (s *stubStack) Condition(name string, from Origin) (bool, error) {
	d := s.t.ConditionNamed(name)
	if d == nil {
		return false, at(from, "the template has no condition %q", name)
	}
	if s.busy["condition "+name] {
		return false, at(from, "condition %s needs itself", name)
	}
	s.busy["condition "+name] = true
	defer delete(s.busy, "condition "+name)
	return Holds(d.Value, s)
}

func (s *stubStack) File(name string) ([]byte, error) {
	switch name {
	case "files/hello.txt":
		return []byte("hello\n"), nil
	case "files/empty.txt":
		return nil, nil
	}
	return nil, fs.ErrNotExist
}

func (s *stubStack) Facade(string) (any, error) {
	return nil, errors.New("this stack is not nested")
}

// evalOutput evaluates the output out of a template.
func evalOutput(text string) (any, error) {
	t, err := ParseTemplate("root.yaml", []byte(text))
	if err != nil {
		return nil, err
	}
	s := &stubStack{t: t, busy: map[string]bool{}}
	return Eval(t.Output("out").Value, s)
}

// TestFunctionsAsHeat holds the intrinsic functions to the real Heat.
func TestFunctionsAsHeat(t *testing.T) {
	header := heatHeader(t)
	heatCases(t, "functions.txt", func(c heatCase) (any, error) {
		var body strings.Builder
		for _, line := range strings.Split(c.body, "\n") {
			if !strings.HasPrefix(line, "#") {
				body.WriteString("      " + line + "\n")
			}
		}
		v, err := evalOutput(header(c.version) + body.String())
		if err != nil {
			// The line is that of the output, which moves with the header.
			return nil, errors.New(lineOfRoot.ReplaceAllString(err.Error(), ""))
		}
		return v, nil
	})
}

// heatHeader returns the template up to the value of the output, for a version.
func heatHeader(t testing.TB) func(version string) string {
	t.Helper()
	data, err := os.ReadFile("testdata/heat/header.yaml")
	if err != nil {
		t.Fatal(err)
	}
	old, latest, ok := strings.Cut(string(data), "# since 2016-10-14\n")
	if !ok {
		t.Fatal("header.yaml has no line # since 2016-10-14")
	}
	return func(version string) string {
		text := old
		if versionDate(version) >= conditionsSince {
			text += latest
		}
		return fmt.Sprintf("heat_template_version: %s\n%soutputs:\n  out:\n    value:\n", version, text)
	}
}

// FuzzFunctions evaluates a value in a fixed template: it must not panic, hang or
// take more than its bounds.
func FuzzFunctions(f *testing.F) {
	header := heatHeader(f)("wallaby")
	data, err := os.ReadFile("testdata/heat/functions.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, part := range strings.Split("\n"+string(data), "\n=== ")[1:] {
		_, body, _ := strings.Cut(part, "\n")
		body, _, _ = strings.Cut(body, "\n---\n")
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		if len(body) > 4096 {
			return
		}
		v, err := evalOutput(header + "      " + strings.ReplaceAll(body, "\n", "\n      ") + "\n")
		if err == nil && len(toJSON(v)) > 1<<30 {
			t.Fatal("a value of gigabytes")
		}
	})
}
