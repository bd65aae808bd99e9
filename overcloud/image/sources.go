package image

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"trefoil/internal/errs"
)

// sources are the host's own package sources for one suite, as mmdebstrap
// takes them. The image is fetched from where the machine itself is fed, so a
// closed network needs no further setting.
type sources struct {
	files   []string // paths, in apt's order
	content string   // of all, for the cache key
}

// readSources picks the files in /etc/apt that name the suite or its updates
// and security suites; a file that names another suite too is still taken, as
// apt would.
func readSources(apt, suite string) (sources, error) {
	var s sources
	names := []string{filepath.Join(apt, "sources.list")}
	for _, pattern := range []string{"*.list", "*.sources"} {
		more, _ := filepath.Glob(filepath.Join(apt, "sources.list.d", pattern))
		names = append(names, more...)
	}
	slices.Sort(names[1:])
	for _, name := range names {
		b, err := os.ReadFile(name)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return s, fmt.Errorf("read package sources: %w", err)
		}
		if namesSuite(string(b), suite) {
			s.files = append(s.files, name)
			s.content += string(b)
		}
	}
	if len(s.files) == 0 {
		return s, errs.New(errs.Invalid, "no package source for Debian %s in %s", suite, apt).
			WithHint("add a deb line for %s to a file in %s", suite, filepath.Join(apt, "sources.list.d"))
	}
	return s, nil
}

// namesSuite looks into one-line and deb822 files.
func namesSuite(content, suite string) bool {
	for line := range strings.Lines(content) {
		f := strings.Fields(line)
		if len(f) == 0 || (f[0] != "deb" && !strings.EqualFold(f[0], "Suites:")) {
			continue
		}
		for _, w := range f[1:] {
			if w == suite || strings.HasPrefix(w, suite+"-") {
				return true
			}
		}
	}
	return false
}
