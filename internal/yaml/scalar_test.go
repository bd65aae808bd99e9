package yaml

import (
	"fmt"
	"testing"
)

// TestScalar holds to PyYAML 6's safe_load, but for what Scalar says stays text.
func TestScalar(t *testing.T) {
	for _, c := range []struct {
		text string
		want any
	}{
		{"yes", true}, {"On", true}, {"TRUE", true}, {"no", false}, {"Off", false}, {"yES", "yES"}, {"y", "y"},
		{"'yes'", "yes"}, {`"5"`, "5"}, {"|-\n  5", "5"},
		{"~", nil}, {"null", nil}, {"'null'", "null"},
		{"0", 0}, {"-17", -17}, {"+3", 3}, {"010", 8}, {"08", "08"}, {"0o17", "0o17"}, {"0x1f", 31}, {"-0b101", -5}, {"1_000", 1000},
		{"1:30", 90}, {"-190:20:30", -685230}, {"1:60", "1:60"}, {"'1:30'", "1:30"},
		{"1.5", 1.5}, {".5", 0.5}, {"1.", 1.0}, {"1.5e+3", 1500.0}, {"1e3", "1e3"}, {"1.5e3", "1.5e3"}, {"1_0.5", 10.5},
		{"99999999999999999999", "99999999999999999999"}, {".inf", ".inf"}, {".nan", ".nan"}, {"1.2.3", "1.2.3"}, {"+", "+"},
		{"!!str 5", "5"}, {"!!int '5'", 5}, {"!!float 5", 5.0}, {"!!bool 'Yes'", true}, {"!!str yes", "yes"},
	} {
		n, err := Parse("f", []byte("- "+c.text))
		if err != nil {
			t.Fatalf("%s: %v", c.text, err)
		}
		if got := Scalar(n.Content[0]); got != c.want {
			t.Errorf("%s is %s, want %s", c.text, typed(got), typed(c.want))
		}
	}
}

func typed(v any) string { return fmt.Sprintf("%#v (%T)", v, v) }

func FuzzScalar(f *testing.F) {
	for _, s := range []string{"1:59:59", "-0x_", "0b_", "+.e", "!!int x", "!!float 1:30", "'"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := Parse("f", data)
		if err != nil || n == nil || n.Kind != ScalarNode {
			return
		}
		switch v := Scalar(n).(type) {
		case nil, bool, int, float64, string:
		default:
			t.Errorf("%q is a %T", data, v)
		}
	})
}
