package jinja

import (
	"regexp"
	"sort"
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
	env   *Env
	name  string
	src   string
	pos   int
	lines []int // offsets of line starts
	segs  []segment
	open  []byte // brackets of the tag that are not closed
}

var (
	newlines = strings.NewReplacer("\r\n", "\n", "\r", "\n")
	rawBegin = regexp.MustCompile(`^\{%[-+]?\s*raw\s*(-?)%\}`)
	rawEnd   = regexp.MustCompile(`\{%([-+]?)\s*endraw\s*([-+]?)%\}`)
)

// scan cuts the source into segments and applies the whitespace marks.
func scan(env *Env, name, src string) []segment {
	src = newlines.Replace(src)
	if !env.KeepNewline {
		src = strings.TrimSuffix(src, "\n")
	}
	s := &scanner{env: env, name: name, src: src, lines: []int{0}}
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

// isSpace is Python's str.isspace of a character.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

// next handles the text up to and with the next tag.
func (s *scanner) next() {
	rest := s.src[s.pos:]
	at := nextTag(rest)
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
	switch {
	case mark == '-':
		text = strings.TrimRightFunc(text, isSpace)
	case mark == 0 && s.env.LstripBlocks && s.src[tag+1] != '{':
		text = s.lstrip(text)
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

func nextTag(s string) int {
	for i := 0; ; i++ {
		j := strings.IndexByte(s[i:], '{')
		if j < 0 || i+j+1 >= len(s) {
			return -1
		}
		i += j
		if c := s[i+1]; c == '{' || c == '%' || c == '#' {
			return i
		}
	}
}

// lstrip drops the blanks between the last line's beginning and the tag.
func (s *scanner) lstrip(text string) string {
	from := strings.LastIndexByte(text, '\n') + 1
	begins := from > 0 || s.pos == 0 || s.src[s.pos-1] == '\n'
	if begins && strings.TrimFunc(text[from:], isSpace) == "" {
		return text[:from]
	}
	return text
}

// ended moves past white space as the mark before a tag's end says.
func (s *scanner) ended(mark byte, block bool) {
	switch {
	case mark == '-':
		s.pos = len(s.src) - len(strings.TrimLeftFunc(s.src[s.pos:], isSpace))
	case mark == 0 && block && s.env.TrimBlocks && strings.HasPrefix(s.src[s.pos:], "\n"):
		s.pos++
	}
}

func (s *scanner) comment(tag int) {
	end := strings.Index(s.src[tag+2:], "#}")
	if end < 0 {
		fail(s.name, s.line(tag), "comment is not closed; expected \"#}\"")
	}
	end += tag + 2
	s.pos = end + 2
	mark := byte(0)
	if c := s.src[end-1]; end > tag+2 && (c == '-' || c == '+') {
		mark = c
	}
	s.ended(mark, true)
}

func (s *scanner) raw(tag int) {
	m := rawBegin.FindStringSubmatch(s.src[tag:])
	s.pos = tag + len(m[0])
	s.ended(first(m[1]), false)
	loc := rawEnd.FindStringSubmatchIndex(s.src[s.pos:])
	if loc == nil {
		fail(s.name, s.line(tag), "raw block is not closed; expected {%% endraw %%}")
	}
	text := s.src[s.pos : s.pos+loc[0]]
	switch first(s.src[s.pos+loc[2] : s.pos+loc[3]]) {
	case '-':
		text = strings.TrimRightFunc(text, isSpace)
	case 0:
		if s.env.LstripBlocks {
			text = s.lstrip(text)
		}
	}
	s.data(text, s.line(s.pos))
	after := first(s.src[s.pos+loc[4] : s.pos+loc[5]])
	s.pos += loc[1]
	s.ended(after, true)
}

func first(s string) byte {
	if s == "" {
		return 0
	}
	return s[0]
}

// tag reads the tokens of {{ … }} or {% … %}.
func (s *scanner) tag(tag int, mark byte) {
	seg := segment{kind: segExpr, line: s.line(tag)}
	end, marks := "}}", "-"
	if s.src[tag+1] == '%' {
		seg.kind, end, marks = segStmt, "%}", "-+"
	}
	s.pos = tag + 2
	if mark != 0 {
		s.pos++
	}
	s.open = s.open[:0]
	for {
		s.pos = len(s.src) - len(strings.TrimLeftFunc(s.src[s.pos:], isSpace))
		rest := s.src[s.pos:]
		if rest == "" {
			fail(s.name, seg.line, "tag is not closed; expected %q", end)
		}
		if len(s.open) == 0 {
			if strings.HasPrefix(rest, end) {
				s.pos += 2
				s.ended(0, seg.kind == segStmt)
				break
			}
			if strings.IndexByte(marks, rest[0]) >= 0 && strings.HasPrefix(rest[1:], end) {
				s.pos += 3
				s.ended(rest[0], seg.kind == segStmt)
				break
			}
		}
		t := s.token()
		s.balance(t)
		seg.toks = append(seg.toks, t)
	}
	seg.toks = append(seg.toks, token{kind: tokEnd, line: s.line(s.pos - 1)})
	s.segs = append(s.segs, seg)
}

// balance keeps the stack of open brackets.
func (s *scanner) balance(t token) {
	if t.kind != tokOp || len(t.text) != 1 {
		return
	}
	switch c := t.text[0]; c {
	case '(', '[', '{':
		s.open = append(s.open, c)
	case ')', ']', '}':
		if len(s.open) == 0 {
			fail(s.name, t.line, "unexpected %q", t.text)
		}
		want := map[byte]string{'(': ")", '[': "]", '{': "}"}[s.open[len(s.open)-1]]
		if want != t.text {
			fail(s.name, t.line, "unexpected %q; expected %q", t.text, want)
		}
		s.open = s.open[:len(s.open)-1]
	}
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
