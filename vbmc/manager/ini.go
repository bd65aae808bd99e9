package manager

import (
	"fmt"
	"strings"
	"unicode"

	"trefoil/internal/errs"
)

// iniFile is an INI file: its sections by name.
type iniFile struct {
	name     string
	sections map[string]section
	lines    map[string]int // of the sections' headers
}

// section is one section of an INI file: keys in lower case.
type section map[string]entry

// entry is a value with the line that its key stands in.
type entry struct {
	text string
	line int
}

// text is a value, "" when it is not there.
func (f iniFile) text(section, key string) string { return f.sections[section][key].text }

// place is FILE:LINE of a key, FILE when it is not there.
func (f iniFile) place(section, key string) string {
	if e, ok := f.sections[section][key]; ok {
		return fmt.Sprintf("%s:%d", f.name, e.line)
	}
	return f.name
}

// wrong refuses a value with its place: what was expected instead of it.
func (f iniFile) wrong(section, key, expected string) *errs.Error {
	if _, ok := f.sections[section][key]; !ok {
		return errs.New(errs.Invalid, "%s: [%s] has no %s: expected %s", f.name, section, key, expected).
			WithHint("add a line: %s = VALUE", key)
	}
	return errs.New(errs.Invalid, "%s: [%s] %s = %q: expected %s", f.place(section, key), section, key, f.text(section, key), expected).
		WithHint("change that line")
}

// boolean reads virtualbmc's true and false, in any case; "" is false.
func (f iniFile) boolean(section, key string) (bool, error) {
	switch strings.ToLower(f.text(section, key)) {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, f.wrong(section, key, "True or False")
}

// parseINI reads what Python's ConfigParser reads and virtualbmc writes: "=" or
// ":", "#" and ";" comment lines, continuation lines, "%%" for "%". Like that one it
// refuses what stands there twice: either may be what somebody meant.
func parseINI(name, text string) (iniFile, error) {
	out := iniFile{name, map[string]section{}, map[string]int{}}
	var cur section
	var err error
	key := ""
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimRightFunc(line, unicode.IsSpace)
		trimmed := strings.TrimSpace(line)
		switch {
		case trimmed == "":
			key = ""
			continue
		case trimmed[0] == '#' || trimmed[0] == ';':
			continue
		case line != trimmed && key != "" && cur != nil: // indented: goes on
			e := cur[key]
			e.text += "\n" + strings.ReplaceAll(trimmed, "%%", "%")
			cur[key] = e
			continue
		case trimmed[0] == '[':
			end := strings.IndexByte(trimmed, ']')
			if end < 0 {
				return out, unreadable(name, i, "section header has no ]")
			}
			if cur, err = out.begin(trimmed[1:end], i); err != nil {
				return out, err
			}
			key = ""
			continue
		}
		at := strings.IndexAny(trimmed, "=:")
		if at <= 0 {
			return out, unreadable(name, i, "expected KEY = VALUE")
		}
		if cur == nil {
			return out, unreadable(name, i, "a key before the first [section]")
		}
		key = strings.ToLower(strings.TrimSpace(trimmed[:at]))
		if before, twice := cur[key]; twice {
			return out, unreadable(name, i, fmt.Sprintf("option '%s' already exists (line %d)", key, before.line))
		}
		cur[key] = entry{strings.ReplaceAll(strings.TrimSpace(trimmed[at+1:]), "%%", "%"), i + 1}
	}
	return out, nil
}

// begin begins a section in line i, counted from 0. ConfigParser's section of defaults may
// begin again and again.
func (f iniFile) begin(name string, i int) (section, error) {
	cur, twice := f.sections[name]
	if twice && name != "DEFAULT" {
		return nil, unreadable(f.name, i, fmt.Sprintf("section '%s' already exists (line %d)", name, f.lines[name]))
	}
	if !twice {
		cur = section{}
		f.sections[name], f.lines[name] = cur, i+1
	}
	return cur, nil
}

// unreadable refuses line i, counted from 0, of a file.
func unreadable(name string, i int, why string) *errs.Error {
	return errs.New(errs.Invalid, "%s:%d: %s", name, i+1, why).WithHint("change that line or take it out")
}

// escapeINI writes a value so that ConfigParser reads it back.
func escapeINI(v string) string { return strings.ReplaceAll(v, "%", "%%") }
