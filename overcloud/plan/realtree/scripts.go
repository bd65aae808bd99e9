package realtree

import (
	"io/fs"
	"strings"
	"testing/fstest"
)

// WithScripts gives a tree a marker text for every script that is asked for and
// is not there: the kept trees have only their YAML and j2 files, and a get_file
// that names a script must still find something.
func WithScripts(tree fs.FS) fs.FS { return withScripts{tree} }

type withScripts struct{ fs.FS }

func (s withScripts) Open(name string) (fs.File, error) {
	f, err := s.FS.Open(name)
	if err == nil || strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".j2") {
		return f, err
	}
	return fstest.MapFS{name: {Data: []byte("<" + name + ">")}}.Open(name)
}
