package rules

import (
	"net/netip"
	"regexp"
	"regexp/syntax"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/regexsize"
)

// holds asks one operator about the values of its arguments.
type holds func(r *run, a args) (bool, error)

// args are the arguments of an operation by name, fields filled in.
type args map[string]any

func (a args) text(name string) string { return text(a[name]) }

// truth reads a boolean argument; a word for one counts, too.
func (a args) truth(name string) bool {
	switch x := a[name].(type) {
	case bool:
		return x
	case string:
		return strings.EqualFold(x, "true") || strings.EqualFold(x, "yes")
	}
	return false
}

// signature has the arguments of an operation in their order.
type signature struct {
	required, optional []string
}

// operator is one operator with Ironic's arguments; inspector's are brought to them.
type operator struct {
	signature
	holds holds
}

// operators are all by name.
func operators() map[string]operator {
	values := signature{required: []string{"values"}, optional: []string{"force_strings"}}
	value := signature{required: []string{"value"}}
	regex := signature{required: []string{"value", "regex"}}
	return map[string]operator{
		"eq":       {values, pairs(func(a, b any) (bool, error) { return equal(a, b), nil })},
		"ne":       {values, pairs(func(a, b any) (bool, error) { return !equal(a, b), nil })},
		"lt":       {values, pairs(ordered(func(n int) bool { return n < 0 }))},
		"gt":       {values, pairs(ordered(func(n int) bool { return n > 0 }))},
		"le":       {values, pairs(ordered(func(n int) bool { return n <= 0 }))},
		"ge":       {values, pairs(ordered(func(n int) bool { return n >= 0 }))},
		"is-empty": {value, isEmpty},
		"in-net":   {signature{required: []string{"address", "subnet"}}, inNet},
		"matches":  {regex, matching("^(?:", ")$")},
		"contains": {regex, matching("", "")},
		"one-of":   {signature{required: []string{"value"}, optional: []string{"values"}}, oneOf},
		"is-none":  {value, func(_ *run, a args) (bool, error) { return a["value"] == nil || a["value"] == "None", nil }},
		"is-true":  {value, func(_ *run, a args) (bool, error) { return says(a["value"], true), nil }},
		"is-false": {value, func(_ *run, a args) (bool, error) { return a["value"] == nil || says(a["value"], false), nil }},
	}
}

// pairs wants compare to hold between each value and the next one.
func pairs(compare func(a, b any) (bool, error)) holds {
	return func(_ *run, a args) (bool, error) {
		list, ok := a["values"].([]any)
		if !ok {
			return false, errs.New(errs.Invalid, "values is %s, not a list", kindName(a["values"]))
		}
		for i := 1; i < len(list); i++ {
			x, y := list[i-1], list[i]
			if a.truth("force_strings") { // then two numbers are in the order of texts
				x, y = text(x), text(y)
			}
			if ok, err := compare(x, y); !ok || err != nil {
				return false, err
			}
		}
		return true, nil
	}
}

func ordered(want func(int) bool) func(a, b any) (bool, error) {
	return func(a, b any) (bool, error) {
		n, err := order(a, b)
		return err == nil && want(n), err
	}
}

func isEmpty(_ *run, a args) (bool, error) {
	switch a.text("value") {
	case "", "None", "[]", "{}":
		return true, nil
	}
	return false, nil
}

// says tells whether a value is a word, number or boolean for yes, or for no.
func says(v any, yes bool) bool {
	switch x := v.(type) {
	case bool:
		return x == yes
	case float64:
		return (x != 0) == yes
	case string:
		if yes {
			return strings.EqualFold(x, "yes") || strings.EqualFold(x, "true")
		}
		return strings.EqualFold(x, "no") || strings.EqualFold(x, "false")
	}
	return false
}

func inNet(_ *run, a args) (bool, error) {
	network, err := subnet(a.text("subnet"))
	if err != nil {
		return false, err
	}
	addr, err := netip.ParseAddr(a.text("address"))
	if err != nil {
		return false, errs.New(errs.Invalid, "%q is no IP address", short(a.text("address")))
	}
	return network.Contains(addr.Unmap().WithZone("")), nil
}

// subnet reads a network, "192.0.2.0/24" or one address; bits behind the prefix are forgiven.
func subnet(s string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, errs.New(errs.Invalid, "invalid value: %q is no IP network", short(s))
	}
	return p.Masked(), nil
}

// short keeps long texts out of messages.
func short(s string) string {
	if len(s) > 100 {
		return s[:100] + "…"
	}
	return s
}

const maxRegex = 4096

// matching looks for a regular expression between two ends. RE2's language: it has no
// look-around and no back references, and takes as long as the text times the expression is.
func matching(before, after string) holds {
	return func(r *run, a args) (bool, error) {
		re, size, err := compileRegex(a.text("regex"), before, after)
		if err != nil {
			return false, err
		}
		value := a.text("value")
		if err := r.match(size, len(value)); err != nil {
			return false, err
		}
		return re.MatchString(value), nil
	}
}

// compileRegex returns also about how many instructions it has.
func compileRegex(s, before, after string) (*regexp.Regexp, int, error) {
	if len(s) > maxRegex {
		return nil, 0, errs.New(errs.Invalid, "invalid regular expression: longer than %d characters", maxRegex)
	}
	parsed, err := syntax.Parse(s, syntax.Perl) // by itself, or ")(" would pass
	if err != nil {
		return nil, 0, errs.New(errs.Invalid, "invalid regular expression: %s", err.Error())
	}
	size := regexsize.Of(parsed, maxProgram)
	if size > maxProgram {
		return nil, 0, errs.New(errs.Invalid, "invalid regular expression: its repetitions make more than %d instructions of it", maxProgram)
	}
	re, err := regexp.Compile(before + s + after)
	if err != nil {
		return nil, 0, errs.New(errs.Invalid, "invalid regular expression: %s", err.Error())
	}
	return re, size, nil
}

func oneOf(_ *run, a args) (bool, error) {
	list, ok := a["values"].([]any)
	if !ok && a["values"] != nil {
		return false, errs.New(errs.Invalid, "values is %s, not a list", kindName(a["values"]))
	}
	for _, v := range list {
		if equal(a["value"], v) {
			return true, nil
		}
	}
	return false, nil
}
