package fake

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/steps"
)

func TestSpansAreSecondsAsIronicHasThem(t *testing.T) {
	for in, want := range map[string]Span{"0": {}, "2": {2 * time.Second, 2 * time.Second}, "0.5": {500 * time.Millisecond, 500 * time.Millisecond},
		"1, 5": {time.Second, 5 * time.Second}} {
		if got, err := ParseSpan(in); err != nil || got != want {
			t.Errorf("%q: %v %v", in, got, err)
		}
	}
	for _, in := range []string{"", "x", "-1", "5,1", "1,2,3", "NaN", "+Inf", "1e9"} {
		if got, err := ParseSpan(in); err == nil || !strings.Contains(err.Error(), "expected seconds") {
			t.Errorf("%q: %v %v", in, got, err)
		}
	}
	s := Span{time.Second, 3 * time.Second}
	if s.pick(0) != time.Second || s.pick(1) != 3*time.Second || s.pick(0.5) >= 2*time.Second {
		t.Errorf("%v %v %v", s.pick(0), s.pick(0.5), s.pick(1))
	}
}

// ran is the error of a step.
func ran(_ string, err error) error { return err }

func TestUsersMakeMachinesSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &Driver{Delays: map[string]Span{"power": {time.Second, time.Second}, "deploy": {time.Minute, time.Minute}}}
		n := &ironic.Node{UUID: "n", DriverInfo: map[string]any{"fake_power_delay": 7.0, "fake_bios_delay": "3", "fake_management_delay": "2"}}
		for what, tc := range map[string]struct {
			want time.Duration
			do   func() error
		}{
			"power":           {7 * time.Second, func() error { return d.SetPower(t.Context(), n, ironic.PowerOn) }},
			"another's power": {time.Second, func() error { return d.SetPower(t.Context(), &ironic.Node{UUID: "m"}, ironic.PowerOn) }},
			"the power state": {0, func() error { _, err := d.PowerState(t.Context(), n); return err }},
			"the boot device": {2 * time.Second, func() error { return d.SetBootDevice(t.Context(), n, ironic.BootPXE, false) }},
			"a step": {3 * time.Second, func() error {
				return ran(d.RunStep(t.Context(), n, steps.Clean, steps.Step{Interface: "bios", Name: "factory_reset"}))
			}},
			"a deployment":  {time.Minute, func() error { return d.Pretend(t.Context(), n, "deploy") }},
			"an inspection": {0, func() error { return d.Pretend(t.Context(), n, "inspect") }},
			"a lamp":        {2 * time.Second, func() error { _, err := d.Indicators(t.Context(), n); return err }},
			"the console":   {0, func() error { return d.SetConsole(t.Context(), n, true) }},
		} {
			began := time.Now()
			if err := tc.do(); err != nil || time.Since(began) != tc.want {
				t.Errorf("%s: %v, want %v: %v", what, time.Since(began), tc.want, err)
			}
		}
	})
}

func TestUsersMakeMachinesFail(t *testing.T) {
	d := &Driver{}
	n := &ironic.Node{UUID: "n", DriverInfo: map[string]any{keyFail: "power on, raid ,inspect"}}
	for what, tc := range map[string]struct {
		fails bool
		err   error
	}{
		"power on":  {true, d.SetPower(t.Context(), n, ironic.PowerOn)},
		"power off": {false, d.SetPower(t.Context(), n, ironic.PowerOff)},
		"a step":    {true, ran(d.RunStep(t.Context(), n, steps.Clean, steps.Step{Interface: "raid", Name: "delete_configuration"}))},
		"another":   {false, ran(d.RunStep(t.Context(), n, steps.Clean, steps.Step{Interface: "bios", Name: "factory_reset"}))},
		"inspect":   {true, d.Pretend(t.Context(), n, "inspect")},
		"deploy":    {false, d.Pretend(t.Context(), n, "deploy")},
	} {
		if errs.Is(tc.err, errs.Unavailable) != tc.fails || !tc.fails && tc.err != nil {
			t.Errorf("%s: %v", what, tc.err)
		}
	}
}

func TestAWrongDelayIsRefused(t *testing.T) {
	d := &Driver{}
	for key, v := range map[string]any{"fake_power_delay": "soon", "fake_deploy_delay": -1.0, keyFail: true, "fake_raid_delay": []any{1}} {
		err := d.Validate(&ironic.Node{DriverInfo: map[string]any{key: v}})
		if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "driver_info/"+key+": expected ") {
			t.Errorf("%s=%v: %v", key, v, err)
		}
	}
	if err := d.Validate(&ironic.Node{DriverInfo: map[string]any{"fake_power_delay": "1,2", "fake_rescue_delay": 3.0, keyFail: "power", "foo": "bar"}}); err != nil {
		t.Error(err)
	}
}
