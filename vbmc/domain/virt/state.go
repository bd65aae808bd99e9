package virt

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/domain/bootxml"
	"trefoil/vbmc/libvirt"
)

// Owner says which domain a state is about.
type Owner struct {
	URI    string `json:"uri"`
	Domain string `json:"domain"`
}

// State is what a machine must remember over a restart of the daemon: libvirt has
// no one-time boot device, and what was changed must be found back.
type State struct {
	// Of is the domain; nil: it was not noted yet.
	Of *Owner `json:"of,omitempty"`
	// UUID is that of the domain that the rest of the state is about; "": never seen.
	// While From is set, it is that of From's.
	UUID string `json:"uuid,omitempty"`
	// From is where the domain was before its URI was edited, and the rest of the state
	// is about that one. nil: it is known which domain Of is.
	From *Owner `json:"from,omitempty"`
	// Once is the pending one-time override.
	Once *domain.Override `json:"once,omitempty"`
	// Persistent is the persistent override with what it replaced.
	Persistent *Persistent `json:"persistent,omitempty"`
	// Undo are orders that may stand in the stored definition and must not stay
	// there, the latest first: those of a one-time start, and those of a change that
	// is not noted as done. Noted before the definition changes, it makes a kill at
	// any moment, and an answer that is lost, harmless.
	Undo []Change `json:"undo,omitempty"`
	// Stale: the machine runs, and was started before the persistent override.
	Stale bool `json:"stale,omitempty"`
	// Temporary: the running process has still the order of a one-time boot that
	// it was started with.
	Temporary bool `json:"temporary,omitempty"`
}

// needsProcess tells whether the next boot must have another order than the
// running process gives it.
func (s State) needsProcess() bool { return s.Once != nil || s.Stale || s.Temporary }

// holds tells whether there is anything that must not pass to another domain.
func (s State) holds() bool {
	return s.From != nil || s.Once != nil || s.Persistent != nil || len(s.Undo) > 0 || s.Stale || s.Temporary
}

// another tells whether a domain is certainly not the one that the state is about.
func (s State) another(uuid libvirt.UUID) bool {
	return s.holds() && s.UUID != "" && s.UUID != uuid.String()
}

// released is what remains to be done, where it is to be done, when no override is in
// force any more.
func (s State) released() State {
	undo := slices.Clone(s.Undo)
	if s.Persistent != nil {
		undo = append(undo, s.Persistent.Change)
	}
	of := s.Of
	if s.From != nil {
		of = s.From
	}
	return State{Of: of, UUID: s.UUID, Undo: undo}
}

// moved is the state behind another URI, with all that is in force. ok is false for
// another domain, and for one of which nobody could tell whether it is the same.
func (s State) moved(to Owner) (after State, ok bool) {
	if s.Of.Domain != to.Domain || s.UUID == "" {
		return s, false
	}
	if s.From == nil {
		s.From = s.Of
	}
	if s.Of = &to; *s.From == to { // an edit that was taken back
		s.From = nil
	}
	return s, true
}

// override is the one in force.
func (s State) override() domain.Override {
	switch {
	case s.Once != nil:
		return *s.Once
	case s.Persistent != nil:
		return s.Persistent.Override
	}
	return domain.Override{}
}

// undone is an order without what Undo says.
func (s State) undone(c bootxml.Config) bootxml.Config {
	for _, u := range s.Undo {
		if c.Equal(u.Wrote) {
			c = u.Before
		}
	}
	return c
}

// startedWith tells whether an order is that of a one-time start that Undo is about.
func (s State) startedWith(c bootxml.Config) bool {
	return slices.ContainsFunc(s.Undo, func(u Change) bool { return u.Start && u.Wrote.Equal(c) })
}

// Persistent is a persistent override in force.
type Persistent struct {
	Override domain.Override `json:"override"`
	Change
}

// Change is an edit of the boot order: what was there, and what we wrote. Only
// what we wrote is ever taken back; an order the user made meanwhile stays.
type Change struct {
	Before bootxml.Config `json:"before"`
	Wrote  bootxml.Config `json:"wrote"`
	Start  bool           `json:"start,omitempty"` // made for a one-time start
}

// Store keeps a machine's state.
type Store interface {
	Load() (State, error) // the zero State when there is none
	Save(State) error
}

// FileStore keeps the state in a JSON file, written atomically with mode 0600.
type FileStore struct{ Path string }

// Load implements Store.
func (f FileStore) Load() (State, error) {
	var s State
	raw, err := os.ReadFile(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("read boot state: %w", err)
	}
	var earlier struct {
		Repair *Change `json:"repair"` // Undo's name and only entry, before 2026-11-27
	}
	if err := errors.Join(json.Unmarshal(raw, &s), json.Unmarshal(raw, &earlier)); err != nil {
		return State{}, fmt.Errorf("read boot state %s: %w", f.Path, err)
	}
	if c := earlier.Repair; c != nil {
		c.Start = true
		s.Undo = append(s.Undo, *c)
	}
	return s, nil
}

// Save implements Store.
func (f FileStore) Save(s State) error {
	raw, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("write boot state: %w", err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(f.Path), ".state-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write boot state: %w", err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(raw)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), f.Path)
	}
	if err != nil {
		return fmt.Errorf("write boot state %s: %w", f.Path, err)
	}
	return nil
}
