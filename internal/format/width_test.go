package format_test

import (
	"reflect"
	"testing"

	"trefoil/internal/format"
)

// Narrow is held to cliff's own tables in cmd/vbmc; here is what happens at its edges.
func TestNarrow(t *testing.T) {
	columns := []string{"A title", "B"}
	for _, c := range []struct {
		text  any
		width int
		want  any
	}{
		{"fits", 10, "fits"},
		{"", 1, ""},
		{123456789012, 10, "12345678\n9012"},
		{"one-two three", 10, "one-two \nthree"},
		{"--------- x", 10, "--------\n- x"},
		{"a-1-2-3-4-5-6", 10, "a-1-2-3-\n4-5-6"},
		{"short\nabcdefghij", 10, "short   \nabcdefgh\nij"},
		{"one--two", 10, "one--two"},
		{"nine--tenth", 10, "nine--  \ntenth"},
		{"ab-cd-ef gh-ij", 10, "ab-cd-ef\ngh-ij"},
	} {
		rows := format.Narrow(columns, [][]any{{c.text, "b"}}, c.width, 8)
		if !reflect.DeepEqual(rows, [][]any{{c.want, "b"}}) {
			t.Errorf("%q in %d: %q, want %q", c.text, c.width, rows, c.want)
		}
	}
}
