package ansible

import (
	"regexp"
	"strconv"
	"strings"

	"trefoil/overcloud/jinja"
)

// Tests returns Ansible's tests by name.
func Tests() map[string]jinja.Test {
	out := map[string]jinja.Test{
		"match":    {Params: "pattern? ignorecase? multiline?", Do: matches},
		"search":   {Params: "pattern? ignorecase? multiline?", Do: matches},
		"regex":    {Params: "pattern? ignorecase? multiline? match_type?", Do: matches},
		"contains": {Params: "value", Do: func(c *jinja.Call) bool { return c.Contains(c.Self, c.Or(0, nil)) }},
		"all":      {Do: all},
		"any":      {Do: func(c *jinja.Call) bool { return len(keep(c, c.Items(c.Self), jinja.Truth)) > 0 }},
		"truthy":   {Params: "convert_bool?", Do: func(c *jinja.Call) bool { return jinja.Truth(converted(c)) }},
		"falsy":    {Params: "convert_bool?", Do: func(c *jinja.Call) bool { return !jinja.Truth(converted(c)) }},
	}
	for _, name := range []string{"subset", "issubset", "superset", "issuperset"} {
		out[name] = jinja.Test{Params: "b", Do: subset}
	}
	for _, name := range []string{"version", "version_compare"} {
		out[name] = jinja.Test{Params: "version operator? strict? version_type?", Do: version}
	}
	for name := range results {
		out[name] = jinja.Test{Do: result}
	}
	for _, name := range []string{"exists", "file", "directory", "link", "mount", "same_file", "link_exists", "abs", "vault_encrypted"} {
		out[name] = jinja.Test{Params: "*", Do: func(c *jinja.Call) bool {
			c.Fail("the test %s is not supported: it looks at files or secrets", c.Name)
			return false
		}}
	}
	return out
}

// all reads its value once: it may be an iterator, which is empty after that.
func all(c *jinja.Call) bool {
	items := c.Items(c.Self)
	return len(keep(c, items, jinja.Truth)) == len(items)
}

func converted(c *jinja.Call) any {
	c.Used(c.Self)
	if s, ok := jinja.AsText(c.Self); ok && c.True(0) {
		switch strings.ToLower(strings.TrimSpace(s)) {
		case "y", "yes", "on", "1", "true", "t":
			return true
		case "n", "no", "off", "0", "false", "f":
			return false
		}
	}
	return c.Self
}

// results are the tests of a task's result: the key that they look at, and
// whether it has to be false.
var results = map[string]struct {
	key string
	not bool
}{
	"failed": {"failed", false}, "failure": {"failed", false},
	"success": {"failed", true}, "succeeded": {"failed", true}, "successful": {"failed", true},
	"changed": {"changed", false}, "change": {"changed", false},
	"skipped": {"skipped", false}, "skip": {"skipped", false},
	"unreachable": {"unreachable", false}, "reachable": {"unreachable", true},
	"finished": {"finished", false}, "started": {"started", false},
}

// result looks at a registered result; one of a loop has changed when one of
// its rounds has.
func result(c *jinja.Call) bool {
	d, ok := c.Self.(*jinja.Dict)
	if !ok {
		c.Used(c.Self)
		c.Fail("the test %s needs a task's result, a dict, got %s", c.Name, jinja.TypeName(c.Self))
	}
	want := results[c.Name]
	v, has := d.Get(want.key)
	if rounds, _ := d.Get("results"); !has && want.key == "changed" && rounds != nil {
		for _, r := range c.Items(rounds) {
			if changed := c.Get(r, "changed"); jinja.Truth(changed) {
				return true
			}
		}
	}
	return jinja.Truth(v) != want.not
}

func matches(c *jinja.Call) bool {
	kind := c.Name
	if kind == "regex" {
		kind = c.Str(3, "search")
	}
	pattern := c.Str(0, "")
	if kind == "fullmatch" { // the first alternative that matches need not be the one that matches all
		compile(c, pattern, c.True(1), c.True(2)) // its errors name the pattern as it was given
		pattern = `\A(?:` + pattern + `)\z`
	}
	re, s := compile(c, pattern, c.True(1), c.True(2)), c.Text(c.Self)
	search(c, re, s)
	m := re.FindStringIndex(s)
	if kind == "search" {
		return m != nil
	}
	return m != nil && m[0] == 0
}

func subset(c *jinja.Call) bool {
	a, b := list(c, c.Self), list(c, c.Or(0, nil))
	if strings.HasSuffix(c.Name, "superset") {
		a, b = b, a
	}
	return len(filterIn(c, a, b, false)) == 0
}

// version compares as Python's LooseVersion does: numbers as numbers, words as
// words. strict and other kinds of versions are compared the same way.
func version(c *jinja.Call) bool {
	op := c.Str(1, "eq")
	c.Cost(len(c.Text(c.Self)) + len(c.Text(c.Or(0, nil))))
	n, ok := compareVersions(c.Text(c.Self), c.Text(c.Or(0, nil)))
	if !ok {
		c.Fail("version: %s and %s cannot be compared", c.Text(c.Self), c.Text(c.Or(0, nil)))
	}
	switch op {
	case "==", "=", "eq":
		return n == 0
	case "<", "lt":
		return n < 0
	case "<=", "le":
		return n <= 0
	case ">", "gt":
		return n > 0
	case ">=", "ge":
		return n >= 0
	case "!=", "<>", "ne":
		return n != 0
	}
	c.Fail("version: unknown operator %q; there are ==, !=, <, <=, >, >=", op)
	return false
}

var versionPart = regexp.MustCompile(`[0-9]+|[a-z]+|[^0-9a-z.]+`)

func compareVersions(a, b string) (int, bool) {
	x, y := versionPart.FindAllString(a, -1), versionPart.FindAllString(b, -1)
	for i := 0; i < len(x) && i < len(y); i++ {
		m, errM := strconv.Atoi(x[i])
		n, errN := strconv.Atoi(y[i])
		switch {
		case (errM == nil) != (errN == nil):
			return 0, false
		case errM == nil && m != n:
			return m - n, true
		case errM != nil && x[i] != y[i]:
			return strings.Compare(x[i], y[i]), true
		}
	}
	return len(x) - len(y), true
}
