package hot

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"strconv"
	"strings"
)

// convert makes a value of the parameter's type, as Heat does with what a person
// gives. The second result is "" or says why it cannot.
func (d *Parameter) convert(v any) (any, string) {
	switch d.Type {
	case "string":
		return pythonString(v), ""
	case "number":
		return convertNumber(v)
	case "boolean":
		return convertBoolean(v)
	case "json":
		return convertJSON(v)
	}
	return convertList(v)
}

func convertNumber(v any) (any, string) {
	switch v := v.(type) {
	case nil:
		return 0, ""
	case int, float64, bool: // a boolean is a number in Python, and stays what it is
		return v, ""
	case string:
		s := strings.TrimSpace(v)
		if strings.Contains(s, "__") || strings.HasPrefix(s, "_") || strings.HasSuffix(s, "_") {
			break
		}
		s = strings.ReplaceAll(s, "_", "")
		if n, err := strconv.Atoi(s); err == nil {
			return n, ""
		}
		f, err := strconv.ParseFloat(s, 64)
		if err == nil && !math.IsNaN(f) && !math.IsInf(f, 0) && !strings.ContainsAny(s, "xXpP") {
			return f, ""
		}
	}
	return v, "which is not a number"
}

func convertBoolean(v any) (any, string) {
	switch t := v.(type) {
	case nil:
		return false, ""
	case bool:
		return t, ""
	case float64, []any, map[string]any:
		return v, "which is not a boolean"
	}
	switch strings.ToLower(strings.TrimSpace(pythonString(v))) {
	case "1", "t", "true", "on", "y", "yes":
		return true, ""
	case "0", "f", "false", "off", "n", "no":
		return false, ""
	}
	return v, "which is not a boolean"
}

func convertJSON(v any) (any, string) {
	switch t := v.(type) {
	case nil:
		return map[string]any{}, ""
	case string:
		if t == "" {
			return t, ""
		}
		out, ok := parseJSON(t)
		if !ok {
			return v, "which is not JSON"
		}
		return out, ""
	}
	return v, ""
}

// parseJSON reads JSON with whole numbers as int, as far as it nests no deeper
// than a template may.
func parseJSON(text string) (any, bool) {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, false
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, false
	}
	return numbers(v, 0)
}

// numbers replaces the decoder's numbers in a value that was just made.
func numbers(v any, depth int) (any, bool) {
	if depth > maxDepth {
		return nil, false
	}
	ok := true
	switch t := v.(type) {
	case json.Number:
		if n, err := strconv.Atoi(t.String()); err == nil {
			return n, true
		}
		f, err := t.Float64()
		return f, err == nil
	case []any:
		for i := range t {
			if t[i], ok = numbers(t[i], depth+1); !ok {
				return nil, false
			}
		}
	case map[string]any:
		for k := range t {
			if t[k], ok = numbers(t[k], depth+1); !ok {
				return nil, false
			}
		}
	}
	return v, true
}

func convertList(v any) (any, string) {
	switch t := v.(type) {
	case nil:
		return []any{}, ""
	case []any:
		out := make([]any, len(t))
		for i, e := range t {
			out[i] = pythonItem(e)
		}
		return out, ""
	case []string:
		out := make([]any, len(t))
		for i, e := range t {
			out[i] = e
		}
		return out, ""
	case string:
		if t == "" {
			return []any{}, ""
		}
		out := []any{}
		for _, part := range strings.Split(t, ",") {
			out = append(out, part) // spaces are part of the items, as in Heat
		}
		return out, ""
	}
	return v, "which is neither a list nor text with commas"
}

// pythonString is str(v) of Python where Heat makes text of a value: lists and
// maps as Python writes them, maps sorted by key.
func pythonString(v any) string {
	switch v.(type) {
	case map[string]any, []any:
		return pythonRepr(v)
	}
	return String(v)
}

// pythonItem is str(v) of an item, where null is None.
func pythonItem(v any) string {
	if v == nil {
		return "None"
	}
	return pythonString(v)
}

// pythonRepr is repr(v) of Python.
func pythonRepr(v any) string {
	switch t := v.(type) {
	case nil:
		return "None"
	case string:
		return pythonQuote(t)
	case []any:
		parts := make([]string, len(t))
		for i, e := range t {
			parts[i] = pythonRepr(e)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		parts := make([]string, 0, len(t))
		for _, k := range sortedKeys(t) {
			parts = append(parts, pythonQuote(k)+": "+pythonRepr(t[k]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return String(v)
}

// pythonQuote writes a string as Python does: in single quotes, unless it has
// single ones and no double ones.
func pythonQuote(s string) string {
	q := "'"
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		q = `"`
	}
	r := strings.NewReplacer(`\`, `\\`, q, `\`+q, "\n", `\n`, "\r", `\r`, "\t", `\t`)
	return q + r.Replace(s) + q
}

// toNumber returns a number as Python counts: true is one.
func toNumber(v any) (float64, bool) {
	switch v := v.(type) {
	case int:
		return float64(v), true
	case int64:
		return float64(v), true
	case float64:
		return v, true
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}
