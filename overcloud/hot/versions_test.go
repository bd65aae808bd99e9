package hot

import (
	"os"
	"strings"
	"testing"
)

// TestVersionsAsHeat holds the table of versions to the real Heat's.
func TestVersionsAsHeat(t *testing.T) {
	data, err := os.ReadFile("testdata/heat/versions.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, lines, _ := strings.Cut(string(data), "\n\n")
	seen, count := map[string]bool{}, 0
	for _, line := range strings.Split(strings.TrimSpace(lines), "\n") {
		w := strings.Fields(line)
		if w[0] == "version" {
			count++
			if got := versionDate(w[1]); got != w[len(w)-1] {
				t.Errorf("version %s is of %q, want %s", w[1], got, w[len(w)-1])
			}
			continue
		}
		name := w[0] + " " + w[1]
		seen[name] = true
		if len(w) > 4 {
			if removedFunctions[w[1]] == "" {
				t.Errorf("%s went with a version, and nothing says what stands for it", name)
			}
			continue
		}
		if from := w[3]; from != releases[0].date && since[name] != from || from == releases[0].date && since[name] != "" {
			t.Errorf("%s is there since %q, want %s", name, since[name], from)
		}
	}
	if count != len(versionNames()) {
		t.Errorf("%d versions, want %d", len(versionNames()), count)
	}
	for name := range since {
		if !seen[name] && !strings.HasPrefix(name, "constraint ") {
			t.Errorf("%s is not Heat's", name)
		}
	}
}

func TestNeeds(t *testing.T) {
	for _, tt := range []struct{ kind, name, version, want string }{
		{"function", "get_param", "2013-05-23", ""},
		{"function", "yaql", "newton", ""},
		{"function", "yaql", "2015-04-30", "function yaql needs heat_template_version 2016-10-14 (newton) or later; this template is 2015-04-30"},
		{"condition", "yaql", "ocata", "function yaql in a condition needs heat_template_version 2017-09-01 (pike) or later; this template is ocata"},
		{"resource", "external_id", "2015-10-15", "resource external_id needs heat_template_version 2016-10-14 (newton) or later; this template is 2015-10-15"},
		{"function", "str_split", "2014-10-16", "function str_split needs heat_template_version 2015-10-15 or later; this template is 2014-10-16"},
	} {
		if got := needs(tt.kind, tt.name, tt.version); got != tt.want {
			t.Errorf("%s %s in %s: got %q, want %q", tt.kind, tt.name, tt.version, got, tt.want)
		}
	}
}
