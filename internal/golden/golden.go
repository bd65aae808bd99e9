// Package golden compares what a test made with a file of testdata that a person can
// read. `go test PACKAGE -update` rewrites the files.
package golden

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A flag of the test binary, as the flags of package testing are.
var update = flag.Bool("update", false, "rewrite the goldens in testdata")

// Check fails the test where got is not what testdata/name holds, and shows the first
// line that differs. An absolute name is taken as it is. With -update it writes the file.
func Check(t testing.TB, name, got string) {
	t.Helper()
	file := name
	if !filepath.IsAbs(name) {
		file = filepath.Join("testdata", name)
	}
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got == string(want) {
		return
	}
	g, w := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range max(len(g), len(w)) {
		if line(g, i) != line(w, i) {
			t.Errorf("%s:%d differs (go test -update rewrites it):\n got %s\nwant %s", file, i+1, line(g, i), line(w, i))
			return
		}
	}
}

func line(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(the end)"
}
