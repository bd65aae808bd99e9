package galera

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"trefoil/internal/errs"
)

// Member is a machine that takes part in the decision. Its fields are set once.
type Member struct {
	Config  *Config
	Folders Folders
	Log     io.Writer // lines for the journal
	// Own is the machine's own state; nil: what lies on its disk, while no server runs.
	Own func(ctx context.Context) (State, error)

	since time.Time // of a server's start: what others said of themselves before counts for nothing

	said string // and when
	at   time.Time
}

// sayAgain is how often the same reason to wait is told.
const sayAgain = time.Minute

// say tells a decision to people: each once, and again while it stays.
func (m *Member) say(d Decision) {
	if d.Why == m.said && time.Since(m.at) < sayAgain {
		return
	}
	m.said, m.at = d.Why, time.Now()
	fmt.Fprintln(m.Log, "galera: "+line(d))
}

// line is what a person reads of a decision, with what to do where something is waited for.
func line(d Decision) string {
	switch {
	case d.Act != Wait:
		return d.Why
	case !d.Absent:
		return "the database waits: " + d.Why
	}
	return "the database waits: " + d.Why + "; start that machine, or, if it is lost for good, on the one with the newest data: sudo os-apply-config galera-force"
}

// choose looks at all machines once and decides. A person's word counts where it would
// wait, and not where there is a cluster to join.
func (m *Member) choose(ctx context.Context) (Decision, error) {
	self, states, err := m.look(ctx)
	if err != nil {
		return Decision{}, err
	}
	d := Decide(m.Config.Machines, self, states)
	if d.Act != Wait || !there(m.Folders.force()) {
		return d, nil
	}
	if err := against(m.Config.Machines, self, states); err != nil { // one that has been heard since it was given
		return wait("galera-force is not heard: %v", err), forget(m.Folders.force())
	}
	return begin("galera-force was given"), nil
}

// decide is choose for who acts on it. Two that decide at the same time cannot both
// begin: each claims it first and looks again, and leaves the mark that it has begun
// before it takes the claim back.
func (m *Member) decide(ctx context.Context) (Decision, error) {
	d, err := m.choose(ctx)
	if err != nil || d.Act != Begin {
		return d, cmp.Or(err, forget(m.Folders.claim()))
	}
	if err := mark(m.Folders.claim()); err != nil {
		return d, fmt.Errorf("claim the beginning of the cluster: %w", err)
	}
	self, states, err := m.look(ctx)
	if err != nil {
		return d, err
	}
	for i, other := range states {
		switch {
		case i == self || other == nil || !other.Claim:
		case i < self: // it keeps its claim
			return wait("%s begins the cluster", m.Config.Machines[i].label()), forget(m.Folders.claim())
		default: // it may have looked before this claim was there: it begins, or gives way
			return wait("%s wants to begin the cluster too", m.Config.Machines[i].label()), nil
		}
	}
	if d, err = m.choose(ctx); err != nil || d.Act != Begin {
		return d, cmp.Or(err, forget(m.Folders.claim()))
	}
	return d, mark(m.Folders.begun())
}

// look asks all machines side by side.
func (m *Member) look(ctx context.Context) (self int, states []*State, err error) {
	oldest := time.Since(m.since).Seconds() // very much without a start
	states = make([]*State, len(m.Config.Machines))
	var wg sync.WaitGroup
	defer wg.Wait()
	for i, other := range m.Config.Machines {
		if other.Address == m.Config.Address {
			self = i
			continue
		}
		wg.Go(func() { states[i], _ = Ask(ctx, other.Address, m.Config.Port) })
	}
	own, err := m.own(ctx)
	if err != nil {
		return 0, nil, err
	}
	wg.Wait()
	for _, s := range states {
		if s != nil {
			s.before = s.Age > oldest
		}
	}
	states[self] = &own
	return self, states, nil
}

func (m *Member) own(ctx context.Context) (State, error) {
	if m.Own == nil {
		return m.Folders.OnDisk()
	}
	return m.Own(ctx)
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
	// No proxy of the environment stands between, and no connection to one that has died since.
	direct := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := direct.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, errs.New(errs.Unavailable, "%s answers %s", address, resp.Status)
	}
	var s State
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<16)).Decode(&s); err != nil {
		return nil, fmt.Errorf("%s: %w", address, err)
	}
	return &s, nil
}
