package virt

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"trefoil/vbmc/domain"
)

// Leftovers puts boot orders back in domains that a BMC serves no more, because it was
// deleted or given another domain. Each is a file of Dir until that is done, so that
// neither a kill nor a libvirt that is away loses it. It is safe for many goroutines.
type Leftovers struct {
	Dir string
	// Connect waits for a connection that answers, as long as ctx lives.
	Connect func(ctx context.Context, uri string) (conn Conn, release func(), err error)
	Log     *slog.Logger

	mu   sync.Mutex
	jobs map[string]job // by file
}

// job works on one file.
type job struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// How often a domain whose order cannot be put back is tried again.
const (
	firstTry = time.Second
	lastTry  = time.Minute
)

// Leave takes the state of a BMC that is no more from path; of is its domain, where the
// state does not say. done is closed when the domain is as its user left it. After an
// error path is as it was. A state that cannot be read says no more what to put back:
// that is only told.
func (l *Leftovers) Leave(path string, of Owner) (done <-chan struct{}, err error) {
	nothing := make(chan struct{})
	close(nothing)
	s, err := FileStore{path}.Load()
	if err != nil {
		l.Log.Warn("the domain's boot order may not be its own", "domain", of.Domain, "reason", err)
		return nothing, nil
	}
	if s.Of == nil {
		s.Of = &of
	}
	if s = s.released(); len(s.Undo) == 0 {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("remove boot state: %w", err)
		}
		return nothing, nil
	}
	if s.Of.Domain == "" {
		return nil, fmt.Errorf("boot state %s: of which domain is not known, its boot order stays as it is", path)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.take(s, func(file string, s State) error {
		if err := (FileStore{path}).Save(s); err != nil { // a BMC that comes back here has no override either
			return err
		}
		return os.Rename(path, file)
	})
}

// Keep puts back what a state of another domain says, as Leave does; where the state is
// kept is the caller's. It may be repeated after a kill.
func (l *Leftovers) Keep(s State) error {
	if s = s.released(); len(s.Undo) == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := l.take(s, func(file string, s State) error { return FileStore{file}.Save(s) })
	return err
}

// take has keep make a state a file of Dir, and begins its job. The file that is there
// already is of an earlier BMC of the same domain. l.mu is held.
func (l *Leftovers) take(s State, keep func(file string, s State) error) (done <-chan struct{}, err error) {
	file := l.file(*s.Of)
	l.end(file)
	if err := os.MkdirAll(l.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make directory of boot orders: %w", err)
	}
	earlier, err := FileStore{file}.Load()
	if err != nil {
		return nil, err
	}
	if earlier.UUID == "" || s.UUID == "" || earlier.UUID == s.UUID { // else that domain is gone
		s.Undo = append(s.Undo, earlier.Undo...)
	}
	if err := keep(file, s); err != nil {
		return nil, fmt.Errorf("keep boot order: %w", err)
	}
	return l.begin(file, *s.Of), nil
}

// Adopt prepares path for the BMC of a domain. A state of another domain is left there,
// which is told if an override goes with it; whether a domain behind another URI is
// another one the BMC finds out. What is to be put back in this one becomes the BMC's
// own, which does that before all else: two at work on one domain would be in each
// other's way.
func (l *Leftovers) Adopt(path string, of Owner) error {
	s, err := FileStore{path}.Load()
	if err != nil {
		return err
	}
	if s.Of != nil && *s.Of != of {
		if err := l.move(path, s, of); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file := l.file(of)
	l.end(file)
	if err := os.Rename(file, path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("adopt boot order: %w", err)
	}
	return nil
}

// move takes a state to another URI, or leaves it where it is.
func (l *Leftovers) move(path string, s State, to Owner) error {
	_, err := os.Lstat(l.file(to))
	after, ok := s.moved(to)
	if ok && errors.Is(err, fs.ErrNotExist) { // else an earlier BMC of that very domain left it something to do
		return FileStore{path}.Save(after)
	}
	if _, err := l.Leave(path, *s.Of); err != nil {
		return err
	}
	tellDropped(l.Log, s, to)
	return nil
}

// Resume goes on with what an earlier process left in Dir.
func (l *Leftovers) Resume() error {
	files, err := filepath.Glob(filepath.Join(l.Dir, "*.json"))
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []error
	for _, file := range files {
		s, err := FileStore{file}.Load()
		switch _, runs := l.jobs[file]; {
		case err != nil:
			all = append(all, err)
		case s.Of == nil:
			all = append(all, fmt.Errorf("boot state %s: names no domain; remove it", file))
		case !runs:
			l.begin(file, *s.Of)
		}
	}
	return errors.Join(all...)
}

func (l *Leftovers) file(of Owner) string {
	h := sha256.Sum256([]byte(of.URI + "\x00" + of.Domain))
	return filepath.Join(l.Dir, hex.EncodeToString(h[:16])+".json")
}

// begin starts the job of a file that has none. l.mu is held.
func (l *Leftovers) begin(file string, of Owner) <-chan struct{} {
	ctx, cancel := context.WithCancel(context.Background())
	j := job{cancel, make(chan struct{})}
	if l.jobs == nil {
		l.jobs = map[string]job{}
	}
	l.jobs[file] = j
	go func() {
		defer close(j.done)
		l.run(ctx, file, of)
	}()
	return j.done
}

// end stops the job of a file and waits for that. l.mu is held.
func (l *Leftovers) end(file string) {
	if j, runs := l.jobs[file]; runs {
		j.cancel()
		<-j.done
		delete(l.jobs, file)
	}
}

// run tries until the order is put back or the job is ended.
func (l *Leftovers) run(ctx context.Context, file string, of Owner) {
	log := l.Log.With("domain", of.Domain)
	said := ""
	for pause := firstTry; ; pause = min(2*pause, lastTry) {
		err := l.putBack(ctx, file, of)
		if err == nil {
			log.Info("the domain has its own boot order again")
			return
		}
		if ctx.Err() != nil {
			return
		}
		if err.Error() != said {
			said = err.Error()
			log.Warn("the domain's boot order is put back later", "reason", err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

func (l *Leftovers) putBack(ctx context.Context, file string, of Owner) error {
	conn, release, err := l.Connect(ctx, of.URI)
	if err != nil {
		return err
	}
	defer release()
	m, err := New(conn, of, FileStore{file}, l.Log)
	if err != nil {
		return err
	}
	if err := m.Repair(ctx); err != nil && !errors.Is(err, domain.ErrNotFound) { // a domain that is gone needs nothing
		return err
	}
	if err := os.Remove(file); err != nil {
		return fmt.Errorf("remove boot state: %w", err)
	}
	return nil
}
