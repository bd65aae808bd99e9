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
	if got := nearest.Name("strat", []string{"status", "start", "stop"}); got != "start" {
		t.Errorf("swapped letters: got %q, want start", got)
	}
	for pair, want := range map[[2]string]int{{"", "abc"}: 3, {"abc", ""}: 3, {"abcd", "abdc"}: 1, {"ca", "abc"}: 3, {"kitten", "sitting"}: 3} {
		if got := nearest.Distance(pair[0], pair[1]); got != want {
			t.Errorf("distance of %q: got %d, want %d", pair, got, want)
		}
	}
	if got := nearest.Hint("get_atr", known); got != `; did you mean "get_attr"?` {
		t.Errorf("got %s", got)
	}
}
