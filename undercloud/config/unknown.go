package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// unknown notes an option that its section does not have, and names what may be meant. Its name is shown where it
// is one: of the line "password hunter2==" the library makes the option "password hunter2".
func (p *parser) unknown(section, key string, known []string) {
	if words := strings.Fields(key); len(words) > 1 {
		msg := "expected option = value, found several words before the = or :"
		if near := meant(words[0], known); near != "" {
			msg += "; did you mean " + near + " = …?"
		}
		p.problem(section, key, "%s", msg)
		return
	}
	value, _, _ := p.value(section, key)
	near := meant(key, known)
	msg := fmt.Sprintf("unknown option %s in [%s]", key, section)
	if near == "" && !looksLikeOption(key, value) {
		msg = fmt.Sprintf("unknown option in [%s]; its name is not shown, as it may be a part of a secret", section)
	}
	for _, s := range p.sections {
		if s.name != section && slices.Contains(s.keys, key) {
			p.problem(section, key, "unknown option %s in [%s]; it is one of [%s]", key, section, s.name)
			return
		}
	}
	if near != "" {
		msg += "; did you mean " + near + "?"
	} else if len(known) <= 30 {
		msg += "; expected some of " + strings.Join(known, ", ")
	}
	p.problem(section, key, "%s", msg)
}

// looksLikeOption tells names from secrets that stand alone in a line and have an = or : in them or at their end.
// Nothing but what is behind it tells word from word, so that digits and capitals are held to be a secret's.
func looksLikeOption(key, value string) bool {
	return regexp.MustCompile(`^[a-z][a-z_-]*$`).MatchString(key) && strings.Trim(value, "=") != ""
}

// shown is the name of an option as a message may show it.
func (p *parser) shown(section, key string) string {
	for _, s := range p.sections {
		if slices.Contains(s.keys, key) {
			return key
		}
	}
	if value, _, _ := p.value(section, key); looksLikeOption(key, value) {
		return key
	}
	return "an option"
}

// sectionShown is an unknown section in a message: " [name]", or nothing where it is no name, as of a line
// "[section] password = ]".
func sectionShown(name string) string {
	if regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`).MatchString(name) {
		return " [" + name + "]"
	}
	return ""
}
