package galera

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"trefoil/internal/errs"
)

// Starter decides before a server starts. Its fields are set once; Start is called once.
type Starter struct {
	Config  *Config
	Folders Folders
	Log     io.Writer // lines for the journal
	Pause   time.Duration
	// Recover finds the position of data whose server was killed, as UUID:number.
	Recover func(ctx context.Context) (string, error)
}

// sayAgain is how often the same reason to wait is told.
const sayAgain = time.Minute

// Start returns when the server may start, with galera.env saying how. It waits as long
// as it must: nobody can tell by himself that a machine will never come back.
func (s *Starter) Start(ctx context.Context) error {
	defer os.Remove(s.Folders.claim())
	if err := s.position(ctx); err != nil {
		return err
	}
	said, at := "", time.Time{}
	for {
		d, err := s.decide(ctx)
		if err != nil {
			return err
		}
		if d.Why != said || time.Since(at) > sayAgain {
			said, at = d.Why, time.Now()
			fmt.Fprintln(s.Log, "galera: "+s.line(d))
		}
		if d.Act != Wait {
			return s.prepare(d.Act)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(s.Pause):
		}
	}
}

// line is what a person reads of a decision, with what to do where something is waited for.
func (s *Starter) line(d Decision) string {
	switch {
	case d.Act != Wait:
		return d.Why
	case !d.Absent:
		return "the database waits: " + d.Why
	}
	return "the database waits: " + d.Why + "; start that machine, or, if it is lost for good, on the one with the newest data: sudo os-apply-config galera-force"
}

// decide looks at all machines once. Two that decide at the same time cannot both
// begin: each claims it first and looks again, and the earlier in the list keeps its claim.
func (s *Starter) decide(ctx context.Context) (Decision, error) {
	if there(s.Folders.force()) {
		return begin("galera-force was given"), nil
	}
	self, states, err := s.look(ctx)
	if err != nil {
		return Decision{}, err
	}
	d := Decide(s.Config.Machines, self, states)
	if d.Act != Begin {
		return d, nil
	}
	if err := os.WriteFile(s.Folders.claim(), nil, 0o600); err != nil {
		return d, fmt.Errorf("claim the beginning of the cluster: %w", err)
	}
	if self, states, err = s.look(ctx); err != nil {
		return d, err
	}
	for i, other := range states {
		if i != self && other != nil && (other.Primary || other.Claim && i < self) {
			return wait("%s begins the cluster", s.Config.Machines[i].label()), os.Remove(s.Folders.claim())
		}
	}
	if d = Decide(s.Config.Machines, self, states); d.Act != Begin {
		return d, os.Remove(s.Folders.claim())
	}
	return d, nil
}

// look asks all machines side by side.
func (s *Starter) look(ctx context.Context) (self int, states []*State, err error) {
	states = make([]*State, len(s.Config.Machines))
	var wg sync.WaitGroup
	for i, m := range s.Config.Machines {
		if m.Address == s.Config.Address {
			own, err := s.Folders.OnDisk()
			if err != nil {
				return 0, nil, err
			}
			self, states[i] = i, &own
			continue
		}
		wg.Go(func() { states[i], _ = Ask(ctx, m.Address, s.Config.Port) })
	}
	wg.Wait()
	return self, states, nil
}

// askLimit is how long a machine may take to tell its state.
const askLimit = 5 * time.Second

// Ask asks a machine for its state.
func Ask(ctx context.Context, address string, port int) (*State, error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(address, strconv.Itoa(port))+statePath, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var s State
	if resp.StatusCode != http.StatusOK {
		return nil, errs.New(errs.Unavailable, "%s answers %s", address, resp.Status)
	}
	return &s, json.NewDecoder(io.LimitReader(resp.Body, 1<<16)).Decode(&s)
}

// position finds out how new the data is, where the server was killed, so that the
// others can be told.
func (s *Starter) position(ctx context.Context) error {
	if err := os.Remove(s.Folders.position()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	own, err := s.Folders.OnDisk()
	if err != nil || own.UUID == "" || own.Seqno != Unknown {
		return err
	}
	at, err := s.Recover(ctx)
	if err != nil {
		return errs.Wrap(errs.Internal, err, "find the position of the database").WithHint("journalctl -u mariadb, and the files in %s, tell more", s.Folders.Data)
	}
	return write(s.Folders.position(), at+"\n")
}

// prepare leaves what the server's start reads. A position that was told to the others
// is taken back: from now on only the running server knows it.
func (s *Starter) prepare(act Act) error {
	how := ""
	if act == Begin {
		how = "--wsrep-new-cluster"
		if err := allow(s.Folders.grastate()); err != nil {
			return err
		}
	}
	if err := write(s.Folders.env(), "_WSREP_NEW_CLUSTER="+how+"\n"); err != nil {
		return err
	}
	// The server would wait for exactly those of its last majority.
	for _, name := range []string{s.Folders.gvwstate(), s.Folders.position(), s.Folders.force()} {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// allow tells Galera what was made sure of here: that a cluster may begin with this data.
func allow(grastate string) error {
	data, err := os.ReadFile(grastate)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return write(grastate, strings.Replace(string(data), "safe_to_bootstrap: 0", "safe_to_bootstrap: 1", 1))
}

// write replaces a file as a whole.
func write(name, content string) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".galera-*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	err = errors.Join(err, f.Chmod(0o660), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// Force has the machine's start, which waits, begin the cluster.
func Force(f Folders) error {
	if err := write(f.force(), ""); err != nil {
		return errs.Wrap(errs.Unavailable, err, "tell the start of the database").WithHint("as root, on a machine whose unit mariadb is activating (systemctl start mariadb)")
	}
	return nil
}

// Recovered is Debian's way to find the position of data whose server was killed.
func Recovered(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "/usr/bin/galera_recovery").Output()
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
