package manager

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"time"
)

// cached is a configuration file that has been read. Ten thousand of them are
// looked at every few seconds; only those that changed are read again.
type cached struct {
	stamp  stamp
	config Config
	err    error
}

// load reads a configuration unless the file is the one read before. m.mu is held.
func (m *Manager) load(name string) (Config, error) {
	s, err := m.store.stamp(name)
	if err != nil {
		delete(m.files, name)
		return Config{}, err
	}
	return m.loadStamped(name, s)
}

func (m *Manager) loadStamped(name string, s stamp) (Config, error) {
	if old, ok := m.files[name]; ok && old.stamp == s {
		return old.config, old.err
	}
	m.store.closeToOthers(name, func(path string, was fs.FileMode, err error) { m.closed(name, path, was, err) })
	c, err := m.store.load(name)
	m.reads++
	m.tellOdd(name)
	if s.settled(time.Now()) && !errors.Is(err, fs.ErrNotExist) {
		m.files[name] = cached{s, c, err}
	} else {
		delete(m.files, name)
	}
	return c, err
}

// loadEach is loadStamped behind dirStore.each. Of a file that cannot be looked at or
// is wrong it gives what is known: the configuration that runs.
func (m *Manager) loadEach(name string, s stamp, err error) (Config, error) {
	var c Config
	if err == nil {
		c, err = m.loadStamped(name, s)
	} else {
		delete(m.files, name)
	}
	if in := m.running[name]; err != nil && in != nil {
		return in.config, err
	}
	return c, err
}

// closed tells that others could read a password, or still can.
func (m *Manager) closed(name, path string, was fs.FileMode, err error) {
	if err != nil {
		m.logOf(name).Warn("others may get at the password", "path", path, "mode", fmt.Sprintf("%04o", was), "reason", explain(err))
		return
	}
	m.logOf(name).Warn("others could read the password; path is closed to them now", "path", path, "mode", fmt.Sprintf("%04o", was))
}

// Sync reads what changed of the configurations and makes the BMCs match.
func (m *Manager) Sync() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sync()
}

// mostSpared is how many times in a row a look may be spared: some changes the kernel does not
// tell, such as that of a directory above or of what is mounted.
const mostSpared = 20

// look is Sync, unless the kernel says that nothing has changed and nothing waits for another look.
func (m *Manager) look() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.watch.quiet() && m.calm() && m.spared < mostSpared {
		m.spared++
		return
	}
	m.sync()
}

// calm tells that the last look saw all, and that since no BMC has ended or could not run.
func (m *Manager) calm() bool {
	for _, in := range m.running {
		if in.ended() {
			return false
		}
	}
	return m.settled && len(m.faults) == 0
}

// sync is Sync. m.mu is held.
func (m *Manager) sync() {
	m.spared = 0
	covered := m.watch.cover() // first: what changes behind it is told
	m.settled = false
	there, all := make(map[string]bool, len(m.running)), machines{}
	err := m.store.each(func(name string, s stamp, err error) {
		there[name] = true
		c, err := m.loadEach(name, s, err)
		if err == nil {
			all.take(name, c)
			err = m.match(name, c)
		}
		if err != nil || c.Active {
			m.note(name, err) // what runs goes on: the file may be half edited
		}
	})
	if err != nil {
		m.log.Error("configurations cannot be read", "reason", err)
		return
	}
	for name := range m.running {
		if !there[name] {
			m.stop(name)
		}
	}
	gone := func(name string) bool { return !there[name] }
	maps.DeleteFunc(m.files, func(name string, _ cached) bool { return gone(name) })
	maps.DeleteFunc(m.faults, func(name string, _ fault) bool { return gone(name) })
	maps.DeleteFunc(m.odd, func(name, _ string) bool { return gone(name) })
	m.tellTwins(all.twins())
	m.settled = covered == nil && len(m.files) == len(there)
}

// match makes a BMC what its configuration says: started, stopped, restarted, or
// changed with its sessions open. A BMC that runs goes on when the configuration is
// wrong; the error then names the file's line. m.mu is held.
func (m *Manager) match(name string, c Config) error {
	return m.store.locate(name, m.follow(name, c))
}

func (m *Manager) follow(name string, c Config) error {
	in := m.running[name]
	switch {
	case !c.Active:
		m.stop(name)
		delete(m.faults, name)
		return nil
	case in != nil && in.ended():
		m.stop(name) // its socket failed for good
	case in != nil && c == in.config:
		return nil
	case in != nil:
		if err := c.Validate(); err != nil {
			return err
		}
		if !in.config.needsRestart(c) {
			return m.update(name, in, c)
		}
		if c.Port != in.config.Port || c.Address != in.config.Address {
			if err := m.portFreeFor(name, c); err != nil {
				return err
			}
		}
		m.stop(name)
	}
	return m.start(name, c)
}

// update changes a BMC under its sessions. m.mu is held.
func (m *Manager) update(name string, in *instance, c Config) error {
	cred, err := c.Credentials()
	if err == nil {
		err = in.bmc.Update(cred)
	}
	if err != nil {
		return err
	}
	in.config = c
	m.logOf(name).Info("vBMC instance takes its edited configuration")
	return nil
}

// change edits a configuration file: read, f, check, write. One at a time, and
// without m.mu, so that a BMC may call it while the manager waits for that BMC.
// f is told of a value that could not be read (see mostlyRead); what it leaves of
// such a value is written as it was.
func (m *Manager) change(name string, f func(c *Config, unread error) error) (before, after Config, err error) {
	m.editing.Lock()
	defer m.editing.Unlock()
	before, unread := m.store.load(name)
	if _, ok := mostlyRead(unread); unread != nil && !ok {
		return before, before, unread
	}
	after = before
	switch err := f(&after, unread); {
	case err != nil:
		return before, before, err
	case after == before:
		return before, after, nil
	}
	return before, after, m.store.save(name, after)
}
