package manager

import (
	"errors"
	"os"
	"strconv"
	"strings"

	"trefoil/internal/errs"
)

// valueError is a file whose port is no number or whose active is no boolean, all else of
// which could be read.
type valueError struct {
	key string
	err error
}

func (v *valueError) Error() string { return v.err.Error() }
func (v *valueError) Unwrap() error { return v.err }

// readPort takes the port from a file, or keeps what stands in its place.
func (c *Config) readPort(f iniFile, name string) error {
	e, there := f.sections[configSection]["port"]
	n, err := strconv.Atoi(e.text)
	if c.Port = n; err != nil {
		c.Port = 0
	}
	if there && c.Port == 0 {
		c.badPort = line("port", e.text)
	}
	if err == nil {
		return nil
	}
	refused := f.wrong(configSection, "port", "a number from 1 to 65535")
	return &valueError{"port", refused.WithHint("%s, or: vbmc edit '%s' --port VALUE", refused.Hint, name)}
}

// readActive takes active from a file, or keeps what stands in its place.
func (c *Config) readActive(f iniFile, name string) (err error) {
	if c.Active, err = f.boolean(configSection, "active"); err == nil {
		return nil
	}
	c.badActive = line("active", f.text(configSection, "active"))
	return &valueError{"active", errs.New(errs.Invalid, "%s", err).WithHint("%s, or: vbmc start '%s', or: vbmc stop '%s'", errs.HintOf(err), name, name)}
}

func line(key, value string) string {
	var b strings.Builder
	put(&b, key, value)
	return b.String()
}

// mostlyRead reports an error that another value of one key mends.
func mostlyRead(err error) (key string, ok bool) {
	var v *valueError
	if !errors.As(err, &v) {
		return "", false
	}
	return v.key, true
}

// deactivate writes that a BMC is not to run. Of a file that is wrong only the line that
// says so is changed: the rest is for its owner to mend, and must not start it again.
func (m *Manager) deactivate(name string) error {
	_, _, err := m.change(name, func(c *Config, unread error) error { c.setActive(false); return unread })
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
