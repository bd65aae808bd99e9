package jinja

import (
	"sort"
	"strings"

	"trefoil/internal/nearest"
)

func (r *renderer) applyFilter(e *filterExpr, x any, s *scope) any {
	args, kw := r.args(e.at(), e.args, s)
	return r.filterCall(e.at(), e.name, x, args, kw)
}

func (r *renderer) filterCall(line int, name string, x any, args []any, kw *Dict) any {
	f, ok := r.env.filter(name)
	if !ok {
		r.fail(line, "%s", r.env.unknownFilter(name))
	}
	r.enter(line)
	defer r.leave()
	return f.Do(r.newCall(line, name, x, f.Params, args, kw))
}

// filter returns the filter of that name.
func (e *Env) filter(name string) (Filter, bool) {
	if f, ok := e.Filters[name]; ok {
		return f, true
	}
	for _, table := range []func(string) Filter{valueFilter, textFilter, sequenceFilter, htmlFilter} {
		if f := table(name); f.Do != nil {
			return f, true
		}
	}
	return Filter{}, false
}

func (e *Env) unknownFilter(name string) string {
	names := strings.Fields(`abs attr batch capitalize center count d default dictsort e escape filesizeformat first float
		forceescape format groupby indent int items join last length list lower map max min pprint random reject rejectattr
		replace reverse round safe select selectattr slice sort string striptags sum title tojson trim truncate unique upper
		urlencode urlize wordcount wordwrap xmlattr`)
	for n := range e.Filters {
		names = append(names, n)
	}
	sort.Strings(names)
	return "unknown filter \"" + name + "\"" + nearest.Hint(name, names)
}

// valueFilter returns the filters that look at one value.
func valueFilter(name string) Filter {
	switch name {
	case "default", "d":
		return Filter{"default_value? boolean?", filterDefault}
	case "length", "count":
		return Filter{"", func(c *Call) any {
			n, ok := length(c.Self)
			if !ok {
				c.Fail("object of type '%s' has no len()", iterName(c.Self))
			}
			return int64(n)
		}}
	case "attr":
		return Filter{"name", filterAttr}
	case "string":
		return Filter{"", func(c *Call) any {
			if m, ok := c.Self.(Markup); ok {
				return m
			}
			return c.Text(c.Self)
		}}
	case "abs":
		return Filter{"", filterAbs}
	case "int":
		return Filter{"default? base?", filterInt}
	case "float":
		return Filter{"default?", filterFloat}
	case "round":
		return Filter{"precision? method?", filterRound}
	case "filesizeformat":
		return Filter{"binary?", filterFileSize}
	case "tojson":
		return Filter{"indent?", filterToJSON}
	case "pprint":
		return Filter{"", func(c *Call) any {
			s := pretty(c.r, c.line, c.Self)
			c.Sized(len(s))
			return s
		}}
	case "random":
		return Filter{"", func(c *Call) any {
			c.Fail("random is not supported: the same input has to give the same output")
			return nil
		}}
	}
	return Filter{}
}

func filterDefault(c *Call) any {
	_, undef := c.Self.(Undefined)
	if undef || (c.True(1) && !Truth(c.Self)) {
		return c.Or(0, "")
	}
	return c.Self
}

// filterAttr is x|attr("name"): attributes only, no items.
func filterAttr(c *Call) any {
	c.Used(c.Self)
	name := c.Text(c.args[0])
	if v, ok := attribute(c.Self, name); ok {
		return v
	}
	return noAttribute(c.Self, name)
}
