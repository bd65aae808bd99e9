package config

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/hashicorp/go-multierror"
	"gopkg.in/ini.v1"

	"trefoil/internal/errs"
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
	file, lines, err := readINI(name, data)
	if err != nil {
		return nil, err
	}
	p := &parser{c: &Config{Path: name, Auth: map[string]string{}, given: map[string]bool{}}, file: file, lines: lines, name: name}
	p.sections = p.c.sections()
	p.c.lines = p.lines
	p.twice(data)
	p.defaults()
	p.legacy()
	p.subnets()
	p.auth()
	p.read("audit", p.c.Audit.options())
	p.noOthers()
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
	bad   []string // "section/key" of values that could not be read

	sections []sectionKeys // what may be where
}

func (p *parser) fail(err error) { p.errs = multierror.Append(p.errs, err) }

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
			p.lines[ini.DefaultSection+"/"+o.name] = p.lines[ini.DefaultSection+"/"+used] // also of an old name
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

// noOthers refuses sections that nothing names.
func (p *parser) noOthers() {
	known := []string{ini.DefaultSection, "auth", "audit", defaultSubnet}
	for _, s := range p.c.Subnets {
		known = append(known, s.Name)
	}
	for _, s := range p.file.SectionStrings() {
		if !slices.Contains(known, s) {
			msg := fmt.Sprintf("unknown section%s; a subnet's section must be named in subnets", sectionShown(s))
			if near := meant(s, known); near != "" {
				msg += "; did you mean [" + near + "]?"
			}
			p.problem(s, "", "%s", msg)
		}
	}
}

func keysOf[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
