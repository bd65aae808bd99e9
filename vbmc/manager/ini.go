package manager

import (
	"fmt"
	"strings"
	"unicode"
)

// section is one section of an INI file: keys in lower case.
type section map[string]string

// parseINI reads what Python's ConfigParser reads and virtualbmc writes: "=" or
// ":", "#" and ";" comment lines, continuation lines, "%%" for "%".
func parseINI(name, text string) (map[string]section, error) {
	out := map[string]section{}
	var cur section
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
			cur[key] += "\n" + strings.ReplaceAll(trimmed, "%%", "%")
			continue
		case trimmed[0] == '[':
			end := strings.IndexByte(trimmed, ']')
			if end < 0 {
				return nil, fmt.Errorf("%s:%d: section header has no ]", name, i+1)
			}
			cur, key = section{}, ""
			out[trimmed[1:end]] = cur
			continue
		}
		at := strings.IndexAny(trimmed, "=:")
		if at <= 0 {
			return nil, fmt.Errorf("%s:%d: expected KEY = VALUE", name, i+1)
		}
		if cur == nil {
			return nil, fmt.Errorf("%s:%d: a key before the first [section]", name, i+1)
		}
		key = strings.ToLower(strings.TrimSpace(trimmed[:at]))
		cur[key] = strings.ReplaceAll(strings.TrimSpace(trimmed[at+1:]), "%%", "%")
	}
	return out, nil
}

// escapeINI writes a value so that ConfigParser reads it back.
func escapeINI(v string) string { return strings.ReplaceAll(v, "%", "%%") }
