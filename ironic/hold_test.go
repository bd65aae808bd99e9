package ironic

import (
	"strings"
	"testing"
	"time"

	"trefoil/internal/errs"
)

func TestARefusalSaysWhoWhatAndSinceWhen(t *testing.T) {
	at := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	for want, h := range map[string]Hold{
		"host a":                                            {Host: "a"},
		"host a (cleaning)":                                 {Host: "a", Purpose: "cleaning"},
		"host a (held for 1m30s)":                           {Host: "a", Since: at.Add(-90 * time.Second)},
		"host a (cleaning, held for 1m30s)":                 {Host: "a", Purpose: "cleaning", Since: at.Add(-90 * time.Second)},
		"host a (a clock that ran, held for 0s)":            {Host: "a", Purpose: "a clock that ran", Since: at.Add(time.Hour)},
		"host c (it is in state \"cleaning\", held for 5s)": (&Node{ProvisionState: "cleaning", ProvisionUpdatedAt: ptr(at.Add(-5 * time.Second))}).Transition("c"),
	} {
		if got := h.at(at); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	n := &Node{Conductor: "b"}
	if h := n.Transition("c"); h.Host != "b" {
		t.Errorf("the node's conductor: %+v", h)
	}
	n.Reservation = "r"
	if h := n.Transition("c"); h.Host != "r" {
		t.Errorf("who has its lock: %+v", h)
	}
	if err := (Hold{Host: "a", Purpose: "cleaning"}).Refusal("u"); !errs.Is(err, errs.Locked) || !strings.Contains(err.Error(), "Node u is locked by host a (cleaning), please retry") {
		t.Error(err)
	}
}

func ptr[T any](v T) *T { return &v }
