package jinja

import (
	"regexp"
	"sort"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

type segKind int

const (
	segData segKind = iota
	segExpr
	segStmt
)

// segment is a stretch of template: text, {{ … }} or {% … %}.
type segment struct {
	kind segKind
	text string
	toks []token
	line int
}

type tokKind int

const (
	tokName tokKind = iota
	tokString
	tokInt
	tokFloat
	tokOp
	tokEnd
)

type token struct {
	kind tokKind
	text string
	i    int64
	f    float64
	line int
}

type scanner struct {
	name  string
	src   string
	pos   int
	lines []int // offsets of line starts
	segs  []segment
}

var (
	newlines = strings.NewReplacer("\r\n", "\n", "\r", "\n")
	rawBegin = regexp.MustCompile(`^\{%[-+]?\s*raw\s*(-?)%\}`)
	rawEnd   = regexp.MustCompile(`\{%([-+]?)\s*endraw\s*([-+]?)%\}`)
)

// scan cuts the source into segments and applies the whitespace marks.
func scan(name, src string) []segment {
	src = strings.TrimSuffix(newlines.Replace(src), "\n")
	s := &scanner{name: name, src: src, lines: []int{0}}
	for i := 0; i < len(src); i++ {
		if src[i] == '\n' {
			s.lines = append(s.lines, i+1)
		}
	}
	for s.pos < len(s.src) {
		s.next()
	}
	return s.segs
}

func (s *scanner) line(pos int) int {
	return sort.SearchInts(s.lines, pos+1)
}

func (s *scanner) data(text string, line int) {
	if text != "" {
		s.segs = append(s.segs, segment{kind: segData, text: text, line: line})
	}
}

// next handles the text up to and with the next tag.
func (s *scanner) next() {
	rest := s.src[s.pos:]
	at := -1
	for i := 0; i+1 < len(rest); i++ {
		if rest[i] == '{' && (rest[i+1] == '{' || rest[i+1] == '%' || rest[i+1] == '#') {
			at = i
			break
		}
	}
	if at < 0 {
		s.data(rest, s.line(s.pos))
		s.pos = len(s.src)
		return
	}
	text := rest[:at]
	tag := s.pos + at
	mark := byte(0)
	if tag+2 < len(s.src) && (s.src[tag+2] == '-' || s.src[tag+2] == '+') {
		mark = s.src[tag+2]
	}
	if mark == '-' {
		text = strings.TrimRightFunc(text, unicode.IsSpace)
	}
	s.data(text, s.line(s.pos))
	s.pos = tag
	switch {
	case s.src[tag+1] == '#':
		s.comment(tag)
	case s.src[tag+1] == '%' && rawBegin.MatchString(s.src[tag:]):
		s.raw(tag)
	default:
		s.tag(tag, mark)
	}
}

func (s *scanner) comment(tag int) {
	end := strings.Index(s.src[tag+2:], "#}")
	if end < 0 {
		fail(s.name, s.line(tag), "comment is not closed; expected \"#}\"")
	}
	end += tag + 2
	s.pos = end + 2
	if s.src[end-1] == '-' && end-1 > tag+1 {
		s.skipSpace()
	}
}

func (s *scanner) raw(tag int) {
	m := rawBegin.FindStringSubmatch(s.src[tag:])
	s.pos = tag + len(m[0])
	if m[1] == "-" {
		s.skipSpace()
	}
	loc := rawEnd.FindStringSubmatchIndex(s.src[s.pos:])
	if loc == nil {
		fail(s.name, s.line(tag), "raw block is not closed; expected {%% endraw %%}")
	}
	text := s.src[s.pos : s.pos+loc[0]]
	if loc[3] > loc[2] && s.src[s.pos+loc[2]] == '-' {
		text = strings.TrimRightFunc(text, unicode.IsSpace)
	}
	s.data(text, s.line(s.pos))
	after := s.src[s.pos+loc[4] : s.pos+loc[5]]
	s.pos += loc[1]
	if after == "-" {
		s.skipSpace()
	}
}

func (s *scanner) skipSpace() {
	s.pos = len(s.src) - len(strings.TrimLeftFunc(s.src[s.pos:], unicode.IsSpace))
}

// tag reads the tokens of {{ … }} or {% … %}.
func (s *scanner) tag(tag int, mark byte) {
	seg := segment{kind: segExpr, line: s.line(tag)}
	end := "}}"
	if s.src[tag+1] == '%' {
		seg.kind, end = segStmt, "%}"
	}
	s.pos = tag + 2
	if mark != 0 {
		s.pos++
	}
	depth := 0
	for {
		for s.pos < len(s.src) && strings.IndexByte(" \t\n\v\f", s.src[s.pos]) >= 0 {
			s.pos++
		}
		rest := s.src[s.pos:]
		if rest == "" {
			fail(s.name, seg.line, "tag is not closed; expected %q", end)
		}
		if depth == 0 {
			if strings.HasPrefix(rest, end) {
				s.pos += 2
				break
			}
			if (rest[0] == '-' || rest[0] == '+') && strings.HasPrefix(rest[1:], end) {
				s.pos += 3
				if rest[0] == '-' {
					s.skipSpace()
				}
				break
			}
		}
		t := s.token()
		if t.kind == tokOp {
			switch t.text {
			case "(", "[", "{":
				depth++
			case ")", "]", "}":
				if depth--; depth < 0 {
					fail(s.name, t.line, "unexpected %q", t.text)
				}
			}
		}
		seg.toks = append(seg.toks, t)
	}
	seg.toks = append(seg.toks, token{kind: tokEnd, line: s.line(s.pos - 1)})
	s.segs = append(s.segs, seg)
}

var operators = []string{"**", "//", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "<", ">", "=", "(", ")", "[", "]", "{", "}", ",", ":", ".", "|", ";"}

func (s *scanner) token() token {
	line := s.line(s.pos)
	c := s.src[s.pos]
	r, size := utf8.DecodeRuneInString(s.src[s.pos:])
	switch {
	case c == '\'' || c == '"':
		return s.str(c, line)
	case c >= '0' && c <= '9':
		return s.number(line)
	case c == '_' || (r != utf8.RuneError && unicode.IsLetter(r)):
		end := s.pos + size
		for end < len(s.src) {
			r, size := utf8.DecodeRuneInString(s.src[end:])
			if r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
				break
			}
			end += size
		}
		t := token{kind: tokName, text: s.src[s.pos:end], line: line}
		s.pos = end
		return t
	}
	for _, op := range operators {
		if strings.HasPrefix(s.src[s.pos:], op) {
			s.pos += len(op)
			return token{kind: tokOp, text: op, line: line}
		}
	}
	fail(s.name, line, "unexpected character %q", r)
	return token{}
}

var numberRe = regexp.MustCompile(`^(?:0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|[0-9][0-9_]*(\.[0-9][0-9_]*)?([eE][-+]?[0-9]+)?)`)

func (s *scanner) number(line int) token {
	m := numberRe.FindStringSubmatch(s.src[s.pos:])
	s.pos += len(m[0])
	text := strings.ReplaceAll(m[0], "_", "")
	if m[1] != "" || m[2] != "" {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			fail(s.name, line, "number %s is out of range", m[0])
		}
		return token{kind: tokFloat, f: f, text: m[0], line: line}
	}
	base := 0
	if len(text) < 2 || (text[1] >= '0' && text[1] <= '9') {
		base = 10
	}
	i, err := strconv.ParseInt(text, base, 64)
	if err != nil {
		fail(s.name, line, "number %s does not fit into 64 bits", m[0])
	}
	return token{kind: tokInt, i: i, text: m[0], line: line}
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
	if k := strings.IndexByte("ntrabfv0\\'\"\n", c); k >= 0 {
		b.WriteString([]string{"\n", "\t", "\r", "\a", "\b", "\f", "\v", "\x00", "\\", "'", "\"", ""}[k])
		return i + 1
	}
	width := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]
	if width == 0 {
		b.WriteByte('\\')
		b.WriteByte(c)
		return i + 1
	}
	if i+2+width > len(s.src) {
		fail(s.name, line, "escape \\%c needs %d digits", c, width)
	}
	v, err := strconv.ParseUint(s.src[i+2:i+2+width], 16, 32)
	if err != nil {
		fail(s.name, line, "escape \\%c needs %d hexadecimal digits", c, width)
	}
	b.WriteRune(rune(v))
	return i + 1 + width
}
