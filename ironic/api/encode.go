package api

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"time"

	"trefoil/ironic"
)

// pair is one member of an object; objects keep their members' order.
type pair struct {
	key   string
	value any
}

// object is a JSON object in a chosen order.
type object []pair

// names are the object's members, in their order.
func (o object) names() []string {
	out := make([]string, len(o))
	for i, p := range o {
		out[i] = p.key
	}
	return out
}

// appendJSON adds v to buf. What answers mostly consist of goes without reflection.
func appendJSON(buf []byte, v any) ([]byte, error) {
	switch x := v.(type) {
	case nil:
		return append(buf, "null"...), nil
	case bool:
		if x {
			return append(buf, "true"...), nil
		}
		return append(buf, "false"...), nil
	case string:
		return appendString(buf, x)
	case object:
		return appendObject(buf, x)
	case []object:
		return appendList(buf, x, appendObject)
	case links:
		return appendLinks(buf, x)
	case []string:
		return appendList(buf, x, appendString)
	case []any:
		return appendList(buf, x, appendJSON)
	case map[string]any:
		return appendMap(buf, x)
	case float64:
		if i := int64(x); math.Abs(x) < 1e15 && float64(i) == x && (i != 0 || !math.Signbit(x)) {
			return strconv.AppendInt(buf, i, 10), nil
		}
	}
	return appendAny(buf, v)
}

func appendList[T any](buf []byte, list []T, item func([]byte, T) ([]byte, error)) ([]byte, error) {
	buf = append(buf, '[')
	for i, v := range list {
		if i > 0 {
			buf = append(buf, ',')
		}
		var err error
		if buf, err = item(buf, v); err != nil {
			return nil, err
		}
	}
	return append(buf, ']'), nil
}

// appendMap adds the members in the order of their keys, as encoding/json does.
func appendMap(buf []byte, m map[string]any) ([]byte, error) {
	keys := make([]string, 0, 8)
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	buf = append(buf, '{')
	for i, k := range keys {
		if i > 0 {
			buf = append(buf, ',')
		}
		var err error
		if buf, err = appendString(buf, k); err != nil {
			return nil, err
		}
		if buf, err = appendJSON(append(buf, ':'), m[k]); err != nil {
			return nil, err
		}
	}
	return append(buf, '}'), nil
}

func appendObject(buf []byte, o object) ([]byte, error) {
	buf = append(buf, '{')
	for i, p := range o {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = append(buf, '"')
		buf = append(buf, p.key...) // keys are our own field names
		buf = append(buf, '"', ':')
		var err error
		if buf, err = appendJSON(buf, p.value); err != nil {
			return nil, err
		}
	}
	return append(buf, '}'), nil
}

// links are the self and bookmark links of the resource at path. Every answer has some, a node's
// five of them: as objects they would be dozens of small allocations.
type links struct{ base, path string }

func appendLinks(buf []byte, l links) ([]byte, error) {
	buf, err := appendString(append(buf, `[{"href":`...), l.base+"/v1/"+l.path)
	if err != nil {
		return nil, err
	}
	buf, err = appendString(append(buf, `,"rel":"self"},{"href":`...), l.base+"/"+l.path)
	return append(buf, `,"rel":"bookmark"}]`...), err
}

func appendString(buf []byte, s string) ([]byte, error) {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			return appendAny(buf, s)
		}
	}
	buf = append(buf, '"')
	buf = append(buf, s...)
	return append(buf, '"'), nil
}

func appendAny(buf []byte, v any) ([]byte, error) {
	w := bytes.NewBuffer(buf)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(w.Bytes(), []byte("\n")), nil
}

// timeText is how Ironic writes a time: UTC, micros unless they are zero.
func timeText(t time.Time) string {
	t = t.UTC()
	if t.Nanosecond()/1000 == 0 {
		return t.Format("2006-01-02T15:04:05+00:00")
	}
	return t.Format("2006-01-02T15:04:05.000000+00:00")
}

// orNull makes the empty string null.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func timeOrNull(t *time.Time) any {
	if t == nil || t.IsZero() {
		return nil
	}
	return timeText(*t)
}

func boolOrNull(b *bool) any {
	if b == nil {
		return nil
	}
	return *b
}

// mapOrEmpty makes a missing object {}.
func mapOrEmpty(m map[string]any) any {
	if m == nil {
		return map[string]any{}
	}
	return m
}

// masked is what stands in the place of a secret.
const masked = ironic.Masked

// neverShown names what is no secret by its key's words, and shown nowhere all the same.
func neverShown() []string { return []string{"configdrive", "image_url"} }

// maskStep is mask for a step: its arguments may be an image and a config drive.
func maskStep(m map[string]any) map[string]any { return mask(m, neverShown()...) }

// mask is ironic.Mask, and nil of an empty map, which is written as {}.
func mask(m map[string]any, always ...string) map[string]any {
	if len(m) == 0 {
		return nil
	}
	return ironic.Mask(m, always...)
}

// keepSecrets puts the stored secret back where a client sent the mask it was
// shown, so that reading, editing and writing an object loses nothing.
func keepSecrets(sent, stored map[string]any) {
	for k, v := range sent {
		if old, had := stored[k]; had {
			sent[k] = keptSecret(v, old)
		}
	}
}

// keptSecret is keepSecrets for any value. A step is looked for by its name among the
// stored ones, other members of a list by their place.
func keptSecret(sent, stored any) any {
	switch x := sent.(type) {
	case string:
		if x == masked {
			return stored
		}
	case map[string]any:
		if old, ok := stored.(map[string]any); ok {
			keepSecrets(x, old)
		}
	case []any:
		old, _ := stored.([]any)
		for i, item := range x {
			if j := counterpart(item, i, old); j >= 0 {
				x[i] = keptSecret(item, old[j])
			}
		}
	}
	return sent
}

// counterpart finds the place that a list's member had; -1: it is new.
func counterpart(item any, place int, old []any) int {
	if want := stepName(item); want != "" {
		return slices.IndexFunc(old, func(v any) bool { return stepName(v) == want })
	}
	if place < len(old) {
		return place
	}
	return -1
}

// stepName is interface and name of a step; empty for what is none.
func stepName(v any) string {
	m, _ := v.(map[string]any)
	iface, _ := m["interface"].(string)
	step, _ := m["step"].(string)
	if iface == "" || step == "" {
		return ""
	}
	return iface + "." + step
}
