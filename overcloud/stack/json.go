package stack

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"trefoil/internal/errs"
)

// MarshalJSON keeps fractions apart from whole numbers: 3.0 does not become 3.
func (in Input) MarshalJSON() ([]byte, error) {
	type plain Input
	out := plain(in)
	out.Parameters, _ = exact(in.Parameters).(map[string]any)
	return json.Marshal(out)
}

// UnmarshalJSON keeps whole numbers whole: templates tell 3 from 3.0.
func (in *Input) UnmarshalJSON(data []byte) error {
	type plain Input
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode((*plain)(in)); err != nil {
		return err
	}
	for k, v := range in.Parameters {
		n, err := numbers(v)
		if err != nil {
			return fmt.Errorf("parameter %s: %w", k, err)
		}
		in.Parameters[k] = n
	}
	return nil
}

// numbers is v with numbers for those of JSON; it changes v, which is the decoder's.
func numbers(v any) (out any, err error) {
	switch x := v.(type) {
	case json.Number:
		if n, err := x.Int64(); err == nil {
			return int(n), nil
		}
		f, err := x.Float64()
		if err != nil {
			return nil, errs.New(errs.Invalid, "the number %s is too large", x)
		}
		return f, nil
	case []any:
		for i := range x {
			if x[i], err = numbers(x[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for k := range x {
			if x[k], err = numbers(x[k]); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// exact is v with floating-point numbers as both JSON and Heat's YAML read them:
// with a point, and an exponent with a sign.
func exact(v any) any {
	switch x := v.(type) {
	case float64:
		text := strconv.FormatFloat(x, 'g', -1, 64)
		if mantissa, exponent, _ := strings.Cut(text, "e"); !strings.Contains(mantissa, ".") && !math.IsInf(x, 0) && !math.IsNaN(x) {
			text = mantissa + ".0"
			if exponent != "" {
				text += "e" + exponent
			}
		}
		return json.Number(text)
	case []any:
		out := make([]any, len(x))
		for i := range x {
			out[i] = exact(x[i])
		}
		return out
	case map[string]any:
		if x == nil {
			return x
		}
		out := make(map[string]any, len(x))
		for k := range x {
			out[k] = exact(x[k])
		}
		return out
	}
	return v
}
