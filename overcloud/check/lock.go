package check

import (
	"fmt"
	"os"
	"path/filepath"

	"trefoil/internal/errs"
	"trefoil/internal/filelock"
)

// Lock keeps two checks of one user apart: each removes, at its start, all that
// checks have left. The lock goes with the returned file, or with the process.
func Lock(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the check's directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "check.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the check: %w", err)
	}
	if err := filelock.Take(f); err != nil {
		f.Close()
		return nil, errs.Wrap(errs.Locked, err, "another check is running (%s)", f.Name()).WithHint("wait for it: a check removes what it takes for another one's leftovers")
	}
	return f, nil
}
