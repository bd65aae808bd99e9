package jinja

import (
	"regexp"
	"strconv"
	"strings"
)

var (
	intRe   = regexp.MustCompile(`^(?i:0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[0-9a-f])+|[1-9](?:_?[0-9])*|0(?:_?0)*)`)
	floatRe = regexp.MustCompile(`^(?:[0-9]+_)*[0-9]+(?:(?:\.(?:[0-9]+_)*[0-9]+)?[eE][-+]?(?:[0-9]+_)*[0-9]+|\.(?:[0-9]+_)*[0-9]+)`)
)

func (s *scanner) number(line int) token {
	rest := s.src[s.pos:]
	if text := floatRe.FindString(rest); text != "" && (s.pos == 0 || s.src[s.pos-1] != '.') {
		s.pos += len(text)
		f, err := strconv.ParseFloat(strings.ReplaceAll(text, "_", ""), 64)
		if err != nil {
			fail(s.name, line, "number %s is out of range", text)
		}
		return token{kind: tokFloat, f: f, text: text, line: line}
	}
	text := intRe.FindString(rest)
	s.pos += len(text)
	plain, base := strings.ReplaceAll(text, "_", ""), 0
	if strings.Trim(plain, "0123456789") == "" {
		base = 10
	}
	i, err := strconv.ParseInt(plain, base, 64)
	if err != nil {
		fail(s.name, line, "number %s does not fit into 64 bits", text)
	}
	return token{kind: tokInt, i: i, text: text, line: line}
}

func (s *scanner) str(quote byte, line int) token {
	var b strings.Builder
	for i := s.pos + 1; i < len(s.src); i++ {
		switch c := s.src[i]; c {
		case quote:
			s.pos = i + 1
			return token{kind: tokString, text: b.String(), line: line}
		case '\\':
			i = s.escape(&b, i, line)
		default:
			b.WriteByte(c)
		}
	}
	fail(s.name, line, "string is not closed; expected %c", quote)
	return token{}
}

// escape writes what a backslash at i stands for and returns its last byte.
func (s *scanner) escape(b *strings.Builder, i, line int) int {
	if i+1 >= len(s.src) {
		fail(s.name, line, "string ends after a backslash")
	}
	c := s.src[i+1]
	if k := strings.IndexByte("ntrabfv\\'\"\n", c); k >= 0 {
		b.WriteString([]string{"\n", "\t", "\r", "\a", "\b", "\f", "\v", "\\", "'", "\"", ""}[k])
		return i + 1
	}
	if c >= '0' && c <= '7' {
		end := i + 2
		for end < len(s.src) && end < i+4 && s.src[end] >= '0' && s.src[end] <= '7' {
			end++
		}
		v, _ := strconv.ParseUint(s.src[i+1:end], 8, 32)
		b.WriteRune(rune(v))
		return end - 1
	}
	width := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]
	switch {
	case c == 'N':
		fail(s.name, line, "escape \\N{name} is not supported; write the character or \\u and its number")
	case width == 0:
		b.WriteByte('\\')
		b.WriteByte(c)
		return i + 1
	case i+2+width > len(s.src):
		fail(s.name, line, "escape \\%c needs %d digits", c, width)
	}
	v, err := strconv.ParseUint(s.src[i+2:i+2+width], 16, 32)
	if err != nil || v > 0x10ffff {
		fail(s.name, line, "escape \\%c needs %d hexadecimal digits of a character", c, width)
	}
	b.WriteRune(rune(v))
	return i + 1 + width
}
