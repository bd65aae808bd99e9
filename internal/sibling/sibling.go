// Package sibling finds the other programs of this project.
package sibling

import (
	"fmt"
	"os"
	"path/filepath"

	"trefoil/internal/errs"
)

// Find returns the path of a program beside the running one. It is NotFound where there
// is none.
func Find(name string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	if self, err = filepath.EvalSymlinks(self); err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	path := filepath.Join(filepath.Dir(self), name)
	if st, err := os.Stat(path); err != nil || st.IsDir() {
		return "", errs.New(errs.NotFound, "the program %s is not beside %s", name, self).WithHint("install all five programs into one directory: make build")
	}
	return path, nil
}
