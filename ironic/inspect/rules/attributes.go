package rules

import (
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/ironic"
)

// attribute is a field of a node or port R as rules see it.
type attribute[R any] struct {
	name string
	get  func(R) any
	set  func(R, any) error // nil: rules may only look at it
}

func textAttribute[R any](name string, at func(R) *string) attribute[R] {
	return attribute[R]{name, func(r R) any { return orNull(*at(r)) }, func(r R, v any) error {
		s, ok := v.(string)
		switch {
		case v == nil:
			s = ""
		case !ok:
			return errs.New(errs.Invalid, "%s takes a text, not %s", name, kindName(v))
		case len([]rune(s)) > 255:
			return errs.New(errs.Invalid, "%s takes at most 255 characters", name)
		}
		*at(r) = s
		return nil
	}}
}

// lowered keeps the text in small letters, as the API does.
func lowered[R any](a attribute[R]) attribute[R] {
	plain := a.set
	a.set = func(r R, v any) error {
		if s, ok := v.(string); ok {
			v = strings.ToLower(s)
		}
		return plain(r, v)
	}
	return a
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func flagAttribute[R any](name string, at func(R) *bool) attribute[R] {
	return attribute[R]{name, func(r R) any { return *at(r) }, func(r R, v any) error {
		b, err := flag(name, v)
		if err == nil {
			*at(r) = b
		}
		return err
	}}
}

func flag(name string, v any) (bool, error) {
	switch {
	case v == nil:
		return false, nil
	case says(v, true):
		return true, nil
	case says(v, false):
		return false, nil
	}
	return false, errs.New(errs.Invalid, "%s takes a boolean, not %s", name, kindName(v))
}

func mapAttribute[R any](name string, at func(R) *map[string]any) attribute[R] {
	return attribute[R]{name, func(r R) any { return orEmpty(*at(r)) }, func(r R, v any) error {
		m, ok := v.(map[string]any)
		if !ok && v != nil {
			return errs.New(errs.Invalid, "%s takes an object, not %s", name, kindName(v))
		}
		*at(r) = orEmpty(m)
		return nil
	}}
}

func orEmpty(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}

func readOnly[R any](name string, get func(R) string) attribute[R] {
	return attribute[R]{name: name, get: func(r R) any { return orNull(get(r)) }}
}

// nodeAttributes are those that a PATCH may change, and some to look at.
func nodeAttributes() []attribute[*ironic.Node] {
	type node = *ironic.Node
	out := []attribute[node]{
		readOnly("uuid", func(n node) string { return n.UUID }),
		readOnly("provision_state", func(n node) string { return n.ProvisionState }),
		readOnly("power_state", func(n node) string { return n.PowerState }),
		readOnly("instance_uuid", func(n node) string { return n.InstanceUUID }),
		readOnly("boot_mode", func(n node) string { return n.BootMode }),
		readOnly("fault", func(n node) string { return n.Fault }),
		{name: "traits", get: func(n node) any { return list(n.Traits) }},
		textAttribute("driver", func(n node) *string { return &n.Driver }),
		textAttribute("resource_class", func(n node) *string { return &n.ResourceClass }),
		textAttribute("description", func(n node) *string { return &n.Description }),
		lowered(textAttribute("conductor_group", func(n node) *string { return &n.ConductorGroup })),
		textAttribute("owner", func(n node) *string { return &n.Owner }),
		textAttribute("lessee", func(n node) *string { return &n.Lessee }),
		textAttribute("shard", func(n node) *string { return &n.Shard }),
		lowered(textAttribute("chassis_uuid", func(n node) *string { return &n.ChassisUUID })),
		textAttribute("maintenance_reason", func(n node) *string { return &n.MaintenanceReason }),
		textAttribute("protected_reason", func(n node) *string { return &n.ProtectedReason }),
		textAttribute("retired_reason", func(n node) *string { return &n.RetiredReason }),
		flagAttribute("maintenance", func(n node) *bool { return &n.Maintenance }),
		flagAttribute("protected", func(n node) *bool { return &n.Protected }),
		flagAttribute("retired", func(n node) *bool { return &n.Retired }),
		mapAttribute("driver_info", func(n node) *map[string]any { return &n.DriverInfo }),
		mapAttribute("properties", func(n node) *map[string]any { return &n.Properties }),
		mapAttribute("instance_info", func(n node) *map[string]any { return &n.InstanceInfo }),
		mapAttribute("extra", func(n node) *map[string]any { return &n.Extra }),
		nodeName(), automatedClean(),
	}
	for _, kind := range ironic.InterfaceNames() {
		out = append(out, nodeInterface(kind))
	}
	return out
}

func list(texts []string) []any {
	out := make([]any, len(texts))
	for i, t := range texts {
		out[i] = t
	}
	return out
}

func nodeName() attribute[*ironic.Node] {
	a := textAttribute("name", func(n *ironic.Node) *string { return &n.Name })
	plain := a.set
	a.set = func(n *ironic.Node, v any) error {
		if s, ok := v.(string); ok && !ironic.ValidNodeName(s) {
			return errs.New(errs.Invalid, "%q is no name of a node: it is a UUID, a word of the API, or has other characters than letters, digits and ._~-", short(s))
		}
		return plain(n, v)
	}
	return a
}

func automatedClean() attribute[*ironic.Node] {
	return attribute[*ironic.Node]{"automated_clean", func(n *ironic.Node) any {
		if n.AutomatedClean == nil {
			return nil
		}
		return *n.AutomatedClean
	}, func(n *ironic.Node, v any) error {
		if v == nil {
			n.AutomatedClean = nil
			return nil
		}
		b, err := flag("automated_clean", v)
		if err == nil {
			n.AutomatedClean = &b
		}
		return err
	}}
}

// nodeInterface is one of a node's interfaces; whether the driver has the
// implementation is the conductor's to say.
func nodeInterface(kind string) attribute[*ironic.Node] {
	name := kind + "_interface"
	return attribute[*ironic.Node]{name, func(n *ironic.Node) any { return orNull(n.Interfaces[kind]) },
		func(n *ironic.Node, v any) error {
			s, ok := v.(string)
			if !ok && v != nil {
				return errs.New(errs.Invalid, "%s takes a text, not %s", name, kindName(v))
			}
			if n.Interfaces == nil {
				n.Interfaces = map[string]string{}
			}
			n.Interfaces[kind] = s
			return nil
		}}
}

// portAttributes are those that a PATCH of a port may change, and some to look at.
func portAttributes() []attribute[*ironic.Port] {
	type port = *ironic.Port
	return []attribute[port]{
		readOnly("uuid", func(p port) string { return p.UUID }),
		readOnly("address", func(p port) string { return p.Address }),
		textAttribute("name", func(p port) *string { return &p.Name }),
		textAttribute("description", func(p port) *string { return &p.Description }),
		textAttribute("physical_network", func(p port) *string { return &p.PhysicalNetwork }),
		textAttribute("vendor", func(p port) *string { return &p.Vendor }),
		textAttribute("category", func(p port) *string { return &p.Category }),
		flagAttribute("pxe_enabled", func(p port) *bool { return &p.PXEEnabled }),
		flagAttribute("is_smartnic", func(p port) *bool { return &p.IsSmartNIC }),
		mapAttribute("local_link_connection", func(p port) *map[string]any { return &p.LocalLinkConnection }),
		mapAttribute("extra", func(p port) *map[string]any { return &p.Extra }),
	}
}

// attributePath is where an action works: an attribute, or something within one.
type attributePath []string

// maxAttributePath bounds a path, in bytes: a field may put an inventory into one.
const maxAttributePath = 1024

// parseAttributePath reads /driver_info/ipmi_address, with or without the first
// slash, and driver_info.ipmi_address.
func parseAttributePath(s string) (attributePath, error) {
	if len(s) > maxAttributePath {
		return nil, errs.New(errs.Invalid, "the path %s is longer than %d bytes", short(s), maxAttributePath)
	}
	sep := "."
	if strings.Contains(s, "/") {
		sep = "/"
	}
	parts := strings.Split(strings.Trim(s, "/"), sep)
	if slices.Contains(parts, "") {
		return nil, errs.New(errs.Invalid, "%q is no path such as /driver_info/ipmi_address", short(s))
	}
	if len(parts) > maxPathSteps {
		return nil, errs.New(errs.Invalid, "the path %s has more than %d steps", short(s), maxPathSteps)
	}
	if sep == "/" {
		unescape := strings.NewReplacer("~1", "/", "~0", "~")
		for i := range parts {
			parts[i] = unescape.Replace(parts[i])
		}
	}
	return parts, nil
}

func (p attributePath) String() string { return "/" + strings.Join(p, "/") }

// check says whether actions may write there at all.
func check[R any](p attributePath, attributes []attribute[R]) (attribute[R], error) {
	i := slices.IndexFunc(attributes, func(a attribute[R]) bool { return a.name == p[0] })
	if i < 0 || attributes[i].set == nil {
		var names []string
		for _, a := range attributes {
			if a.set != nil {
				names = append(names, a.name)
			}
		}
		slices.Sort(names)
		return attribute[R]{}, errs.New(errs.Invalid, "%s is no attribute that rules set; those are %s", p, strings.Join(names, ", "))
	}
	return attributes[i], nil
}

// edit lets change make a new value of the old one at the path; objects on the way
// are made. found is false where there was none. Without keep, the value goes.
func edit[R any](r R, p attributePath, attributes []attribute[R], change func(old any, found bool) (v any, keep bool, err error)) error {
	a, err := check(p, attributes)
	if err != nil {
		return err
	}
	if len(p) == 1 {
		v, keep, err := change(a.get(r), true)
		if err != nil {
			return err
		}
		if !keep {
			v = nil
		}
		return a.set(r, v)
	}
	root, ok := a.get(r).(map[string]any)
	if !ok {
		return errs.New(errs.Invalid, "%s: %s is no object", p, p[0])
	}
	if err := editWithin(root, p[1:], p, change); err != nil {
		return err
	}
	return a.set(r, root)
}

func editWithin(m map[string]any, keys []string, p attributePath, change func(old any, found bool) (any, bool, error)) error {
	for _, k := range keys[:len(keys)-1] {
		next, ok := m[k].(map[string]any)
		if !ok && m[k] != nil {
			return errs.New(errs.Invalid, "%s: %s is %s, not an object", p, k, kindName(m[k]))
		}
		if !ok {
			if _, keep, err := change(nil, false); err != nil || !keep {
				return err // nothing to take away
			}
			next = map[string]any{}
			m[k] = next
		}
		m = next
	}
	last := keys[len(keys)-1]
	old, found := m[last]
	v, keep, err := change(old, found)
	switch {
	case err != nil:
		return err
	case keep:
		m[last] = v
	default:
		delete(m, last)
	}
	return nil
}

// view is what rules see of a resource: a JSON object, secrets masked.
func view[R any](r R, attributes []attribute[R]) map[string]any {
	out := make(map[string]any, len(attributes))
	for _, a := range attributes {
		out[a.name] = masked(a.name, a.get(r))
	}
	return out
}

// masked hides what looks like a secret, at any depth: all that is under its key but flags.
// Rules may set a password; none copies one to where it would be shown.
func masked(name string, v any) any { return ironic.MaskValue(name, v) }
