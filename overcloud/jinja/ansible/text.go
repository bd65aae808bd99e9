package ansible

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"net/url"
	"regexp"
	"regexp/syntax"
	"strings"

	"trefoil/overcloud/jinja"
)

func textFilters() map[string]jinja.Filter {
	return map[string]jinja.Filter{
		"b64encode": {Params: "encoding?", Do: func(c *jinja.Call) any {
			s := c.Text(c.Self)
			c.Sized(2 * len(s))
			return base64.StdEncoding.EncodeToString([]byte(s))
		}},
		"b64decode":     {Params: "encoding?", Do: decode64},
		"hash":          {Params: "hashtype?", Do: func(c *jinja.Call) any { return digest(c, c.Str(0, "sha1")) }},
		"checksum":      {Do: func(c *jinja.Call) any { return digest(c, "sha1") }},
		"sha1":          {Do: func(c *jinja.Call) any { return digest(c, "sha1") }},
		"md5":           {Do: func(c *jinja.Call) any { return digest(c, "md5") }},
		"quote":         {Do: func(c *jinja.Call) any { return quote(c) }},
		"split":         {Params: "sep? maxsplit?", Do: split},
		"regex_replace": {Params: "pattern? replacement? ignorecase? multiline?", Do: regexReplace},
		"regex_search":  {Params: "regex * **", Do: regexSearch},
		"regex_findall": {Params: "regex multiline? ignorecase?", Do: regexFindAll},
		"regex_escape":  {Params: "re_type?", Do: func(c *jinja.Call) any { return regexEscape(c) }},
		"to_uuid":       {Params: "namespace?", Do: toUUID},
		"urldecode":     {Do: urlDecode},
		"comment":       {Params: "style?", Do: comment},
	}
}

func decode64(c *jinja.Call) any {
	s := strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' || r == ' ' {
			return -1
		}
		return r
	}, c.Text(c.Self))
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		c.Fail("b64decode: the text is not base64: %v", err)
	}
	return string(b)
}

func digest(c *jinja.Call, kind string) any {
	makers := map[string]func() hash.Hash{"md5": md5.New, "sha1": sha1.New, "sha224": sha256.New224, "sha256": sha256.New, "sha384": sha512.New384, "sha512": sha512.New}
	f := makers[kind]
	if f == nil {
		c.Fail("hash: unknown kind %q; there are md5, sha1, sha224, sha256, sha384, sha512", kind)
	}
	h := f()
	h.Write([]byte(c.Text(c.Self)))
	return hex.EncodeToString(h.Sum(nil))
}

// quote is shlex.quote.
func quote(c *jinja.Call) string {
	s := ""
	if c.Self != nil {
		s = c.Text(c.Self)
	}
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-") == "" {
		return s
	}
	c.Sized(len(s) + 4*strings.Count(s, "'") + 2)
	return "'" + strings.ReplaceAll(s, "'", `'"'"'`) + "'"
}

func split(c *jinja.Call) any {
	s := c.Text(c.Self)
	if sep, ok := c.Arg(0); ok && sep != nil {
		if c.Str(0, "") == "" {
			c.Fail("split: empty separator")
		}
		n := int(c.Int(1, -1))
		if n >= 0 {
			n++
		}
		return texts(c, strings.SplitN(s, c.Str(0, ""), n))
	}
	return texts(c, strings.Fields(s))
}

func texts(c *jinja.Call, parts []string) *jinja.List {
	c.Cost(len(parts))
	l := &jinja.List{}
	for _, p := range parts {
		l.Items = append(l.Items, p)
	}
	return l
}

var (
	lookaround = regexp.MustCompile(`\(\?(<?[=!])`)
	backRef    = regexp.MustCompile(`\\[1-9]|\(\?P=`)
)

// compile translates a Python pattern for Go's engine, which has no lookaround.
func compile(c *jinja.Call, pattern string, ignoreCase, multiLine bool) *regexp.Regexp {
	switch {
	case len(pattern) > 10_000:
		c.Fail("%s: the pattern is longer than 10000 bytes", c.Name)
	case lookaround.MatchString(pattern):
		c.Fail("%s: the pattern %s looks ahead or behind, which is not supported", c.Name, jinja.Repr(pattern))
	case backRef.MatchString(pattern):
		c.Fail("%s: the pattern %s refers back to a group, which is not supported", c.Name, jinja.Repr(pattern))
	}
	flags := ""
	if ignoreCase {
		flags += "i"
	}
	if multiLine {
		flags += "m"
	}
	pattern = strings.ReplaceAll(pattern, `\Z`, `\z`)
	if !multiLine {
		pattern = endsOf(pattern)
	}
	if flags != "" {
		pattern = "(?" + flags + ")" + pattern
	}
	c.Cost(len(pattern))
	re, err := regexp.Compile(pattern)
	if err != nil {
		c.Fail("%s: bad pattern %s: %v", c.Name, jinja.Repr(pattern), err)
	}
	return re
}

// endsOf lets $ at a pattern's end match before a last newline, as Python does.
func endsOf(pattern string) string {
	if strings.HasSuffix(pattern, "$") && !strings.HasSuffix(pattern, `\$`) && !strings.Contains(pattern, "|") {
		return strings.TrimSuffix(pattern, "$") + `(?:\n?\z)`
	}
	return pattern
}

// search counts the work of one search: the text's length by the pattern's size.
func search(c *jinja.Call, re *regexp.Regexp, s string) {
	size := 10_000 // of a pattern whose program cannot be counted
	if tree, err := syntax.Parse(re.String(), syntax.Perl); err == nil {
		if prog, err := syntax.Compile(tree.Simplify()); err == nil {
			size = len(prog.Inst) // other than the text of the pattern it has the repeats in it
		}
	}
	c.Cost(size + len(s)*(8+size)/32)
}

// scan counts the work of a search for all matches, and the memory of as many as
// there can be. It returns how many that are.
func scan(c *jinja.Call, re *regexp.Regexp, s string) int {
	search(c, re, s)
	n := len(s) + 1
	c.Memory(n * (1 + re.NumSubexp()))
	return n
}

func regexReplace(c *jinja.Call) any {
	s := c.Text(c.Self)
	re := compile(c, c.Str(0, ""), c.True(2), c.True(3))
	replacement := c.Str(1, "")
	matches := re.FindAllStringSubmatchIndex(s, scan(c, re, s))
	c.Cost(len(matches) * (1 + len(replacement)/64))
	var b strings.Builder
	at := 0
	for _, m := range matches {
		with := expand(c, re, replacement, s, m)
		c.Grow(b.Len(), m[0]-at+len(with))
		b.WriteString(s[at:m[0]])
		b.WriteString(with)
		at = m[1]
	}
	c.Grow(b.Len(), len(s)-at)
	b.WriteString(s[at:])
	return b.String()
}

var groupRef = regexp.MustCompile(`\\(?:g<(\w+)>|([0-9]{1,2})|(.))`)

// expand fills \1, \g<1> and \g<name> of a replacement.
func expand(c *jinja.Call, re *regexp.Regexp, replacement, s string, m []int) string {
	return groupRef.ReplaceAllStringFunc(replacement, func(ref string) string {
		p := groupRef.FindStringSubmatch(ref)
		if p[3] != "" {
			if r, ok := map[string]string{"n": "\n", "t": "\t", "r": "\r", `\`: `\`}[p[3]]; ok {
				return r
			}
			return ref
		}
		return group(c, re, p[1]+p[2], s, m)
	})
}

// group is the text of a group by its number or name.
func group(c *jinja.Call, re *regexp.Regexp, name, s string, m []int) string {
	i := re.SubexpIndex(name)
	if n, ok := jinja.ParseInt(name, 10); ok {
		i = int(n)
	}
	if i < 0 || i > re.NumSubexp() {
		c.Fail("%s: there is no group %s in the pattern", c.Name, name)
	}
	if m[2*i] < 0 {
		return ""
	}
	return s[m[2*i]:m[2*i+1]]
}

func regexSearch(c *jinja.Call) any {
	s := c.Text(c.Self)
	ignore, _ := c.Named().Get("ignorecase")
	multi, _ := c.Named().Get("multiline")
	re := compile(c, c.Str(0, ""), jinja.Truth(ignore), jinja.Truth(multi))
	scan(c, re, s)
	m := re.FindStringSubmatchIndex(s)
	if m == nil {
		return nil
	}
	if len(c.Rest()) == 0 {
		return s[m[0]:m[1]]
	}
	out := jinja.NewList()
	for _, a := range c.Rest() {
		p := groupRef.FindStringSubmatch(c.Text(a))
		if p == nil || p[3] != "" {
			c.Fail("regex_search: unknown argument %s; \\g<name> or \\1 are known", jinja.Repr(a))
		}
		out.Items = append(out.Items, group(c, re, p[1]+p[2], s, m))
	}
	return out
}

func regexFindAll(c *jinja.Call) any {
	s := c.Text(c.Self)
	re := compile(c, c.Str(0, ""), c.True(2), c.True(1))
	out := jinja.NewList()
	for _, m := range re.FindAllStringSubmatch(s, scan(c, re, s)) {
		c.Cost(len(m))
		switch len(m) {
		case 1, 2:
			out.Items = append(out.Items, m[len(m)-1])
		default:
			out.Items = append(out.Items, jinja.Tuple{Items: texts(c, m[1:]).Items})
		}
	}
	return out
}

// regexEscape is Python's re.escape, or for basic POSIX patterns.
func regexEscape(c *jinja.Call) string {
	special := "()[]{}?*+-|^$\\.&~# \t\n\r\v\f"
	if kind := c.Str(0, "python"); kind == "posix_basic" {
		special = `]*[.$^\`
	} else if kind != "python" {
		c.Fail("regex_escape: type %q is not supported", kind)
	}
	s := c.Text(c.Self)
	c.Sized(2 * len(s))
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune(special, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// toUUID is a UUID of version 5 in Ansible's namespace.
func toUUID(c *jinja.Call) any {
	ns, err := hex.DecodeString(strings.ReplaceAll(c.Str(0, "361E6D51-FAEC-444A-9079-341386DA8E2E"), "-", ""))
	if err != nil || len(ns) != 16 {
		c.Fail("to_uuid: the namespace is not a UUID")
	}
	sum := sha1.Sum(append(ns, c.Text(c.Self)...))
	u := sum[:16]
	u[6], u[8] = u[6]&0x0f|0x50, u[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

func urlDecode(c *jinja.Call) any {
	s, err := url.QueryUnescape(c.Text(c.Self))
	if err != nil {
		return c.Text(c.Self)
	}
	return s
}

func comment(c *jinja.Call) any {
	marks := map[string]string{"plain": "# ", "erlang": "% ", "c": "// "}
	mark, ok := marks[c.Str(0, "plain")]
	if !ok {
		c.Fail("comment: style %q is not supported; there are plain, erlang, c", c.Str(0, ""))
	}
	bare := strings.TrimSpace(mark)
	s := c.Text(c.Self)
	n := strings.Count(s, "\n") + 3
	c.Sized(len(s) + 4*n)
	body := mark + strings.ReplaceAll(s, "\n", "\n"+mark)
	return bare + "\n" + strings.ReplaceAll(body, mark+"\n", bare+"\n") + "\n" + bare
}
