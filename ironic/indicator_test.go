package ironic

import (
	"strings"
	"testing"

	"trefoil/internal/errs"
)

func TestIndicatorsAreFoundByComponentAndName(t *testing.T) {
	list := []Indicator{{Component: "chassis", Name: "led-0", ReadOnly: true, States: []string{"on"}},
		{Component: "system", Name: "led", States: []string{"off", "on"}}}
	if i, err := FindIndicator(list, "system", "led"); err != nil || i.ReadOnly {
		t.Errorf("%+v %v", i, err)
	}
	for name, want := range map[string]string{"nic/led": "Invalid component nic specified.", "chassis/led": "Invalid indicator led specified."} {
		component, lamp, _ := strings.Cut(name, "/")
		if _, err := FindIndicator(list, component, lamp); !errs.Is(err, errs.Invalid) || err.Error() != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
	if err := list[0].MayShow("on"); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "led-0@chassis") {
		t.Errorf("one that can only be read: %v", err)
	}
	if err := list[1].MayShow("blinking"); !errs.Is(err, errs.Invalid) || !strings.Contains(errs.HintOf(err), "off, on") {
		t.Errorf("a state that it cannot show: %v", err)
	}
	if err := list[1].MayShow("off"); err != nil {
		t.Error(err)
	}
}
