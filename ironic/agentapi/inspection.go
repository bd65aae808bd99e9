package agentapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sort"
	"strconv"
	"strings"

	"trefoil/internal/errs"
)

// ParseInspectionData reads what an agent posts. Errors are Invalid and say where
// something is (inventory.disks[0].size), what was found and what was expected.
func ParseInspectionData(payload []byte) (*InspectionData, error) {
	var d InspectionData
	if err := json.Unmarshal(payload, &d); err != nil {
		return nil, explain(payload, err)
	}
	var top struct {
		Inventory json.RawMessage `json:"inventory"`
	}
	if json.Unmarshal(payload, &top) != nil || !bytes.HasPrefix(top.Inventory, []byte("{")) {
		return nil, errs.New(errs.Invalid, "the inspection data holds no inventory: inventory: expected an object, found nothing")
	}
	return &d, nil
}

// explain says in words what encoding/json refused.
func explain(payload []byte, err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		at := min(int(syntax.Offset), len(payload))
		line := 1 + bytes.Count(payload[:at], []byte("\n"))
		return errs.New(errs.Invalid, "the inspection data is no valid JSON: line %d, byte %d: %s", line, at, syntax)
	}
	var whole any
	dec := json.NewDecoder(bytes.NewReader(payload))
	dec.UseNumber()
	why := ""
	if dec.Decode(&whole) == nil {
		why = mismatch("", whole, reflect.TypeFor[InspectionData]())
	}
	if why == "" {
		return errs.Wrap(errs.Invalid, err, "the inspection data is not in ironic-python-agent's schema")
	}
	return errs.New(errs.Invalid, "the inspection data is not in ironic-python-agent's schema: %s", why)
}

// mismatch finds the first value that a type does not take, in the order of the names,
// and says where it is. v comes from a decoder that keeps numbers as they are written.
func mismatch(path string, v any, t reflect.Type) string {
	if v == nil && path != "" || t.Kind() == reflect.Interface {
		return "" // null leaves a field alone
	}
	switch t.Kind() {
	case reflect.Pointer:
		return mismatch(path, v, t.Elem())
	case reflect.Slice:
		list, ok := v.([]any)
		for i := range list {
			if why := mismatch(path+"["+strconv.Itoa(i)+"]", list[i], t.Elem()); why != "" {
				return why
			}
		}
		return unless(ok, path, "a list", v)
	case reflect.Map:
		_, ok := v.(map[string]any)
		return unless(ok, path, "an object", v)
	case reflect.Struct:
		object, ok := v.(map[string]any)
		if !ok {
			return unless(ok, path, "an object", v)
		}
		return members(path, object, t)
	case reflect.String:
		_, ok := v.(string)
		return unless(ok, path, "a text", v)
	case reflect.Bool:
		_, ok := v.(bool)
		return unless(ok, path, "true or false", v)
	}
	n, _ := v.(json.Number)
	_, err := strconv.ParseInt(n.String(), 10, t.Bits())
	return unless(err == nil, path, fmt.Sprintf("a whole number of %d bits", t.Bits()), v)
}

// members looks at the fields that an object has, by name as encoding/json finds them.
func members(path string, object map[string]any, t reflect.Type) string {
	names := make([]string, 0, len(object))
	for k := range object {
		names = append(names, k)
	}
	sort.Strings(names)
	for _, name := range names {
		for f := range t.Fields() {
			tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if !strings.EqualFold(tag, name) {
				continue
			}
			if why := mismatch(strings.TrimPrefix(path+"."+name, "."), object[name], f.Type); why != "" {
				return why
			}
		}
	}
	return ""
}

func unless(ok bool, path, expected string, v any) string {
	switch {
	case ok:
		return ""
	case path == "":
		return "expected " + expected + ", found " + found(v)
	}
	return path + ": expected " + expected + ", found " + found(v)
}

// found names a value; a long text is cut.
func found(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case string:
		if r := []rune(v); len(r) > 40 {
			v = string(r[:40]) + "…"
		}
		return "the text " + strconv.Quote(v)
	case json.Number:
		if len(v) > 40 {
			v = v[:40] + "…"
		}
		return "the number " + v.String()
	case bool:
		return strconv.FormatBool(v)
	case []any:
		return "a list"
	}
	return "an object"
}
