package rules

import (
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/inspect"
)

// deed is what an action does, with Ironic's arguments.
type deed struct {
	signature
	// check looks at arguments when the rule is made; fields in them are not filled in yet. May be nil.
	check func(a args) error
	do    func(r *run, a args) error
}

// deeds are all actions by name.
func deeds() map[string]deed {
	sig := func(required ...string) signature { return signature{required: required} }
	unique := func(required ...string) signature { return signature{required: required, optional: []string{"unique"}} }
	out := map[string]deed{
		"fail": {signature: sig("msg"), do: func(_ *run, a args) error { return failure{a.text("msg")} }},
		"log": {signature: signature{required: []string{"msg"}, optional: []string{"level"}}, check: checkLevel,
			do: func(r *run, a args) error { r.say(level(a), a.text("msg")); return nil }},
		"set-capability":     {signature: sig("name", "value"), check: checkCapability, do: setCapability},
		"unset-capability":   {signature: sig("name"), check: checkCapability, do: setCapability},
		"add-trait":          {signature: sig("name"), check: checkTrait, do: addTrait},
		"remove-trait":       {signature: sig("name"), do: removeTrait},
		"set-plugin-data":    {signature: sig("path", "value"), do: onPluginData(set)},
		"extend-plugin-data": {signature: unique("path", "value"), do: onPluginData(extend)},
		"unset-plugin-data":  {signature: sig("path"), do: onPluginData(remove)},
	}
	for name, s := range map[string]struct {
		signature
		change change
	}{"set": {sig("path", "value"), set}, "extend": {unique("path", "value"), extend}, "del": {sig("path"), remove}} {
		out[name+"-attribute"] = deed{signature: s.signature, check: checkPath(nodeAttributes), do: onNode(s.change)}
		s.required = append([]string{"port_id"}, s.required...)
		out[name+"-port-attribute"] = deed{signature: s.signature, check: checkPath(portAttributes), do: onPort(s.change)}
	}
	return out
}

// change makes a new value of the one that is there.
type change func(a args, old any, found bool) (v any, keep bool, err error)

func set(a args, _ any, _ bool) (any, bool, error) { return a["value"], true, nil }

func remove(args, any, bool) (any, bool, error) { return nil, false, nil }

func extend(a args, old any, _ bool) (any, bool, error) {
	list, ok := old.([]any)
	if !ok && old != nil {
		return nil, false, errs.New(errs.Invalid, "%s is %s, which cannot be extended like a list", a.text("path"), kindName(old))
	}
	if a.truth("unique") && slices.ContainsFunc(list, func(v any) bool { return equal(v, a["value"]) }) {
		return old, true, nil
	}
	return append(slices.Clone(list), a["value"]), true, nil
}

func onNode(c change) func(*run, args) error {
	return func(r *run, a args) error {
		p, err := parseAttributePath(a.text("path"))
		if err != nil {
			return err
		}
		return edit(r.Node, p, nodeAttributes(), func(old any, found bool) (any, bool, error) { return c(a, old, found) })
	}
}

func onPort(c change) func(*run, args) error {
	return func(r *run, a args) error {
		p, err := parseAttributePath(a.text("path"))
		if err != nil {
			return err
		}
		id := a.text("port_id")
		i := slices.IndexFunc(r.Ports, func(p *ironic.Port) bool { return p.UUID == id || strings.EqualFold(p.Address, id) })
		if i < 0 {
			return errs.New(errs.Invalid, "the node has no port %s", short(id))
		}
		return edit(r.Ports[i], p, portAttributes(), func(old any, found bool) (any, bool, error) { return c(a, old, found) })
	}
}

func onPluginData(c change) func(*run, args) error {
	return func(r *run, a args) error {
		p, err := parseAttributePath(a.text("path"))
		if err != nil {
			return err
		}
		r.plugins = nil
		return editWithin(r.PluginData, p, p, func(old any, found bool) (any, bool, error) { return c(a, old, found) })
	}
}

// checkPath wants a path that leads to an attribute, unless it is filled in later.
func checkPath[R any](attributes func() []attribute[R]) func(args) error {
	return func(a args) error {
		s, ok := a["path"].(string)
		if !ok {
			return errs.New(errs.Invalid, "path is %s, not a text", kindName(a["path"]))
		}
		if strings.Contains(s, "{") {
			return nil
		}
		p, err := parseAttributePath(s)
		if err != nil {
			return err
		}
		_, err = check(p, attributes())
		return err
	}
}

func level(a args) string {
	if l := strings.ToLower(a.text("level")); a["level"] != nil {
		return l
	}
	return "info"
}

func checkLevel(a args) error {
	if levels := []string{"debug", "info", "warning", "error", "critical"}; !slices.Contains(levels, level(a)) {
		return errs.New(errs.Invalid, "Invalid log level: %s. Choose from %s", short(level(a)), strings.Join(levels, ", "))
	}
	return nil
}

// checkCapability refuses what would be read back as something else.
func checkCapability(a args) error {
	name, ok := a["name"].(string)
	if !ok || name == "" || strings.ContainsAny(name, ",: ") {
		return errs.New(errs.Invalid, "name of a capability must be a text without commas, colons and blanks")
	}
	return nil
}

// setCapability gives a capability a value; null takes it away.
func setCapability(r *run, a args) error {
	if err := checkCapability(a); err != nil {
		return err
	}
	have, ok := r.Node.Properties["capabilities"].(string)
	if !ok && r.Node.Properties["capabilities"] != nil {
		return errs.New(errs.Invalid, "properties/capabilities is %s, not a text such as profile:control,boot_mode:uefi",
			kindName(r.Node.Properties["capabilities"]))
	}
	if r.Node.Properties == nil {
		r.Node.Properties = map[string]any{}
	}
	name := a.text("name")
	if a["value"] == nil {
		parts := slices.DeleteFunc(strings.Split(have, ","), func(part string) bool {
			k, _, _ := strings.Cut(part, ":")
			return strings.TrimSpace(k) == name || strings.TrimSpace(part) == ""
		})
		r.Node.Properties["capabilities"] = strings.Join(parts, ",")
		return nil
	}
	value := a.text("value")
	if strings.Contains(value, ",") {
		return errs.New(errs.Invalid, "the value of capability %s holds a comma", name)
	}
	r.Node.Properties["capabilities"] = inspect.MergeCapabilities(have, map[string]string{name: value})
	return nil
}

func checkTrait(a args) error {
	name, ok := a["name"].(string)
	if !ok || strings.Contains(name, "{") {
		return nil // it is filled in later
	}
	if !ironic.ValidTrait(name) {
		return errs.New(errs.Invalid, "%q is no trait such as CUSTOM_FAST_DISK", short(name))
	}
	return nil
}

func addTrait(r *run, a args) error {
	name := a.text("name")
	if err := checkTrait(args{"name": name}); err != nil || strings.Contains(name, "{") {
		return errs.New(errs.Invalid, "%q is no trait such as CUSTOM_FAST_DISK", short(name))
	}
	traits := append(slices.Clone(r.Node.Traits), name)
	slices.Sort(traits)
	traits = slices.Compact(traits)
	if len(traits) > ironic.MaxTraits {
		return errs.New(errs.Invalid, "a node can not have more than %d traits", ironic.MaxTraits)
	}
	r.Node.Traits = traits
	return nil
}

// removeTrait takes a trait away; that the node does not have it is no error.
func removeTrait(r *run, a args) error {
	r.Node.Traits = slices.DeleteFunc(slices.Clone(r.Node.Traits), func(t string) bool { return t == a.text("name") })
	return nil
}
