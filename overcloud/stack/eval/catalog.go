package eval

// Types lists the resource types that a registry chain may end in, sorted.
func Types() []string { return builtins() }

// Schema tells what a built-in type accepts and offers, by name; nil is anything.
// ok is false where there is no such type.
func Schema(name string) (properties, attributes []string, ok bool) {
	k := builtin(name)
	if k == nil {
		return nil, nil, false
	}
	return k.properties, k.attributes, true
}
