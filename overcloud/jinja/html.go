package jinja

import (
	"html"
	"regexp"
	"strings"
)

// htmlFilter returns the filters for HTML and URLs.
func htmlFilter(name string) Filter {
	switch name {
	case "e", "escape":
		return Filter{"", func(c *Call) any { return Markup(c.r.escaped(c.line, c.Self)) }}
	case "forceescape":
		return Filter{"", func(c *Call) any { return Markup(c.r.escaped(c.line, c.Text(c.Self))) }}
	case "safe":
		return Filter{"", func(c *Call) any { return Markup(c.Text(c.Self)) }}
	case "striptags":
		return Filter{"", func(c *Call) any {
			s := tags.ReplaceAllString(c.Text(c.Self), "")
			return html.UnescapeString(strings.Join(strings.FieldsFunc(s, isSpace), " "))
		}}
	case "xmlattr":
		return Filter{"autospace?", filterXMLAttr}
	case "urlencode":
		return Filter{"", filterURLEncode}
	case "urlize":
		return Filter{"trim_url_limit? nofollow? target? rel? extra_schemes?", filterURLize}
	}
	return Filter{}
}

var tags = regexp.MustCompile(`(?s)<!--.*?-->|<[^>]*>`)

// escapeHTML is markupsafe's escape of plain text.
func escapeHTML(s string) string {
	return strings.NewReplacer("&", "&amp;", ">", "&gt;", "<", "&lt;", "'", "&#39;", `"`, "&#34;").Replace(s)
}

// escaped is escape(v): Markup stays as it is.
func (r *renderer) escaped(line int, v any) string {
	if m, ok := v.(Markup); ok {
		return string(m)
	}
	s := r.str(line, v)
	if !strings.ContainsAny(s, `&<>'"`) {
		return s
	}
	r.sized(line, 5*len(s))
	return escapeHTML(s)
}

// escapeArgs escapes the right side of Markup % values.
func (r *renderer) escapeArgs(line int, v any) any {
	one := func(v any) any {
		if _, ok := text(v); ok {
			return Markup(r.escaped(line, v))
		}
		return v
	}
	switch v := v.(type) {
	case Tuple:
		out := make([]any, len(v.Items))
		for i, it := range v.Items {
			out[i] = one(it)
		}
		return Tuple{Items: out}
	case *Dict:
		d := NewDict()
		for k, it := range v.All() {
			r.put(line, d, k, one(it))
		}
		return d
	}
	return one(v)
}

func filterXMLAttr(c *Call) any {
	d, ok := c.Self.(*Dict)
	if !ok {
		c.Used(c.Self)
		c.Fail("xmlattr needs a mapping, got %s", iterName(c.Self))
	}
	var parts []string
	for k, v := range d.All() {
		if _, undef := v.(Undefined); undef || v == nil {
			continue
		}
		if s, ok := text(k); ok && strings.ContainsAny(s, " \t\n\r\f/>=") {
			c.Fail("invalid character in attribute name %s", c.brief(s))
		}
		parts = append(parts, c.r.escaped(c.line, k)+`="`+c.r.escaped(c.line, v)+`"`)
	}
	s := c.join(parts, " ")
	if s != "" && Truth(c.Or(0, true)) {
		s = " " + s
	}
	if c.r.escape {
		return Markup(s)
	}
	return s
}

func filterURLEncode(c *Call) any {
	var pairs []any
	switch v := c.Self.(type) {
	case *Dict:
		pairs = c.Items(&View{v, "dict_items"})
	case *List, Tuple, *Iter, *View:
		pairs = c.Items(v)
	default:
		s := c.Text(v)
		c.Sized(3 * len(s))
		return quoteURL(s, "/")
	}
	var parts []string
	for _, p := range pairs {
		kv := c.Items(p)
		if len(kv) != 2 {
			c.Fail("urlencode needs pairs of key and value")
		}
		k, v := quoteURL(c.Text(kv[0]), ""), quoteURL(c.Text(kv[1]), "")
		parts = append(parts, strings.ReplaceAll(k, "%20", "+")+"="+strings.ReplaceAll(v, "%20", "+"))
	}
	return c.join(parts, "&")
}

// quoteURL is urllib's quote.
func quoteURL(s, safe string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_.-~"+safe, c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteString(string([]byte{'%', hex[c>>4], hex[c&15]}))
	}
	return b.String()
}

var (
	spaces  = regexp.MustCompile(`\s+|\S+`)
	urlHead = regexp.MustCompile(`^(?:[(<]|&lt;)+`)
	urlTail = regexp.MustCompile(`(?:[)>.,\n]|&gt;)+$`)
	httpRe  = regexp.MustCompile(`(?i)^(?:(?:https?://|www\.)(?:[\w-]+\.)*(?:[\w-]+(?:\.(?:[a-z]{2,}|xn--[\w-]+))|localhost|(?:\d{1,3}\.){3}\d{1,3}|\[[0-9a-f:.]+\])(?::\d+)?(?:[/?#]\S*)?|(?:[\w-]+\.)+(?:com|net|int|edu|gov|org|info|mil)(?::\d+)?(?:[/?#]\S*)?)$`)
	emailRe = regexp.MustCompile(`^\S+@\w[\w.-]*\.\w+$`)
)

// filterURLize makes links of web and mail addresses.
func filterURLize(c *Call) any {
	limit := int(c.Int(0, -1))
	rel := strings.Fields(c.Str(3, "") + " noopener")
	if c.True(1) {
		rel = append(rel, "nofollow")
	}
	attrs := ` rel="` + strings.Join(sortedUnique(rel), " ") + `"`
	if t := c.Str(2, ""); t != "" {
		attrs += ` target="` + escapeHTML(t) + `"`
	}
	shown := func(s string) string {
		if r := []rune(s); limit >= 0 && len(r) > limit {
			return string(r[:limit]) + "..."
		}
		return s
	}
	var parts []string
	for _, word := range spaces.FindAllString(c.r.escaped(c.line, c.Self), -1) {
		head := urlHead.FindString(word)
		middle := word[len(head):]
		tail := urlTail.FindString(middle)
		middle = middle[:len(middle)-len(tail)]
		switch {
		case httpRe.MatchString(middle):
			href := middle
			if !strings.HasPrefix(middle, "https://") && !strings.HasPrefix(middle, "http://") {
				href = "https://" + middle
			}
			middle = `<a href="` + href + `"` + attrs + `>` + shown(middle) + `</a>`
		case strings.HasPrefix(middle, "mailto:") && emailRe.MatchString(middle[7:]):
			middle = `<a href="` + middle + `">` + middle[7:] + `</a>`
		case emailRe.MatchString(middle) && !strings.HasPrefix(middle, "www.") && !strings.Contains(middle, ":"):
			middle = `<a href="mailto:` + middle + `">` + middle + `</a>`
		}
		parts = append(parts, head+middle+tail)
	}
	s := c.join(parts, "")
	if c.r.escape {
		return Markup(s)
	}
	return s
}
