package config

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"gopkg.in/ini.v1"

	"trefoil/internal/errs"
	"trefoil/internal/nearest"
)

// readINI parses a file and finds the line of each section and key ("section/key";
// "section/" is the header's). name stands for the file in messages, which never
// show a line: it may hold a password.
func readINI(name string, data []byte) (*ini.File, map[string]int, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if len(data) > maxFile {
		return nil, nil, errs.New(errs.Invalid, "%s has %d bytes; expected at most %d", name, len(data), maxFile).WithHint("is it the right file?")
	}
	file, err := loadINI(data)
	if err != nil {
		line, why := firstBad(data)
		return nil, nil, errs.New(errs.Invalid, "%s:%d: %s", name, line, why).
			WithHint("an INI file has lines such as [section], key = value, and comments that begin with #")
	}
	return file, lineNumbers(data), nil
}

// longestValue is how many lines a value may have without a wrong place of a mistake.
const longestValue = 60

// maxFile is far more than a configuration has, in bytes.
const maxFile = 64 << 10

func loadINI(data []byte) (*ini.File, error) {
	return ini.LoadSources(ini.LoadOptions{IgnoreInlineComment: true, AllowPythonMultilineValues: true, KeyValueDelimiters: "=:"}, data)
}

// firstBad is the line behind the longest beginning that can be parsed, and what is wrong
// with it. Beginnings inside a value of several lines cannot be parsed, and longer ones
// can; so the longest ones are tried first, and of a long file the rest by halves.
func firstBad(data []byte) (int, string) {
	lines := bytes.SplitAfter(data, []byte("\n"))
	good := func(n int) bool {
		_, err := loadINI(bytes.Join(lines[:n], nil))
		return err == nil
	}
	at := len(lines) - 1
	for at > max(0, len(lines)-longestValue) && !good(at) {
		at--
	}
	if !good(at) {
		at = max(0, sort.Search(at, func(n int) bool { return !good(n) })-1)
	}
	_, reason := loadINI(bytes.Join(lines[:at+1], nil))
	var delimiter ini.ErrDelimiterNotFound
	var empty ini.ErrEmptyKeyName
	switch text := bytes.TrimSpace(lines[min(at, len(lines)-1)]); {
	case errors.As(reason, &delimiter):
		return at + 1, "expected key = value, found a line without ="
	case errors.As(reason, &empty):
		return at + 1, "expected a key before the ="
	case bytes.HasPrefix(text, []byte("[")):
		return at + 1, "expected [section], found a header without a name or without ]"
	}
	return at + 1, "a quote is opened and never closed"
}

// lineNumbers finds where each key stands: the INI library does not tell. A key that is
// there twice stands where it was last, as its value does.
func lineNumbers(data []byte) map[string]int {
	out := map[string]int{}
	eachKey(data, func(section, key string, line int) { out[section+"/"+key] = line })
	return out
}

// eachKey visits the sections' headers, as the key "", and their keys.
func eachKey(data []byte, visit func(section, key string, line int)) {
	section, inValue, quoted := ini.DefaultSection, false, false
	for i, raw := range bytes.Split(data, []byte("\n")) {
		line := string(raw)
		trimmed := strings.TrimSpace(line)
		switch {
		case quoted:
			quoted = !strings.Contains(line, longQuote)
		case trimmed == "":
			inValue = false
		case inValue && strings.ContainsAny(line[:1], " \t\f"): // goes on
		case trimmed[0] == '#' || trimmed[0] == ';':
			inValue = false
		case trimmed[0] == '[':
			section, inValue = trimmed[1:max(1, strings.LastIndex(trimmed, "]"))], false
			visit(section, "", i+1)
		default:
			inValue = true
			at := strings.IndexAny(trimmed, "=:")
			if at <= 0 {
				continue
			}
			visit(section, strings.TrimSpace(trimmed[:at]), i+1)
			rest, opens := strings.CutPrefix(strings.TrimSpace(trimmed[at+1:]), longQuote)
			quoted = opens && !strings.Contains(rest, longQuote)
		}
	}
}

// longQuote begins and ends a value of several lines.
const longQuote = `"""`

// twice refuses options that a section has two times: which of them holds is a guess.
func (p *parser) twice(data []byte) {
	first := map[string]int{}
	eachKey(bytes.TrimPrefix(data, []byte("\ufeff")), func(section, key string, line int) {
		before := first[section+"/"+key]
		first[section+"/"+key] = line
		if key != "" && before > 0 {
			p.fail(errs.New(errs.Invalid, "%s:%d: %s stands here and in line %d; leave one of them out", p.name, line, p.shown(section, key), before))
		}
	})
}

// place is where a key stands, "file:line", or the file alone where it does not have it.
// The key "" is the section's header.
func place(name string, lines map[string]int, section, key string) string {
	if line := lines[section+"/"+key]; line > 0 {
		return fmt.Sprintf("%s:%d", name, line)
	}
	return name
}

// problem notes one mistake, with the place of the key.
func (p *parser) problem(section, key, format string, args ...any) {
	p.fail(errs.New(errs.Invalid, "%s: %s", place(p.name, p.lines, section, key), fmt.Sprintf(format, args...)))
}

// wrong tells whether one of the keys has a value that could not be read: then what
// follows from its having none is not said, too.
func (p *parser) wrong(section string, keys ...string) bool {
	return slices.ContainsFunc(keys, func(k string) bool { return slices.Contains(p.bad, section+"/"+k) })
}

// meant is the section that is likely meant by a name; "": none.
func meant(section string, known []string) string {
	if i := slices.IndexFunc(known, func(k string) bool { return strings.EqualFold(k, section) }); i >= 0 {
		return known[i]
	}
	return nearest.Name(section, known)
}

// sectionKeys is a section with the options that it may have.
type sectionKeys struct {
	name string
	keys []string
}

// entry is an option of a section, without the type that undercloud.conf's have.
type entry struct {
	name, def string
	set       func(string) error
}

func names(options []entry) []string {
	var out []string
	for _, o := range options {
		out = append(out, o.name)
	}
	return out
}

// read sets every option of a section, and refuses what is none.
func (p *parser) read(section string, options []entry) {
	known := names(options)
	for _, o := range options {
		v, _, _ := p.value(section, o.name)
		if v == "" {
			v = o.def
		}
		if v == "" {
			continue
		}
		if err := o.set(v); err != nil {
			p.bad = append(p.bad, section+"/"+o.name)
			p.problem(section, o.name, "%s: %v", o.name, err)
		}
	}
	for _, k := range p.file.Section(section).KeyStrings() {
		if !slices.Contains(known, k) {
			p.unknown(section, k, known)
		}
	}
}
