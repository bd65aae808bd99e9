package manager

import (
	"errors"
	"os"
	"strings"

	"trefoil/internal/errs"
)

// portError is a file whose port is no number, all else of which could be read.
type portError struct{ err error }

func (p *portError) Error() string { return p.err.Error() }
func (p *portError) Unwrap() error { return p.err }

// lacksPort reports an error that a new port mends.
func lacksPort(err error) bool {
	var p *portError
	return errors.As(err, &p)
}

// deactivate writes that a BMC is not to run. Of a file that is wrong only the line that
// says so is changed: the rest is for its owner to mend, and must not start it again.
func (m *Manager) deactivate(name string) error {
	_, _, err := m.change(name, func(c *Config) error { c.Active = false; return nil })
	if !errs.Is(err, errs.Invalid) {
		return err
	}
	m.editing.Lock()
	defer m.editing.Unlock()
	return m.store.deactivate(name)
}

func (d dirStore) deactivate(name string) error {
	raw, err := os.ReadFile(d.file(name))
	if err != nil {
		return err
	}
	lines := strings.Split(string(raw), "\n")
	for i, line := range lines {
		key, _, ok := strings.Cut(strings.Replace(line, ":", "=", 1), "=")
		if ok && strings.EqualFold(strings.TrimRight(key, " \t"), "active") {
			lines[i] = "active = False"
		}
	}
	return d.disk.replace(d.file(name), []byte(strings.Join(lines, "\n")))
}

// undoer returns what puts back a BMC's file, byte by byte, and what ran before an edit.
// m.mu is held.
func (m *Manager) undoer(name string) func(before Config) error {
	raw, unread := os.ReadFile(m.store.file(name))
	in := m.running[name]
	var ran Config
	if in != nil {
		ran = in.config
	}
	return func(before Config) error {
		if unread != nil {
			return unread
		}
		m.editing.Lock()
		err := m.store.disk.replace(m.store.file(name), raw)
		m.editing.Unlock()
		if before.Port != 0 {
			err = errors.Join(err, m.match(name, before))
		}
		if in != nil && m.running[name] == nil && before.Active { // its file was not followed before either
			err = errors.Join(err, m.start(name, ran))
		}
		return err
	}
}
