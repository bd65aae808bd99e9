package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/hashicorp/go-multierror"
	"gopkg.in/ini.v1"

	"trefoil/internal/errs"
	"trefoil/internal/nearest"
)

// Load reads the file. Its error is a *multierror.Error with every mistake of the
// file: unknown keys (with line and nearest known key) and values that cannot be
// read. It checks values on their own only; Validate checks them together.
func Load(path string) (*Config, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, errs.New(errs.NotFound, "configuration file %s does not exist", path).
			WithHint("copy examples/undercloud.conf there, and set local_interface, local_ip and the ranges")
	}
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	c, err := Parse(path, data)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Parse is Load on bytes; name stands for the file in messages.
func Parse(name string, data []byte) (*Config, error) {
	file, err := ini.LoadSources(ini.LoadOptions{IgnoreInlineComment: true, AllowPythonMultilineValues: true,
		SkipUnrecognizableLines: false, KeyValueDelimiters: "=:"}, data)
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "%s is not an INI file", name)
	}
	p := &parser{c: &Config{Path: name, Auth: map[string]string{}, given: map[string]bool{}}, file: file,
		lines: lineNumbers(data), name: name}
	p.c.lines = p.lines
	p.defaults()
	p.legacy()
	p.subnets()
	p.auth()
	p.read("audit", p.c.Audit.options())
	p.sections()
	if p.errs != nil {
		p.errs.ErrorFormat = plainList
		return nil, p.errs
	}
	return p.c, nil
}

// plainList prints one mistake a line.
func plainList(list []error) string {
	lines := make([]string, len(list))
	for i, e := range list {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

type parser struct {
	c     *Config
	file  *ini.File
	lines map[string]int // "section/key" → line
	name  string
	errs  *multierror.Error
}

// problem notes one mistake, with the place of the key.
func (p *parser) problem(section, key, format string, args ...any) {
	msg := fmt.Sprintf(format, args...)
	if line := p.lines[section+"/"+key]; line > 0 {
		msg = fmt.Sprintf("%s:%d: %s", p.name, line, msg)
	} else {
		msg = p.name + ": " + msg
	}
	p.errs = multierror.Append(p.errs, errs.New(errs.Invalid, "%s", msg))
}

// value returns what the file says for a key, under its old names, too.
func (p *parser) value(section string, names ...string) (value, used string, ok bool) {
	s, err := p.file.GetSection(section)
	if err != nil {
		return "", "", false
	}
	for _, n := range names {
		if s.HasKey(n) {
			return strings.TrimSpace(s.Key(n).Value()), n, true
		}
	}
	return "", "", false
}

func (p *parser) defaults() {
	known := map[string]bool{}
	for _, o := range p.c.options() {
		names := append([]string{o.name}, o.old...)
		for _, n := range names {
			known[n] = true
		}
		v, used, ok := p.value(ini.DefaultSection, names...)
		if !ok {
			v, used = o.def, o.name
		} else {
			p.c.given[o.name] = true
		}
		if v == "" && o.def != "" && ok {
			v = o.def // "key =" means: as if it were not there
		}
		if v == "" {
			continue
		}
		if err := o.set(p.c, v); err != nil {
			p.problem(ini.DefaultSection, used, "%s: %v", used, err)
		}
	}
	for k := range legacyKeys() {
		known[k] = true
	}
	reasons := inert()
	for _, k := range p.file.Section(ini.DefaultSection).KeyStrings() {
		switch why, dead := reasons[k]; {
		case known[k]:
		case dead:
			p.c.Ignored = append(p.c.Ignored, k+": "+why)
		default:
			p.unknown(ini.DefaultSection, k, append(keysOf(known), keysOf(reasons)...))
		}
	}
	slices.Sort(p.c.Ignored)
}

func (p *parser) unknown(section, key string, known []string) {
	msg := fmt.Sprintf("unknown option %s in [%s]", key, section)
	if near := nearest.Name(key, known); near != "" {
		msg += "; did you mean " + near + "?"
	}
	p.problem(section, key, "%s", msg)
}

// auth takes the passwords that the file gives.
func (p *parser) auth() {
	s, err := p.file.GetSection("auth")
	if err != nil {
		return
	}
	known := AuthKeys()
	for _, k := range s.KeyStrings() {
		if !slices.Contains(known, k) {
			p.unknown("auth", k, known)
			continue
		}
		if v := s.Key(k).Value(); v != "" {
			p.c.Auth[k] = v
		}
	}
}

// sections refuses sections that nothing names.
func (p *parser) sections() {
	known := []string{ini.DefaultSection, "auth", "audit", defaultSubnet}
	for _, s := range p.c.Subnets {
		known = append(known, s.Name)
	}
	for _, s := range p.file.SectionStrings() {
		if !slices.Contains(known, s) {
			msg := fmt.Sprintf("unknown section [%s]; a subnet's section must be named in subnets", s)
			if near := nearest.Name(s, known); near != "" {
				msg += "; did you mean [" + near + "]?"
			}
			p.problem(s, "", "%s", msg)
		}
	}
}

// lineNumbers finds where each key stands: the INI library does not tell.
func lineNumbers(data []byte) map[string]int {
	out := map[string]int{}
	section := ini.DefaultSection
	for i, raw := range bytes.Split(data, []byte("\n")) {
		line := string(raw)
		trimmed := strings.TrimSpace(line)
		switch {
		case trimmed == "" || trimmed[0] == '#' || trimmed[0] == ';':
		case trimmed[0] == '[' && strings.Contains(trimmed, "]"):
			section = trimmed[1:strings.Index(trimmed, "]")]
			out[section+"/"] = i + 1
		case line[0] != ' ' && line[0] != '\t':
			if at := strings.IndexAny(line, "=:"); at > 0 {
				out[section+"/"+strings.TrimSpace(line[:at])] = i + 1
			}
		}
	}
	return out
}

func keysOf[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
