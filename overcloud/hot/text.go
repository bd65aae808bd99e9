package hot

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"net/url"
	"strings"
)

// strReplace replaces the longest keys first and never looks at what it put in.
func strReplace(c call, arg any) (any, error) {
	m, err := mapArg(c, arg, "template", "params")
	if err != nil {
		return nil, err
	}
	params, ok := m["params"].(map[string]any)
	if !ok {
		return nil, c.fail("params must be a map, got %s", kind(m["params"]))
	}
	template := String(m["template"])
	keys := longestFirst(params)
	for _, k := range keys {
		if c.name != "str_replace" && !strings.Contains(template, k) {
			return nil, c.fail("the template does not contain %q", k)
		}
		if c.name == "str_replace_vstrict" && String(params[k]) == "" {
			return nil, c.fail("the value of %q is empty", k)
		}
	}
	out := replaceAll(template, keys, params)
	if len(out) > maxString {
		return nil, c.fail("the result is larger than %d bytes", maxString)
	}
	return out, nil
}

func replaceAll(text string, keys []string, params map[string]any) string {
	if len(keys) == 0 || text == "" || len(text) > maxString {
		return text
	}
	if keys[0] == "" || !strings.Contains(text, keys[0]) {
		return replaceAll(text, keys[1:], params)
	}
	parts := strings.Split(text, keys[0])
	for i := range parts {
		parts[i] = replaceAll(parts[i], keys[1:], params)
	}
	with := String(params[keys[0]])
	if len(with)*(len(parts)-1) > maxString {
		return strings.Repeat(" ", maxString+1) // told as too large by the caller
	}
	return strings.Join(parts, with)
}

func strSplit(c call, arg any) (any, error) {
	l, err := listArg(c, arg, 2, "a delimiter and a text")
	if err != nil {
		return nil, err
	}
	if l[1] == nil {
		return []any{}, nil
	}
	if String(l[0]) == "" {
		return nil, c.fail("the delimiter is empty")
	}
	var out []any
	for _, p := range strings.Split(String(l[1]), String(l[0])) {
		out = append(out, p)
	}
	if len(l) > 2 {
		v, _ := Walk(out, l[2:])
		return v, nil
	}
	return out, nil
}

func listJoin(c call, arg any) (any, error) {
	l, err := listArg(c, arg, 2, "a delimiter and lists")
	if err != nil {
		return nil, err
	}
	var parts []string
	size := 0
	for _, one := range l[1:] {
		items, ok := one.([]any)
		if !ok && one != nil {
			return nil, c.fail("expected lists after the delimiter, got %s", kind(one))
		}
		for _, it := range items {
			parts = append(parts, String(it))
			size += len(parts[len(parts)-1]) + len(String(l[0]))
		}
	}
	if size > maxString {
		return nil, c.fail("the result is larger than %d bytes", maxString)
	}
	return strings.Join(parts, String(l[0])), nil
}

func digest(c call, arg any) (any, error) {
	l, err := listArg(c, arg, 2, "an algorithm and a text")
	if err != nil {
		return nil, err
	}
	var h hash.Hash
	switch String(l[0]) {
	case "md5":
		h = md5.New()
	case "sha1":
		h = sha1.New()
	case "sha224":
		h = sha256.New224()
	case "sha256":
		h = sha256.New()
	case "sha384":
		h = sha512.New384()
	case "sha512":
		h = sha512.New()
	default:
		return nil, c.fail("unknown algorithm %q; expected md5, sha1, sha224, sha256, sha384 or sha512", String(l[0]))
	}
	h.Write([]byte(String(l[1])))
	return hex.EncodeToString(h.Sum(nil)), nil
}

func makeURL(c call, arg any) (any, error) {
	m, err := mapArg(c, arg, "scheme", "username", "password", "host", "port", "path", "query", "fragment")
	if err != nil {
		return nil, err
	}
	text := func(k string) string { return String(m[k]) }
	host := text("host")
	if strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
		host = "[" + host + "]"
	}
	out := ""
	if text("scheme") != "" {
		out = text("scheme") + ":"
	}
	if host != "" || text("scheme") != "" {
		out += "//"
	}
	if u := text("username"); u != "" {
		out += url.PathEscape(u)
		if p := text("password"); p != "" {
			out += ":" + url.QueryEscape(p)
		}
		out += "@"
	}
	out += host
	if p := text("port"); p != "" {
		out += ":" + p
	}
	if p := text("path"); p != "" {
		out += "/" + strings.TrimPrefix(p, "/")
	}
	if q, ok := m["query"].(map[string]any); ok && len(q) > 0 {
		var parts []string
		for _, k := range sortedKeys(q) {
			parts = append(parts, url.QueryEscape(k)+"="+url.QueryEscape(String(q[k])))
		}
		out += "?" + strings.Join(parts, "&")
	}
	if f := text("fragment"); f != "" {
		out += "#" + f
	}
	return out, nil
}
