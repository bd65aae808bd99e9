package fake

import (
	"errors"
	"testing"

	"trefoil/internal/errs"
	"trefoil/ironic"
)

func TestALampShowsWhatItWasSetTo(t *testing.T) {
	d, a, b := &Driver{}, &ironic.Node{UUID: "a"}, &ironic.Node{UUID: "b"}
	if err := d.SetIndicator(t.Context(), a, "system", "led", ironic.IndicatorBlinking); err != nil {
		t.Fatal(err)
	}
	for n, want := range map[*ironic.Node]string{a: "blinking", b: "on"} {
		if got, err := d.Indicator(t.Context(), n, "system", "led"); err != nil || got != want {
			t.Errorf("%s: %q %v, want %s", n.UUID, got, err, want)
		}
	}
	list, err := d.Indicators(t.Context(), a)
	if err != nil || len(list) != 2 || list[0].Component != "chassis" || !list[0].ReadOnly || list[1].ReadOnly {
		t.Errorf("%+v %v", list, err)
	}
	if got, err := d.Indicator(t.Context(), a, "chassis", "led-0"); err != nil || got != "on" {
		t.Errorf("%q %v", got, err)
	}
	for name, err := range map[string]error{
		"read only":     d.SetIndicator(t.Context(), a, "chassis", "led-0", "off"),
		"no such state": d.SetIndicator(t.Context(), a, "system", "led", "purple"),
		"no such lamp":  d.SetIndicator(t.Context(), a, "system", "led-9", "off"),
	} {
		if !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	no := errors.New("no")
	d.Fail = func(string, string) error { return no }
	if _, err := d.Indicator(t.Context(), a, "system", "led"); !errors.Is(err, no) {
		t.Errorf("a failure became %v", err)
	}
}
