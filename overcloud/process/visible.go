package process

import (
	"io/fs"
	"slices"
	"strings"
)

// visible is a tree without hidden files and directories, which
// process-templates.py leaves out.
type visible struct{ fs.FS }

// ReadDir lists what is not hidden.
func (v visible) ReadDir(name string) ([]fs.DirEntry, error) {
	all, err := fs.ReadDir(v.FS, name)
	return slices.DeleteFunc(all, func(e fs.DirEntry) bool { return strings.HasPrefix(e.Name(), ".") }), err
}
