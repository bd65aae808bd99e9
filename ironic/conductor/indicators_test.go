package conductor_test

import (
	"slices"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/conductor"
	"trefoil/ironic/driver"
	"trefoil/ironic/driver/fake"
)

func TestIndicatorsReachTheMachine(t *testing.T) {
	w := newWorld(t, nil)
	n, ctx := w.node("manageable"), t.Context()
	list, err := w.c.Indicators(ctx, "control-1")
	w.ok(err)
	if len(list) != 2 || list[1].Name != "led" {
		t.Errorf("indicators %+v", list)
	}
	w.ok(w.c.SetIndicator(ctx, "control-1", "system", "led", ironic.IndicatorBlinking))
	if got, err := w.c.Indicator(ctx, n.UUID, "system", "led"); err != nil || got != ironic.IndicatorBlinking {
		t.Errorf("%q %v", got, err)
	}
	if err := w.c.SetIndicator(ctx, n.UUID, "chassis", "led-0", "off"); !errs.Is(err, errs.Invalid) {
		t.Errorf("one that can only be read: %v", err)
	}
	lines, err := w.db.History(ctx, n.UUID)
	w.ok(err)
	told := func(word string) bool {
		return slices.ContainsFunc(lines, func(e ironic.HistoryEntry) bool { return strings.Contains(e.Event, word) })
	}
	if !told("indicator led@system is blinking") || told("led-0") {
		t.Errorf("history %+v", lines)
	}
	if row := w.row(); row.Reservation != "" {
		t.Errorf("the node is held by %s", row.Reservation)
	}
}

func TestADriverWithoutIndicatorsAnswersAsIronics(t *testing.T) {
	w := newWorld(t, func(cfg *conductor.Config) {
		cfg.Drivers = map[string]driver.Driver{fake.Name: plain{cfg.Drivers[fake.Name]}}
	})
	w.node("manageable")
	ctx := t.Context()
	_, list := w.c.Indicators(ctx, "control-1")
	_, get := w.c.Indicator(ctx, "control-1", "system", "led")
	for extension, err := range map[string]error{"get_supported_indicators": list, "get_indicator_state": get,
		"set_indicator_state": w.c.SetIndicator(ctx, "control-1", "system", "led", "on")} {
		want := "Driver fake-hardware does not support " + extension + " (disabled or not implemented)."
		if !errs.Is(err, errs.Invalid) || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestIndicatorsOfANodeThatIsHeldAreNotRead(t *testing.T) {
	w := newWorld(t, nil)
	n := w.node("manageable")
	if _, err := w.db.Reserve(t.Context(), n.UUID, "somebody", "work"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.c.Indicator(t.Context(), n.UUID, "system", "led"); !errs.Is(err, errs.Locked) {
		t.Errorf("%v", err)
	}
}
