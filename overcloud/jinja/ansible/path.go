package ansible

import (
	"path"
	"strings"

	"trefoil/overcloud/jinja"
)

func pathFilters() map[string]jinja.Filter {
	return map[string]jinja.Filter{
		"basename": {Do: func(c *jinja.Call) any { s := c.Text(c.Self); return s[strings.LastIndex(s, "/")+1:] }},
		"dirname":  {Do: func(c *jinja.Call) any { return dirname(c.Text(c.Self)) }},
		"splitext": {Do: splitExt},
		"path_join": {Do: func(c *jinja.Call) any {
			if s, ok := jinja.AsText(c.Self); ok {
				return s
			}
			var parts []string
			for _, p := range list(c, c.Self) {
				parts = append(parts, c.Text(p))
			}
			return join(parts)
		}},
		"relpath":      {Params: "start", Do: relPath},
		"win_basename": {Do: func(c *jinja.Call) any { s := c.Text(c.Self); return s[strings.LastIndexAny(s, `\/`)+1:] }},
	}
}

func dirname(s string) string {
	head := s[:strings.LastIndex(s, "/")+1]
	if strings.Trim(head, "/") != "" {
		head = strings.TrimRight(head, "/")
	}
	return head
}

// splitExt is os.path.splitext: dots that begin a name do not count.
func splitExt(c *jinja.Call) any {
	s := c.Text(c.Self)
	base := s[strings.LastIndex(s, "/")+1:]
	i := strings.LastIndex(base, ".")
	if i < 0 || strings.Trim(base[:i], ".") == "" {
		return jinja.Tuple{Items: []any{s, ""}}
	}
	cut := len(s) - len(base) + i
	return jinja.Tuple{Items: []any{s[:cut], s[cut:]}}
}

func join(parts []string) string {
	out := ""
	for i, p := range parts {
		switch {
		case i == 0 || strings.HasPrefix(p, "/"):
			out = p
		case out == "" || strings.HasSuffix(out, "/"):
			out += p
		default:
			out += "/" + p
		}
	}
	return out
}

func relPath(c *jinja.Call) any {
	from, to := path.Clean("/"+c.Str(0, "")), path.Clean("/"+c.Text(c.Self))
	a, b := strings.Split(strings.Trim(from, "/"), "/"), strings.Split(strings.Trim(to, "/"), "/")
	if from == "/" {
		a = nil
	}
	if to == "/" {
		b = nil
	}
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	out := strings.Repeat("../", len(a)-n) + strings.Join(b[n:], "/")
	if out = strings.TrimSuffix(out, "/"); out == "" {
		return "."
	}
	return out
}
