package hot

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"trefoil/internal/nearest"
)

// replacement is what is done with a template text: where a key stands, its value
// is put, the longest keys first, and what was put in is not looked at again.
type replacement struct {
	keys   []string
	values map[string]string
	found  map[string]bool // keys that were replaced
	size   int             // what was put in, in bytes
}

// strReplace is str_replace; _strict wants every key in the template, _vstrict
// every value as well.
func strReplace(c call, arg any) (any, error) {
	m, err := mapArg(c, arg, "template", "params")
	if err != nil {
		return nil, err
	}
	template, ok := m["template"].(string)
	if !ok {
		return nil, c.fail("template must be text, got %s", kind(m["template"]))
	}
	params, ok := m["params"].(map[string]any)
	if !ok {
		return nil, c.fail("params must be a map, got %s", kind(m["params"]))
	}
	r := replacement{keys: longestFirst(params), values: map[string]string{}, found: map[string]bool{}}
	for _, k := range r.keys {
		v := params[k]
		if problem := c.replaceable(k, v); problem != "" {
			return nil, c.fail("%s", problem)
		}
		r.values[k] = String(v)
	}
	out := r.in(template, r.keys)
	if r.size > maxString {
		return nil, c.fail("the result is larger than %d bytes", maxString)
	}
	if err := c.scope.Step(len(out) / bytesPerStep); err != nil {
		return nil, err
	}
	if c.name != "str_replace" {
		for _, k := range r.keys {
			if !r.found[k] {
				return nil, c.fail("the template does not contain %q", k)
			}
		}
	}
	return out, nil
}

// replaceable says why a key cannot be replaced by a value, or "".
func (c call) replaceable(k string, v any) string {
	if k == "" {
		return "a key of params is empty"
	}
	switch v.(type) {
	case map[string]any, []any:
		if c.version < jsonTextSince {
			return "the value of " + strconv.Quote(k) + " is " + kind(v) + ", which needs heat_template_version " + sinceText(jsonTextSince) + " or later"
		}
	}
	if c.name == "str_replace_vstrict" && empty(v) {
		return "the value of " + strconv.Quote(k) + " is empty"
	}
	return ""
}

func (r *replacement) in(text string, keys []string) string {
	for len(keys) > 0 && !strings.Contains(text, keys[0]) {
		keys = keys[1:]
	}
	if len(keys) == 0 || r.size > maxString {
		return text
	}
	key, with := keys[0], r.values[keys[0]]
	parts := strings.Split(text, key)
	r.found[key] = true
	if r.size += len(with) * (len(parts) - 1); r.size > maxString {
		return text
	}
	for i := range parts {
		parts[i] = r.in(parts[i], keys[1:])
	}
	return strings.Join(parts, with)
}

// longestFirst sorts keys by their letters, the longest first, then by name.
func longestFirst(m map[string]any) []string {
	keys := sortedKeys(m)
	slices.SortStableFunc(keys, func(a, b string) int { return utf8.RuneCountInString(b) - utf8.RuneCountInString(a) })
	return keys
}

func strSplit(c call, arg any) (any, error) {
	l, err := listArg(c, arg, 2, "a delimiter and text")
	if err != nil {
		return nil, err
	}
	if l[1] == nil {
		return nil, nil
	}
	delimiter, ok := l[0].(string)
	text, ok2 := l[1].(string)
	if !ok || !ok2 {
		return nil, c.fail("expected a delimiter and text, got %s and %s", kind(l[0]), kind(l[1]))
	}
	if delimiter == "" {
		return nil, c.fail("the delimiter is empty")
	}
	if len(text) > maxString {
		return nil, c.fail("the text is larger than %d bytes", maxString)
	}
	if err := c.scope.Step(len(text)/bytesPerStep + strings.Count(text, delimiter) + 1); err != nil {
		return nil, err
	}
	parts := strings.Split(text, delimiter)
	if len(l) > 2 {
		i, ok := index(l[2])
		if !ok {
			return nil, c.fail("the index must be a number, got %s", kind(l[2]))
		}
		if i < 0 {
			i += len(parts)
		}
		if i < 0 || i >= len(parts) {
			return nil, c.fail("the index is %s, expected 0 to %d", String(l[2]), len(parts)-1)
		}
		return parts[i], nil
	}
	out := make([]any, len(parts))
	for i, p := range parts {
		out[i] = p
	}
	return out, nil
}

// index is a number that may be given as text.
func index(v any) (int, bool) {
	switch t := v.(type) {
	case int:
		return t, true
	case bool:
		if t {
			return 1, true
		}
		return 0, true
	case float64:
		return int(t), true
	case string:
		i, err := strconv.Atoi(strings.TrimSpace(t))
		return i, err == nil
	}
	return 0, false
}

func listJoin(c call, arg any) (any, error) {
	l, err := listArg(c, arg, 2, "a delimiter and lists of text")
	if err != nil {
		return nil, err
	}
	if len(l) > 2 && c.version < jsonTextSince {
		return nil, c.fail("several lists need heat_template_version %s or later", sinceText(jsonTextSince))
	}
	delimiter, ok := l[0].(string)
	if !ok {
		return nil, c.fail("the delimiter must be text, got %s", kind(l[0]))
	}
	var parts []string
	size := 0
	for _, one := range l[1:] {
		items, ok := one.([]any)
		if !ok && !falsy(one) {
			return nil, c.fail("expected lists after the delimiter, got %s", kind(one))
		}
		for _, it := range items {
			switch it.(type) {
			case nil, string:
			case map[string]any, []any:
				if c.version < jsonTextSince {
					return nil, c.fail("an item that is %s needs heat_template_version %s or later", kind(it), sinceText(jsonTextSince))
				}
			default:
				return nil, c.fail("an item is %s, expected text", kind(it))
			}
			parts = append(parts, String(it))
			size += len(parts[len(parts)-1]) + len(delimiter)
		}
	}
	if size > maxString {
		return nil, c.fail("the result is larger than %d bytes", maxString)
	}
	return strings.Join(parts, delimiter), c.scope.Step(len(parts))
}

// falsy is what Python counts as false.
func falsy(v any) bool {
	n, ok := toNumber(v)
	return empty(v) || ok && n == 0
}

func digest(c call, arg any) (any, error) {
	l, err := listArg(c, arg, 2, "an algorithm and text")
	if err != nil {
		return nil, err
	}
	algorithm, ok := l[0].(string)
	text, ok2 := l[1].(string)
	if !ok || !ok2 || len(l) > 2 {
		return nil, c.fail("expected an algorithm and text, got %s and %s", kind(l[0]), kind(l[1]))
	}
	var h hash.Hash
	switch strings.ToLower(algorithm) {
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
		return nil, c.fail("unknown algorithm %q%s; expected one of %s", algorithm, nearest.Hint(algorithm, algorithms()), strings.Join(algorithms(), ", "))
	}
	for _, r := range text { // Heat takes the digest of text as latin-1
		if r > 0xff {
			return nil, c.fail("the text has the letter %q; expected letters of latin-1", r)
		}
		h.Write([]byte{byte(r)})
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func algorithms() []string { return []string{"md5", "sha1", "sha224", "sha256", "sha384", "sha512"} }
