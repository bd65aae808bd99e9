package apply

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"trefoil/internal/errs"
	"trefoil/overcloud/resource"
)

const stateDir = "var/lib/os-apply-config"

// Record is what is kept of a step that was applied completely.
type Record struct {
	Stack   string    `json:"stack"`
	Node    string    `json:"node"`
	Role    string    `json:"role"`
	Step    int       `json:"step"`
	Hash    string    `json:"hash"` // the deployer's
	Sum     string    `json:"sum"`  // of the resources, made here
	At      time.Time `json:"at"`
	Changed int       `json:"changed"`
}

func (e *Engine) path(p string) string { return filepath.Join(e.Root, p) }

func (e *Engine) recordPath(step int) string {
	return e.path(fmt.Sprintf("%s/step-%d.json", stateDir, step))
}

func (e *Engine) pendingPath(step int) string {
	return e.path(fmt.Sprintf("%s/pending-%d.json", stateDir, step))
}

// Recorded returns what is known of a step that was completed. A record that
// cannot be read counts as none: the step is then looked at in full.
func (e *Engine) Recorded(step int) (Record, bool) {
	var r Record
	b, err := os.ReadFile(e.recordPath(step))
	return r, err == nil && json.Unmarshal(b, &r) == nil && r.Sum != ""
}

// Pending tells whether a run of the step was begun and not finished.
func (e *Engine) Pending(step int) bool {
	_, err := os.Stat(e.pendingPath(step))
	return err == nil
}

func (e *Engine) record(doc *resource.Document, sum string, changed int) error {
	b, err := json.Marshal(Record{doc.Stack, doc.Node, doc.Role, doc.Step, doc.Hash, sum, e.Now().UTC(), changed})
	if err != nil {
		return err
	}
	if err := writeAtomic(e.recordPath(doc.Step), append(b, '\n'), 0o600, -1, -1); err != nil {
		return err
	}
	if err := os.Remove(e.pendingPath(doc.Step)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// lock waits for another run to end: one that was cut off from its deployer
// goes on, and the deployer that comes again finds its work done. The kernel
// releases the lock when the process ends, however it ends.
func (e *Engine) lock(ctx context.Context, step int) (func(), error) {
	name := e.path("run/os-apply-config.lock")
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	began := e.Now()
	said := began
	for syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		now := e.Now()
		if now.Sub(began) >= e.LockWait {
			b := make([]byte, 64)
			n, _ := f.ReadAt(b, 0)
			f.Close()
			return nil, errs.New(errs.Locked, "another os-apply-config is at work on this node (process %s)", strings.TrimSpace(string(b[:n]))).
				WithHint("wait for it to end, then run the step again")
		}
		if now.Sub(said) >= sayEvery || said.Equal(began) {
			said = now
			e.Emit(resource.Event{Event: "waiting", Key: "lock:os-apply-config", Step: step, MS: now.Sub(began).Milliseconds()})
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, ctx.Err()
		case <-e.Deaf:
			f.Close()
			return nil, errs.New(errs.Unavailable, "nobody hears this run any more, and it had not begun")
		case <-time.After(e.poll()):
		}
	}
	if err := errors.Join(f.Truncate(0), writeAt0(f, fmt.Sprintf("%d\n", os.Getpid()))); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock: %w", err)
	}
	return func() { f.Close() }, nil
}

func writeAt0(f *os.File, s string) error {
	_, err := f.WriteAt([]byte(s), 0)
	return err
}

func (e *Engine) poll() time.Duration {
	if e.Poll == 0 {
		return 300 * time.Millisecond
	}
	return e.Poll
}

// writeAtomic replaces a file as a whole; readers see the old or the new one.
func writeAtomic(path string, content []byte, mode os.FileMode, uid, gid int) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".os-apply-config-*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if uid >= 0 || gid >= 0 {
		err = errors.Join(err, f.Chown(uid, gid))
	}
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
