package yaql

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

type kind int

const (
	tokEnd    kind = iota
	tokName        // a keyword constant: abc
	tokCall        // a name with its parenthesis: abc(
	tokVar         // $, $1, $abc
	tokString      // in ', " or `
	tokNumber
	tokOp // operators, brackets, comma, =>, true, false, null
)

type token struct {
	kind kind
	text string // the name, the operator, the text of a string
	num  any    // int or float64
	off  int
}

type lexer struct {
	src string
	pos int
}

// mark is the length of the operator or bracket that s begins with, or 0.
func mark(s string) int {
	if len(s) > 1 {
		switch s[:2] {
		case "=>", "->", "?.", "=~", "!~", ">=", "<=", "!=":
			return 2
		}
	}
	if strings.IndexByte(".+-*/><=()[]{},", s[0]) >= 0 {
		return 1
	}
	return 0
}

// scan cuts an expression into tokens; the last is tokEnd.
func scan(src string) []token {
	if !utf8.ValidString(src) {
		fail(0, "the expression is not UTF-8 text")
	}
	l := &lexer{src: src}
	out := make([]token, 0, len(src)/3+1)
	for {
		t := l.next()
		out = append(out, t)
		if t.kind == tokEnd {
			return out
		}
	}
}

func (l *lexer) next() token {
	l.pos += len(l.src[l.pos:]) - len(strings.TrimLeft(l.src[l.pos:], " \t\r\n"))
	rest, off := l.src[l.pos:], l.pos
	if rest == "" {
		return token{kind: tokEnd, off: off}
	}
	switch c := rest[0]; {
	case c == '$':
		n := 1 + wordLen(rest[1:])
		l.pos += n
		return token{kind: tokVar, text: rest[1:n], off: off}
	case c == '\'' || c == '"' || c == '`':
		return l.quoted(c)
	case c >= '0' && c <= '9':
		return l.number()
	}
	if n := wordLen(rest); n > 0 {
		return l.word(n)
	}
	if n := mark(rest); n > 0 {
		l.pos += n
		return token{kind: tokOp, text: rest[:n], off: off}
	}
	r, _ := utf8.DecodeRuneInString(rest)
	fail(off, "unexpected character %q%s", r, meant(r))
	return token{}
}

// meant says what people who write other languages mean with a character.
func meant(r rune) string {
	switch r {
	case '!':
		return `: write "not" or "!="`
	case '&':
		return `: write "and"`
	case '|':
		return `: write "or"`
	case '%':
		return `: write "mod"`
	}
	return ""
}

// wordLen is the length of the letters, digits and underscores that s begins with.
func wordLen(s string) int {
	for i, r := range s {
		if r != '_' && !unicode.IsLetter(r) && !unicode.IsNumber(r) {
			return i
		}
	}
	return len(s)
}

func (l *lexer) word(n int) token {
	off, text := l.pos, l.src[l.pos:l.pos+n]
	if r, _ := utf8.DecodeRuneInString(text); unicode.IsNumber(r) {
		fail(off, "a name does not begin with a digit")
	}
	l.pos += n
	if strings.HasPrefix(l.src[l.pos:], "(") {
		l.pos++
		return token{kind: tokCall, text: text, off: off}
	}
	switch text {
	case "true", "false", "null", "and", "or", "not", "in", "mod":
		return token{kind: tokOp, text: text, off: off}
	}
	if strings.HasPrefix(text, "__") {
		fail(off, "a name does not begin with two underscores; write it in quotes")
	}
	return token{kind: tokName, text: text, off: off}
}

func (l *lexer) number() token {
	off := l.pos
	n := digits(l.src[off:])
	if m := digits(strings.TrimPrefix(l.src[off+n:], ".")); m > 0 && strings.HasPrefix(l.src[off+n:], ".") {
		n += 1 + m
	}
	text := l.src[off : off+n]
	if wordLen(l.src[off+n:]) > 0 {
		fail(off, "a number ends before a letter; a name does not begin with a digit")
	}
	l.pos += n
	if strings.Contains(text, ".") {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			fail(off, "%s is not a number that fits", text)
		}
		return token{kind: tokNumber, num: f, off: off}
	}
	i, err := strconv.Atoi(text)
	if err != nil {
		fail(off, "%s does not fit into 64 bits", text)
	}
	return token{kind: tokNumber, num: i, off: off}
}

func digits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

func (l *lexer) quoted(quote byte) token {
	off := l.pos
	for i := off + 1; i < len(l.src); i++ {
		switch l.src[i] {
		case '\\':
			i++
			if i < len(l.src) && l.src[i] == '\n' {
				fail(i-1, "a backslash at the end of a line")
			}
		case quote:
			text := l.src[off+1 : i]
			l.pos = i + 1
			if quote == '`' {
				text = strings.ReplaceAll(text, "\\`", "`")
			} else {
				text = unescape(text, off+1)
			}
			return token{kind: tokString, text: text, off: off}
		}
	}
	fail(off, "the string that begins here has no closing %c", quote)
	return token{}
}

// unescape replaces Python's escapes; an unknown one stays as it is written.
func unescape(s string, off int) string {
	if !strings.Contains(s, "\\") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			i++
			continue
		}
		text, n := escape(s[i:], off+i)
		b.WriteString(text)
		i += n
	}
	return b.String()
}

// escape returns what the escape at the beginning of s stands for, and its length.
func escape(s string, off int) (string, int) {
	if i := strings.IndexByte("\\'\"abfnrtv", s[1]); i >= 0 {
		return "\\'\"\a\b\f\n\r\t\v"[i : i+1], 2
	}
	hex := 0
	switch s[1] {
	case 'x':
		hex = 2
	case 'u':
		hex = 4
	case 'U':
		hex = 8
	case 'N':
		if strings.HasPrefix(s[2:], "{") {
			fail(off, `characters by name are not supported: write \u and the number`)
		}
	}
	if hex > 0 && len(s) >= 2+hex {
		n, err := strconv.ParseUint(s[2:2+hex], 16, 32)
		if err != nil || !utf8.ValidRune(rune(n)) {
			fail(off, "%s is not a character", s[:2+hex])
		}
		return string(rune(n)), 2 + hex
	}
	n := 0
	for n < 3 && 1+n < len(s) && s[1+n] >= '0' && s[1+n] <= '7' {
		n++
	}
	if n > 0 {
		v, _ := strconv.ParseUint(s[1:1+n], 8, 32)
		return string(rune(v)), 1 + n
	}
	return s[:2], 2
}
