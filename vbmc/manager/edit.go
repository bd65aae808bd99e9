package manager

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"trefoil/internal/errs"
)

// Edit gives options of a BMC's configuration new values, as Config.Set takes them, and
// the running BMC with it; stored is the file's then. What cannot work is refused (err) and
// changes nothing.
// Sessions stay open when only users, keys or suites change; those of a user whose name
// or password changes end.
//
// Another option that is wrong in the file does not stand in the way: the edit is written,
// the wrong value stays as it is, and beside tells its line and what the BMC does meanwhile.
// A running BMC takes new credentials all the same: an old password that leaked must not
// open it any longer.
func (m *Manager) Edit(name string, options map[string]string) (stored Config, beside, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, err = m.configured(name)
	if _, ok := mostlyRead(err); err != nil && !ok {
		return Config{}, nil, err
	}
	undo := m.undoer(name)
	before, after, err := m.change(name, func(c *Config, _ error) error { return m.give(name, c, options) })
	if err != nil {
		return Config{}, nil, err
	}
	if err := m.wrongIn(name); err != nil {
		beside, err = m.editedBeside(name, after, options, err)
		return after, beside, err
	}
	if err := m.match(name, after); err != nil {
		return Config{}, nil, errors.Join(err, undo(before))
	}
	if after.Active {
		m.note(name, nil)
	}
	return after, nil, nil
}

// give sets options and refuses what they are wrong in, and no other. m.mu is held.
func (m *Manager) give(name string, c *Config, options map[string]string) error {
	old := *c
	given := slices.Sorted(maps.Keys(options))
	for _, key := range given {
		if err := c.Set(key, options[key]); err != nil {
			return err
		}
	}
	_, newAddress := options["address"]
	noAddress := c.refusalOf("address")
	if options["port"] == "auto" {
		switch {
		case noAddress != nil && newAddress:
			return noAddress
		case noAddress != nil: // ports are tried on it
			return m.store.locate(name, noAddress)
		}
		p, err := m.configuredPorts()
		if err == nil {
			err = m.choose(p, c, firstPort)
		}
		if err != nil {
			return err
		}
	}
	if err := c.refusalOf(given...); err != nil {
		return err
	}
	same := c.Port == old.Port && c.Address == old.Address
	if same || c.refusalOf("port") != nil || noAddress != nil { // the edit that mends the other asks
		return nil
	}
	return m.portFreeFor(name, *c)
}

// wrongIn is what is wrong in a BMC's file, with its line. m.mu is held.
func (m *Manager) wrongIn(name string) error {
	c, err := m.load(name)
	if err == nil {
		err = c.Validate()
	}
	return m.store.locate(name, err)
}

// editedBeside gives a running BMC the credentials of an edit of a file that is still
// wrong, and says what it does with the rest. m.mu is held.
func (m *Manager) editedBeside(name string, c Config, options map[string]string, why error) (beside, err error) {
	taken, err := m.takeCredentials(name, c, options)
	if err != nil {
		m.note(name, why)
		e := errs.Wrap(errs.CodeOf(err), err, "the edit is written, but the vBMC of domain %s goes on with its old credentials", name)
		return nil, e.WithHint("to end them: vbmc stop '%s'", name)
	}
	return m.beside(name, c.Active, taken, why), nil
}

// takeCredentials has a running BMC follow an edit of credentials and of nothing else, and
// tells which it now has. Of those that were not edited it takes what is right in the file
// too: a password that came over IPMI is there, and may be nowhere else. m.mu is held.
func (m *Manager) takeCredentials(name string, file Config, options map[string]string) (taken []string, err error) {
	in := m.running[name]
	if in == nil {
		return nil, nil
	}
	c, edited := in.config, false
	for _, key := range credentialKeys() {
		if file.refusalOf(key) != nil {
			continue
		}
		if *c.text(key) != *file.text(key) {
			taken = append(taken, key)
		}
		*c.text(key) = *file.text(key)
		_, given := options[key]
		edited = edited || given
	}
	if !edited {
		return nil, nil
	}
	return taken, m.update(name, in, c)
}

// beside says what a BMC does after an edit of a file that is still wrong. m.mu is held.
func (m *Manager) beside(name string, active bool, taken []string, why error) error {
	does := "cannot be started"
	switch {
	case len(taken) > 0:
		does = "goes on as before except for " + strings.Join(taken, ", ")
	case m.running[name] != nil:
		does = "goes on as before"
	case active:
		does = "still does not run"
	}
	if active || m.running[name] != nil {
		m.note(name, why)
	}
	return errs.Wrap(errs.Invalid, why, "the edit is written, but the vBMC of domain %s %s", name, does)
}

// setPassword stores a password that the configuration's user got over IPMI. The
// BMC has it already; Sync sees the file and finds both alike.
func (m *Manager) setPassword(name, password string) error {
	_, _, err := m.change(name, func(c *Config, _ error) error {
		c.Password = password
		return c.refusalOf("password")
	})
	return err
}
