package hot

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"trefoil/internal/yaml"
)

// heatCase is a case of testdata/heat: what the real Heat makes of something,
// and what we do where we do another thing on purpose.
type heatCase struct {
	title, version string
	body           string
	heat           string // JSON, or error and, behind a colon, what we say
	reason, ours   string
}

// want is what we must make of it.
func (c heatCase) want() string {
	if c.reason != "" {
		return c.ours
	}
	return c.heat
}

var versionOfCase = regexp.MustCompile(`^\[(\S+)\] `)

// heatCases runs every case of a file. run returns the result as Python's JSON,
// or an error. With -update, texts of errors are written back; results are not,
// they are Heat's.
func heatCases(t *testing.T, file string, run func(c heatCase) (any, error)) {
	t.Helper()
	name := "testdata/heat/" + file
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split("\n"+string(data), "\n=== ")
	var out strings.Builder
	out.WriteString(strings.TrimPrefix(parts[0], "\n"))
	for _, part := range parts[1:] {
		c := parseHeatCase(t, part)
		v, err := run(c)
		got := ""
		if err != nil {
			got = "error: " + strings.ReplaceAll(err.Error(), "\n", " | ")
		} else {
			got = toJSON(v)
		}
		if got != c.want() {
			bothFail := err != nil && (strings.HasPrefix(c.want(), "error") || c.want() == "")
			if !bothFail || !updating() {
				t.Errorf("%s:\n  %s\n got %s\nwant %s", c.title, strings.ReplaceAll(c.body, "\n", "\n  "), got, c.want())
			}
			if bothFail && c.reason != "" {
				c.ours = got
			} else if bothFail {
				c.heat = got
			}
		}
		c.write(&out, strings.HasSuffix(part, "\n"))
	}
	if updating() {
		if err := os.WriteFile(name, []byte(strings.TrimSuffix(out.String(), "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func (c heatCase) write(out *strings.Builder, gap bool) {
	if c.reason != "" && strings.HasPrefix(c.heat, "error") {
		c.heat = "error"
	}
	fmt.Fprintf(out, "\n=== %s\n%s\n---\n%s", c.title, c.body, c.heat)
	if c.reason != "" {
		fmt.Fprintf(out, "\n--- ours: %s", c.reason)
		if c.ours != "" {
			out.WriteString("\n" + c.ours)
		}
	}
	if gap {
		out.WriteString("\n")
	}
}

func parseHeatCase(t *testing.T, part string) heatCase {
	t.Helper()
	title, rest, _ := strings.Cut(strings.TrimRight(part, "\n"), "\n")
	c := heatCase{title: title, version: "wallaby"}
	if m := versionOfCase.FindStringSubmatch(title); m != nil {
		c.version = m[1]
	}
	var ok bool
	if c.body, rest, ok = strings.Cut(rest, "\n---\n"); !ok {
		t.Fatalf("case %q has no line ---", title)
	}
	c.heat = rest
	if before, after, ok := strings.Cut(rest, "\n--- ours: "); ok {
		c.heat = before
		c.reason, c.ours, _ = strings.Cut(after, "\n")
	}
	return c
}

// yamlCase is the body of a case that is a map.
func yamlCase(t *testing.T, c heatCase) map[string]*yaml.Node {
	t.Helper()
	n, err := yaml.Parse("case", []byte(c.body))
	if err != nil {
		t.Fatalf("%s: %v", c.title, err)
	}
	out := map[string]*yaml.Node{}
	for _, e := range pairs(n) {
		out[e.key.Value] = e.val
	}
	return out
}

// updating tells whether -update was given; the flag belongs to the other tests.
func updating() bool {
	f := flag.Lookup("update")
	return f != nil && f.Value.String() == "true"
}

var lineOfRoot = regexp.MustCompile(`(?m)^root\.yaml:\d+: `)
