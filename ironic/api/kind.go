package api

import (
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"strings"

	"trefoil/ironic"
)

func sortStrings(s []string) { slices.Sort(s) }

// kind is what a field of a request body may hold.
type kind int

const (
	anyText   kind = iota // string or null
	shortText             // string of at most 255 characters, or null
	uuidText              // UUID or null
	flag                  // boolean, or a word for one
	nullFlag              // the same, or null
	dict                  // object or null
	integer               // a whole number, never null
	natural               // whole number from 0 on, or null for 0
	objects               // list of objects
)

// check returns the value in the type that setters expect: string, bool, *bool,
// map[string]any, int, []map[string]any. The refusal names resource and field.
func (k kind) check(resource, name string, v any) (any, error) {
	switch k {
	case flag:
		b, ok := parseBool(v)
		if !ok {
			return nil, schemaError(resource, name, v, "'boolean'")
		}
		return b, nil
	case nullFlag:
		if v == nil {
			return (*bool)(nil), nil
		}
		b, ok := parseBool(v)
		if !ok {
			return nil, schemaError(resource, name, v, "'boolean', 'null'")
		}
		return &b, nil
	case dict:
		if v == nil {
			return map[string]any{}, nil
		}
		m, ok := v.(map[string]any)
		if !ok {
			return nil, schemaError(resource, name, v, "'object', 'null'")
		}
		return m, nil
	case integer:
		f, ok := v.(float64)
		if !ok || f != math.Trunc(f) || math.Abs(f) > math.MaxInt32 {
			return nil, schemaError(resource, name, v, "'integer'")
		}
		return int(f), nil
	case natural:
		return checkNatural(resource, name, v)
	case objects:
		return checkObjects(resource, name, v)
	}
	return k.checkText(resource, name, v)
}

func (k kind) checkText(resource, name string, v any) (any, error) {
	if v == nil {
		return "", nil
	}
	s, ok := v.(string)
	if !ok {
		return nil, schemaError(resource, name, v, "'string', 'null'")
	}
	if k == shortText && len([]rune(s)) > 255 {
		return nil, tooLong(resource, name, 255)
	}
	if k == uuidText && s != "" && !ironic.IsUUID(s) {
		return nil, badRequest("Expected a UUID for %s but received %s.", name, s)
	}
	return s, nil
}

func tooLong(resource, name string, longest int) *apiError {
	return badRequest("Schema error for %s: %s is longer than %d characters", resource, name, longest)
}

func schemaError(resource, name string, v any, types string) *apiError {
	text, _ := json.Marshal(ironic.MaskValue(name, v, neverShown()...))
	if ironic.Secret(name) {
		text = []byte(masked)
	}
	if len(text) > 100 {
		text = append(text[:100], "…"...)
	}
	return badRequest("Schema error for %s: %s is not of type %s (field %s)", resource, text, types, name)
}

// parseBool knows JSON booleans and the words clients send in their place.
func parseBool(v any) (value, ok bool) {
	switch x := v.(type) {
	case bool:
		return x, true
	case string:
		switch strings.ToLower(strings.TrimSpace(x)) {
		case "true", "1", "t", "on", "y", "yes":
			return true, true
		case "false", "0", "f", "off", "n", "no":
			return false, true
		}
	}
	return false, false
}

// queryBool is parseBool for a query parameter.
func queryBool(name, value string) (*bool, error) {
	b, ok := parseBool(value)
	if !ok {
		return nil, badRequest("Invalid value '%s' for %s: expected a boolean", value, name)
	}
	return &b, nil
}

// hostPattern is what names were before 1.10: those of hosts.
var hostPattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$`)

// validName is Ironic's rule for names of nodes.
func validName(name string, version int) bool {
	if version < 10 && !hostPattern.MatchString(name) {
		return false
	}
	return ironic.ValidNodeName(name)
}
