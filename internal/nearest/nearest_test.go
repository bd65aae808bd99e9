package nearest_test

import (
	"testing"

	"trefoil/internal/nearest"
)

func TestName(t *testing.T) {
	known := []string{"overcloud node import", "overcloud deploy", "get_param", "get_attr"}
	for written, want := range map[string]string{"get_parm": "get_param", "overcloud nod import": "overcloud node import", "overclod deploy": "overcloud deploy", "zzz": "", "": ""} {
		if got := nearest.Name(written, known); got != want {
			t.Errorf("%q: got %q, want %q", written, got, want)
		}
	}
	if got := nearest.Hint("get_atr", known); got != `; did you mean "get_attr"?` {
		t.Errorf("got %s", got)
	}
}
