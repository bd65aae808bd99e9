package galera

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"trefoil/internal/errs"
)

// Starter decides before a server starts. Start is called once.
type Starter struct {
	Member
	Pause time.Duration
	// Recover finds the position of data whose server was killed, as UUID:number.
	Recover func(ctx context.Context) (string, error)
}

// Start returns when the server may start, with galera.env saying how. It waits as long
// as it must: nobody can tell by himself that a machine will never come back.
func (s *Starter) Start(ctx context.Context) error {
	s.since = time.Now()
	f := s.Folders
	// They are of an earlier start: what it claimed or was told must not act now.
	if err := forget(append(f.transferPIDs(), f.claim(), f.begun(), f.waiting(), f.force(), f.position())...); err != nil {
		return err
	}
	if err := f.disallow(); err != nil {
		return err
	}
	defer func() { _ = forget(f.claim(), f.waiting()) }()
	if err := s.position(ctx); err != nil {
		return err
	}
	for {
		d, err := s.decide(ctx)
		if err != nil {
			return err
		}
		s.say(d)
		if d.Act != Wait {
			return s.prepare(d.Act)
		}
		if err := mark(f.waiting()); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(s.Pause):
		}
	}
}

// position finds out how new the data is, where the server was killed, so that the
// others can be told.
func (s *Starter) position(ctx context.Context) error {
	own, err := s.Folders.OnDisk()
	if err != nil || own.Lost || !own.Unread && (own.UUID == "" || own.Seqno != Unknown) {
		return err
	}
	at, err := s.Recover(ctx)
	switch {
	case err != nil && own.Unread && ctx.Err() == nil: // half of another's: who copied them died
		fmt.Fprintf(s.Log, "galera: the data cannot be read, and Galera has taken their identity away: %v\n", err)
		at = torn + ":-1"
	case err != nil:
		return errs.Wrap(errs.Internal, err, "find the position of the database").WithHint("journalctl -u mariadb, and the files in %s, tell more", s.Folders.Data)
	}
	return write(s.Folders.position(), at+"\n")
}

// prepare leaves what the server's start reads. A position that was told to the others
// is taken back: from now on only the running server knows it.
func (s *Starter) prepare(act Act) error {
	own, err := s.Folders.OnDisk()
	if err != nil {
		return err
	}
	how := ""
	switch {
	case act == Begin:
		how, err = "--wsrep-new-cluster", s.Folders.allow(own)
	case own.Lost:
		err = giveUp(s.Folders.Data)
	}
	if err != nil {
		return err
	}
	if err := write(s.Folders.env(), "_WSREP_NEW_CLUSTER="+how+"\n"); err != nil {
		return err
	}
	// With its last view the server would wait for exactly those who were in it.
	return forget(s.Folders.gvwstate(), s.Folders.position(), s.Folders.force())
}

// allow tells Galera what was made sure of here: that the cluster may begin with this
// data. Data whose identity was taken away are told it again: with none they would
// begin another cluster, and all others would be refused or overwritten.
func (f Folders) allow(own State) error {
	data, err := os.ReadFile(f.grastate())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	text := strings.Replace(string(data), "safe_to_bootstrap: 0", "safe_to_bootstrap: 1", 1)
	if own.UUID != "" && !strings.Contains(text, own.UUID) {
		text = "# GALERA saved state\nversion: 2.1\nuuid:    " + own.UUID + "\nseqno:   -1\nsafe_to_bootstrap: 1\n"
	}
	if !own.Safe {
		if err := mark(f.allowed()); err != nil {
			return err
		}
	}
	return write(f.grastate(), text)
}

// disallow takes back what Galera was told for a beginning that has failed: it would count
// as the last one in the cluster, whom nobody else may have newer data than.
func (f Folders) disallow() error {
	if !there(f.allowed()) {
		return nil
	}
	data, err := os.ReadFile(f.grastate())
	if err == nil {
		err = write(f.grastate(), strings.Replace(string(data), "safe_to_bootstrap: 1", "safe_to_bootstrap: 0", 1))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return forget(f.allowed())
}

// giveUp removes the files without which the server makes new ones: with half of them it
// would not even start to be given the cluster's data, which replace all in any case.
func giveUp(data string) error {
	for _, pattern := range []string{"ibdata*", "ib_logfile*", "undo[0-9][0-9][0-9]", "aria_log*"} {
		names, err := filepath.Glob(filepath.Join(data, pattern))
		if err := cmp.Or(err, forget(names...)); err != nil {
			return fmt.Errorf("give up half of another's data: %w", err)
		}
	}
	return nil
}

// Recovered is Debian's way to find the position of data whose server was killed.
func Recovered(ctx context.Context) (string, error) {
	return recoveredBy(ctx, "/usr/bin/galera_recovery")
}

func recoveredBy(ctx context.Context, program string) (string, error) {
	out, err := exec.CommandContext(ctx, program).Output()
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		return "", fmt.Errorf("galera_recovery: %w: %s", err, strings.TrimSpace(string(ended.Stderr)))
	}
	if err != nil {
		return "", err
	}
	_, at, found := strings.Cut(strings.TrimSpace(string(out)), "--wsrep_start_position=")
	if !found {
		return "", errs.New(errs.Internal, "galera_recovery found no position")
	}
	at, _, _ = strings.Cut(at, ",") // a GTID may follow
	return at, nil
}
