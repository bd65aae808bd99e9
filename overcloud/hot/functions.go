package hot

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/url"
	"path"
	"sort"
	"strconv"
	"strings"

	"trefoil/internal/yaml"
)

// evalPath evaluates the argument of get_param and get_attr to a name and a path.
func (s *Stack) evalPath(arg *yaml.Node) (string, []any, error) {
	v, err := s.eval(arg)
	if err != nil {
		return "", nil, err
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	if len(list) == 0 {
		return "", nil, s.fail(arg, "expected a name, got an empty list")
	}
	return String(list[0]), list[1:], nil
}

func (s *Stack) getParam(arg *yaml.Node) (any, error) {
	name, keys, err := s.evalPath(arg)
	if err != nil {
		return nil, err
	}
	switch name {
	case "OS::stack_name", "OS::stack_id":
		return s.Name, nil
	case "OS::project_id":
		return "", nil
	}
	v, ok := s.Parameters[name]
	if !ok {
		return nil, s.fail(arg, "get_param: the template has no parameter %q%s", name, Suggest(name, parameterNames(s.t)))
	}
	v, found := walk(v, keys)
	if !found {
		return "", nil // as Heat: a missing path is empty
	}
	return v, nil
}

func (s *Stack) getAttr(arg *yaml.Node) (any, error) {
	name, keys, err := s.evalPath(arg)
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, s.fail(arg, "get_attr needs a resource and an attribute")
	}
	r, err := s.Resource(name)
	if err != nil {
		return nil, err
	}
	v, err := s.attribute(r, String(keys[0]), Origin{s.t.File, arg.Line})
	if err != nil {
		return nil, err
	}
	v, _ = walk(v, keys[1:])
	return v, nil
}

// walk follows keys and indexes into a value.
func walk(v any, keys []any) (any, bool) {
	for _, k := range keys {
		switch t := v.(type) {
		case map[string]any:
			next, ok := t[String(k)]
			if !ok {
				return nil, false
			}
			v = next
		case []any:
			i, err := strconv.Atoi(String(k))
			if err != nil || i < 0 || i >= len(t) {
				return nil, false
			}
			v = t[i]
		default:
			return nil, false
		}
	}
	return v, true
}

func (s *Stack) getFile(arg *yaml.Node) (any, error) {
	v, err := s.eval(arg)
	if err != nil {
		return nil, err
	}
	name := String(v)
	if !path.IsAbs(name) {
		name = path.Join(path.Dir(s.t.File), name)
	}
	data, err := s.ev.Read(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, s.fail(arg, "get_file: %s not found", name)
	}
	return string(data), err
}

// strReplace replaces the longest keys first and never looks at what it put in.
func (s *Stack) strReplace(name string, arg *yaml.Node) (any, error) {
	v, err := s.eval(arg)
	if err != nil {
		return nil, err
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, s.fail(arg, "%s needs template and params", name)
	}
	for k := range m {
		if k != "template" && k != "params" {
			return nil, s.fail(arg, "%s has no argument %q%s", name, k, Suggest(k, []string{"template", "params"}))
		}
	}
	params, ok := m["params"].(map[string]any)
	if !ok {
		return nil, s.fail(arg, "%s: params must be a map", name)
	}
	template := String(m["template"])
	keys := sortedKeys(params)
	sort.SliceStable(keys, func(i, j int) bool { return len(keys[i]) > len(keys[j]) })
	for _, k := range keys {
		if name != "str_replace" && !strings.Contains(template, k) {
			return nil, s.fail(arg, "%s: the template does not contain %q", name, k)
		}
		if name == "str_replace_vstrict" && String(params[k]) == "" {
			return nil, s.fail(arg, "%s: the value of %q is empty", name, k)
		}
	}
	out := replaceAll(template, keys, params)
	if len(out) > maxString {
		return nil, s.fail(arg, "%s: the result is larger than %d bytes", name, maxString)
	}
	return out, nil
}

func replaceAll(text string, keys []string, params map[string]any) string {
	if len(keys) == 0 || text == "" || len(text) > maxString {
		return text
	}
	if keys[0] == "" {
		return replaceAll(text, keys[1:], params)
	}
	parts := strings.Split(text, keys[0])
	for i := range parts {
		parts[i] = replaceAll(parts[i], keys[1:], params)
	}
	return strings.Join(parts, String(params[keys[0]]))
}

// callArgs are the functions that take a list of evaluated arguments.
func (s *Stack) callArgs(name string, arg *yaml.Node, list []any) (any, error) {
	switch name {
	case "list_join":
		var parts []string
		for _, l := range list[1:] {
			items, ok := l.([]any)
			if !ok && l != nil {
				return nil, s.fail(arg, "list_join needs lists after the delimiter")
			}
			for _, it := range items {
				parts = append(parts, String(it))
			}
		}
		return strings.Join(parts, String(list[0])), nil
	case "str_split":
		if list[1] == nil {
			return []any{}, nil
		}
		var out []any
		for _, p := range strings.Split(String(list[1]), String(list[0])) {
			out = append(out, p)
		}
		if len(list) > 2 {
			v, _ := walk(out, list[2:])
			return v, nil
		}
		return out, nil
	case "contains":
		if items, ok := list[1].([]any); ok {
			return indexOf(items, list[0]) >= 0, nil
		}
		return strings.Contains(String(list[1]), String(list[0])), nil
	case "filter":
		drop, ok := list[0].([]any)
		items, ok2 := list[1].([]any)
		if !ok || !ok2 && list[1] != nil {
			return nil, s.fail(arg, "filter needs two lists: what to drop, and from what")
		}
		out := []any{}
		for _, it := range items {
			if indexOf(drop, it) < 0 {
				out = append(out, it)
			}
		}
		return out, nil
	case "digest":
		return s.digest(arg, String(list[0]), String(list[1]))
	}
	return s.mapReplace(arg, list)
}

func indexOf(list []any, v any) int {
	for i, e := range list {
		if same(e, v) {
			return i
		}
	}
	return -1
}

func (s *Stack) digest(arg *yaml.Node, algorithm, text string) (any, error) {
	switch algorithm {
	case "md5":
		sum := md5.Sum([]byte(text))
		return hex.EncodeToString(sum[:]), nil
	case "sha1":
		sum := sha1.Sum([]byte(text))
		return hex.EncodeToString(sum[:]), nil
	case "sha256":
		sum := sha256.Sum256([]byte(text))
		return hex.EncodeToString(sum[:]), nil
	case "sha512":
		sum := sha512.Sum512([]byte(text))
		return hex.EncodeToString(sum[:]), nil
	}
	return nil, s.fail(arg, "digest: unknown algorithm %q; expected md5, sha1, sha256 or sha512", algorithm)
}

func (s *Stack) mapReplace(arg *yaml.Node, list []any) (any, error) {
	m, ok := list[0].(map[string]any)
	how, ok2 := list[1].(map[string]any)
	if !ok && list[0] != nil || !ok2 {
		return nil, s.fail(arg, "map_replace needs a map and a map with keys or values")
	}
	keys, _ := how["keys"].(map[string]any)
	values, _ := how["values"].(map[string]any)
	out := make(map[string]any, len(m))
	for _, k := range sortedKeys(m) {
		v := m[k]
		switch v.(type) {
		case map[string]any, []any:
		default:
			if to, ok := values[String(v)]; ok {
				v = to
			}
		}
		if to, ok := keys[k]; ok {
			k = String(to)
		}
		out[k] = v
	}
	return out, nil
}

func (s *Stack) merge(name string, arg *yaml.Node) (any, error) {
	list, err := s.evalList(name, arg, 0)
	if err != nil {
		return nil, err
	}
	if name == "map_merge" {
		out := map[string]any{}
		for _, e := range list {
			m, ok := e.(map[string]any)
			if !ok && e != nil {
				return nil, s.fail(arg, "map_merge needs maps, got %s", kind(e))
			}
			for k, v := range m {
				out[k] = v
			}
		}
		return out, nil
	}
	out := []any{}
	for _, e := range list {
		l, ok := e.([]any)
		if !ok && e != nil {
			return nil, s.fail(arg, "%s needs lists, got %s", name, kind(e))
		}
		for _, v := range l {
			if name == "list_concat" || indexOf(out, v) < 0 {
				out = append(out, v)
			}
		}
	}
	return out, nil
}

func kind(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case map[string]any:
		return "a map"
	case []any:
		return "a list"
	case string:
		return "a string"
	case bool:
		return "a boolean"
	}
	return "a number"
}

func (s *Stack) makeURL(arg *yaml.Node) (any, error) {
	v, err := s.eval(arg)
	if err != nil {
		return nil, err
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, s.fail(arg, "make_url needs a map with scheme, host, port, path …")
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
