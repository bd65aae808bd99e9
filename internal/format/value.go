package format

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sort"
	"strconv"
	"strings"

	"trefoil/internal/yaml"
)

// Text shows a value as Python's str() would: None, True, {'a': 1}, ['x'].
func Text(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return repr(v)
}

func repr(v any) string {
	switch x := v.(type) {
	case nil:
		return "None"
	case bool:
		if x {
			return "True"
		}
		return "False"
	case string:
		if strings.Contains(x, "'") && !strings.Contains(x, `"`) {
			return `"` + x + `"`
		}
		return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`, "\n", `\n`).Replace(x) + "'"
	case float64:
		return strconv.FormatFloat(x, 'f', -1, 64)
	case []string:
		return repr(anys(x))
	case []any:
		out := make([]string, len(x))
		for i, e := range x {
			out[i] = repr(e)
		}
		return "[" + strings.Join(out, ", ") + "]"
	case map[string]any:
		keys := make([]string, 0, len(x))
		for k := range x {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		out := make([]string, len(keys))
		for i, k := range keys {
			out[i] = repr(k) + ": " + repr(x[k])
		}
		return "{" + strings.Join(out, ", ") + "}"
	case fmt.Stringer:
		return x.String()
	default:
		return fmt.Sprint(x)
	}
}

func isNumber(v any) bool {
	switch v.(type) {
	case int, int32, int64, uint, uint32, uint64, float32, float64, json.Number:
		return true
	}
	return false
}

// object is a map that keeps its order in JSON and YAML.
type object struct {
	keys   []string
	values []any
}

func (o *object) add(k string, v any) { o.keys, o.values = append(o.keys, k), append(o.values, v) }

// MarshalJSON writes the keys in the order they were added.
func (o *object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, k := range o.keys {
		if i > 0 {
			b.WriteByte(',')
		}
		kb, err := json.Marshal(k)
		if err != nil {
			return nil, err
		}
		vb, err := json.Marshal(o.values[i])
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", k, err)
		}
		b.Write(kb)
		b.WriteByte(':')
		b.Write(vb)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// MarshalYAML writes the keys in the order they were added.
func (o *object) MarshalYAML() (any, error) {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for i, k := range o.keys {
		key, val := &yaml.Node{}, &yaml.Node{}
		key.SetString(k)
		if err := val.Encode(o.values[i]); err != nil {
			return nil, fmt.Errorf("column %s: %w", k, err)
		}
		n.Content = append(n.Content, key, val)
	}
	return n, nil
}
