// Package payloads keeps files that ramdisks sent and that have no other place:
// inventories of machines that nobody knows, and ramdisks' logs. Whoever is on the
// provisioning network may send them, so their number and size are bounded: the
// oldest go first. What strangers send (Strangers) is bounded for itself and lower, so that it pushes
// out nothing but what strangers have sent.
package payloads

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Default bounds.
const (
	maxFiles = 200
	maxBytes = 256 << 20
)

// Strangers begins the names of what machines have sent that nobody knows.
const Strangers = "unknown-"

// strangersShare is which part of the bounds is for strangers at most.
const strangersShare = 4

// Dir is a directory of kept files. Safe for concurrent use within one process.
type Dir struct {
	Path     string
	MaxFiles int   // 0: 200; strangers have a quarter of it
	MaxBytes int64 // of all together; 0: 256 MiB; strangers have a quarter of it

	mu sync.Mutex
}

var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$`)

// Keep writes a file, mode 0600, and removes the oldest beyond the bounds. A file of the
// same name is replaced. It returns the path. What is larger than all of its kind may be together is
// refused.
func (d *Dir) Keep(name string, data []byte) (string, error) {
	if !plainName.MatchString(name) {
		return "", fmt.Errorf("keep a payload: %q is no plain name of a file", name)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, most := d.bounds(strangers(name)); int64(len(data)) > most {
		return "", fmt.Errorf("keep %s: %d bytes are more than the %d that may be kept", name, len(data), most)
	}
	if err := os.MkdirAll(d.Path, 0o700); err != nil {
		return "", fmt.Errorf("keep a payload: %w", err)
	}
	path := filepath.Join(d.Path, name)
	if err := replace(path, data); err != nil {
		return "", fmt.Errorf("keep %s: %w", name, err)
	}
	return path, d.prune()
}

func strangers(name string) bool { return strings.HasPrefix(name, Strangers) }

// bounds are the number and bytes of the files that are kept of strangers, or of nodes.
func (d *Dir) bounds(ofStrangers bool) (files int, bytes int64) {
	files, bytes = maxFiles, maxBytes
	if d.MaxFiles > 0 {
		files = d.MaxFiles
	}
	if d.MaxBytes > 0 {
		bytes = d.MaxBytes
	}
	ours, oursBytes := max(1, files/strangersShare), bytes/strangersShare
	if ofStrangers {
		return ours, oursBytes
	}
	return max(1, files-ours), bytes - oursBytes
}

// replace writes a file so that a crash leaves the old one or the new one.
func replace(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// prune removes the oldest files beyond the bounds, and what a crash left half written.
func (d *Dir) prune() error {
	entries, err := os.ReadDir(d.Path)
	if err != nil {
		return fmt.Errorf("look at the kept payloads: %w", err)
	}
	var kept []fs.FileInfo
	var failed error
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		if !plainName.MatchString(e.Name()) { // .new-…: nobody else writes while the lock is held
			failed = errors.Join(failed, os.Remove(filepath.Join(d.Path, e.Name())))
			continue
		}
		kept = append(kept, info)
	}
	slices.SortFunc(kept, func(a, b fs.FileInfo) int { return b.ModTime().Compare(a.ModTime()) })
	for _, side := range []bool{false, true} {
		files, most := d.bounds(side)
		count, total := 0, int64(0)
		for _, info := range kept {
			if strangers(info.Name()) != side {
				continue
			}
			count++
			if total += info.Size(); count > files || total > most {
				failed = errors.Join(failed, os.Remove(filepath.Join(d.Path, info.Name())))
			}
		}
	}
	if failed != nil {
		return fmt.Errorf("remove old payloads: %w", failed)
	}
	return nil
}
