package ansible

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"trefoil/internal/yaml"
	"trefoil/overcloud/jinja"
)

func dataFilters() map[string]jinja.Filter {
	return map[string]jinja.Filter{
		"bool":            {Do: func(c *jinja.Call) any { return Bool(c.Self) }},
		"to_json":         {Params: "indent? sort_keys? ensure_ascii? **", Do: toJSON},
		"to_nice_json":    {Params: "indent? sort_keys? ensure_ascii? **", Do: toJSON},
		"from_json":       {Do: fromJSON},
		"to_yaml":         {Params: "default_flow_style? indent? width? **", Do: toYAML},
		"to_nice_yaml":    {Params: "indent? width? **", Do: toYAML},
		"from_yaml":       {Do: func(c *jinja.Call) any { return fromYAML(c) }},
		"from_yaml_all":   {Do: fromYAMLAll},
		"combine":         {Params: "* **", Do: combine},
		"dict2items":      {Params: "key_name? value_name?", Do: dictToItems},
		"items2dict":      {Params: "key_name? value_name?", Do: itemsToDict},
		"ternary":         {Params: "true_val false_val none_val?", Do: ternary},
		"mandatory":       {Params: "msg?", Do: mandatory},
		"type_debug":      {Do: typeDebug},
		"extract":         {Params: "container morekeys?", Do: extract},
		"subelements":     {Params: "subelements skip_missing?", Do: subelements},
		"rekey_on_member": {Params: "key duplicates?", Do: rekey},
	}
}

func toJSON(c *jinja.Call) any {
	layout := jinja.JSON{Indent: -1, Unicode: true, Sort: c.True(1)}
	if c.Name == "to_nice_json" {
		layout.Indent, layout.Sort = int(min(c.Int(0, 4), 1000)), true
	} else if v := c.Or(0, nil); v != nil {
		layout.Indent = int(min(c.Int(0, 0), 1000))
	}
	if v, ok := c.Arg(1); ok {
		layout.Sort = jinja.Truth(v)
	}
	layout.Unicode = false
	if v, ok := c.Arg(2); ok {
		layout.Unicode = !jinja.Truth(v)
	}
	return c.JSON(c.Self, layout)
}

// fromJSON keeps the order of keys.
func fromJSON(c *jinja.Call) any {
	c.Used(c.Self)
	s := c.Text(c.Self)
	c.Cost(len(s) / 16)
	d := json.NewDecoder(bytes.NewReader([]byte(s)))
	d.UseNumber()
	v, err := jsonValue(c, d, 0)
	if err == nil {
		if _, more := d.Token(); more != io.EOF {
			c.Fail("from_json: there is more after the value")
		}
		return v
	}
	if err == io.EOF {
		c.Fail("from_json: the text ends too early")
	}
	c.Fail("from_json: %v", err)
	return nil
}

func jsonValue(c *jinja.Call, d *json.Decoder, depth int) (any, error) {
	c.Cost(1)
	if depth > 200 {
		c.Fail("from_json: nested more than 200 levels deep")
	}
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Number:
		if i, err := t.Int64(); err == nil {
			return i, nil
		}
		if !strings.ContainsAny(t.String(), ".eE") {
			return nil, fmt.Errorf("the integer %s needs more than 64 bits", t)
		}
		return t.Float64()
	case json.Delim:
		if t == '[' {
			l := jinja.NewList()
			for d.More() {
				v, err := jsonValue(c, d, depth+1)
				if err != nil {
					return nil, err
				}
				l.Items = append(l.Items, v)
			}
			_, err = d.Token()
			return l, err
		}
		out := jinja.NewDict()
		for d.More() {
			k, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := jsonValue(c, d, depth+1)
			if err != nil {
				return nil, err
			}
			c.Set(out, k, v)
		}
		_, err = d.Token()
		return out, err
	}
	return t, nil
}

func fromYAML(c *jinja.Call) any {
	s, ok := jinja.AsText(c.Self)
	if !ok {
		return c.Self // as Ansible: what is no text is data already
	}
	c.Cost(len(s) / 8)
	n, err := yaml.Parse("from_yaml", []byte(s))
	if err != nil {
		c.Fail("%v", err)
	}
	v, err := jinja.FromYAML("from_yaml", n)
	if err != nil {
		c.Fail("%v", err)
	}
	return v
}

func fromYAMLAll(c *jinja.Call) any {
	l := jinja.NewList()
	for _, doc := range strings.Split("\n"+c.Text(c.Self), "\n---") {
		if strings.TrimSpace(doc) != "" {
			one := *c
			one.Self = doc
			l.Items = append(l.Items, fromYAML(&one))
		}
	}
	return l
}

func combine(c *jinja.Call) any {
	recursive, merge := false, "replace"
	for _, k := range c.Named().Keys() {
		v, _ := c.Named().Get(k)
		switch k {
		case "recursive":
			recursive = jinja.Truth(v)
		case "list_merge":
			merge = c.Text(v)
		default:
			c.Fail("combine: 'recursive' and 'list_merge' are the only valid keyword arguments, got %s", jinja.Repr(k))
		}
	}
	switch merge {
	case "replace", "keep", "append", "prepend", "append_rp", "prepend_rp":
	default:
		c.Fail("combine: list_merge is one of replace, keep, append, prepend, append_rp, prepend_rp, not %q", merge)
	}
	out := jinja.NewDict()
	for _, v := range append([]any{c.Self}, c.Rest()...) {
		items := []any{v}
		if l, ok := v.(*jinja.List); ok {
			items = l.Items
		}
		for _, it := range items {
			out = mergeDicts(c, out, dict(c, it), recursive, merge, 0)
		}
	}
	return out
}

func mergeDicts(c *jinja.Call, low, high *jinja.Dict, recursive bool, merge string, depth int) *jinja.Dict {
	c.Cost(low.Len() + high.Len())
	c.Memory(64 * (1 + low.Len()))
	if depth > 100 {
		c.Fail("combine: nested more than 100 levels deep")
	}
	out := low.Copy()
	for _, k := range high.Keys() {
		v, _ := high.Get(k)
		was, has := out.Get(k)
		x, okX := was.(*jinja.Dict)
		y, okY := v.(*jinja.Dict)
		a, okA := was.(*jinja.List)
		b, okB := v.(*jinja.List)
		switch {
		case !has:
		case okX && okY && recursive:
			v = mergeDicts(c, x, y, recursive, merge, depth+1)
		case okA && okB:
			v = &jinja.List{Items: mergeLists(c, a.Items, b.Items, merge)}
		}
		c.Set(out, k, v)
	}
	return out
}

func mergeLists(c *jinja.Call, low, high []any, how string) []any {
	without := func(a, b []any) []any {
		return keep(c, a, func(v any) bool { return !c.Contains(&jinja.List{Items: b}, v) })
	}
	join := func(a, b []any) []any {
		c.Cost(len(a) + len(b))
		c.Memory(16 * (len(a) + len(b)))
		return append(append([]any(nil), a...), b...)
	}
	switch how {
	case "keep":
		return low
	case "append":
		return join(low, high)
	case "prepend":
		return join(high, low)
	case "append_rp":
		return join(without(low, high), high)
	case "prepend_rp":
		return join(high, without(low, high))
	}
	return high
}

func dictToItems(c *jinja.Call) any {
	d := dict(c, c.Self)
	out := jinja.NewList()
	for _, k := range d.Keys() {
		v, _ := d.Get(k)
		pair := jinja.NewDict()
		c.Set(pair, c.Str(0, "key"), k)
		c.Set(pair, c.Str(1, "value"), v)
		out.Items = append(out.Items, pair)
	}
	return out
}

func itemsToDict(c *jinja.Call) any {
	d := jinja.NewDict()
	for _, it := range list(c, c.Self) {
		k, v := c.Get(it, c.Str(0, "key")), c.Get(it, c.Str(1, "value"))
		c.Used(k, v)
		c.Set(d, k, v)
	}
	return d
}

func ternary(c *jinja.Call) any {
	none, has := c.Arg(2)
	switch {
	case c.Self == nil && has && none != nil:
		return none
	case jinja.Truth(c.Self):
		return c.Or(0, nil)
	}
	return c.Or(1, nil)
}

func mandatory(c *jinja.Call) any {
	u, ok := c.Self.(jinja.Undefined)
	if !ok {
		return c.Self
	}
	if msg := c.Or(0, nil); msg != nil {
		c.Fail("%s", c.Text(msg))
	}
	c.Fail("mandatory variable: %s", u.What)
	return nil
}

func typeDebug(c *jinja.Call) any {
	if _, ok := c.Self.(jinja.Undefined); ok {
		return "AnsibleUndefined"
	}
	return jinja.TypeName(c.Self)
}

// extract is key|extract(container, more keys).
func extract(c *jinja.Call) any {
	keys := []any{c.Self}
	switch more := c.Or(1, nil).(type) {
	case nil:
	case *jinja.List:
		keys = append(keys, more.Items...)
	default:
		keys = append(keys, more)
	}
	v := c.Or(0, nil)
	for _, k := range keys {
		v = c.Get(v, k)
	}
	return v
}

// subelements pairs each item with each element of a list inside of it.
func subelements(c *jinja.Call) any {
	out := jinja.NewList()
	items := c.Self
	if d, ok := items.(*jinja.Dict); ok {
		items = c.Filter("map", &jinja.List{Items: c.Items(c.Filter("dictsort", d))}, "last")
	}
	path := []any{c.Or(0, nil)}
	if l, ok := path[0].(*jinja.List); ok {
		path = l.Items
	} else if s, ok := jinja.AsText(path[0]); ok {
		path = nil
		for _, p := range strings.Split(s, ".") {
			path = append(path, p)
		}
	}
	for _, it := range c.Items(items) {
		v := it
		for _, p := range path {
			v = c.Get(v, p)
			if _, undef := v.(jinja.Undefined); undef && c.True(1) {
				v = jinja.NewList()
				break
			}
		}
		for _, sub := range list(c, v) {
			c.Memory(64)
			out.Items = append(out.Items, jinja.Tuple{Items: []any{it, sub}})
		}
	}
	return out
}

// rekey makes a dict of dicts by the value of one of their keys.
func rekey(c *jinja.Call) any {
	how := c.Str(1, "error")
	if how != "error" && how != "overwrite" {
		c.Fail("rekey_on_member: duplicates is error or overwrite, not %q", how)
	}
	items := c.Items(c.Self)
	if d, ok := c.Self.(*jinja.Dict); ok {
		items = items[:0]
		for _, k := range d.Keys() {
			v, _ := d.Get(k)
			items = append(items, v)
		}
	}
	out := jinja.NewDict()
	for _, it := range items {
		k := c.Get(it, c.Or(0, nil))
		c.Used(k)
		if _, has := out.Get(k); has && how == "error" {
			c.Fail("rekey_on_member: key %s is not unique", jinja.Repr(k))
		}
		c.Set(out, k, it)
	}
	return out
}
