package fake

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/driver"
)

var _ driver.Pretender = (*Driver)(nil)

// Span is how long something takes: Least, or anything from there to Most, short times
// being likelier than long ones.
type Span struct{ Least, Most time.Duration }

// longestDelay keeps a slip of the pen from holding a node for ever.
const longestDelay = 24 * time.Hour

// ParseSpan reads seconds, such as 2 or 0.5, or two numbers of them, such as 1,5, as Ironic's
// options of fake hardware have them. The error says what was expected.
func ParseSpan(s string) (Span, error) {
	wrong := fmt.Errorf("expected seconds from 0 to %d, such as 2 or 0.5, or a least and a greatest number of them, such as 1,5", int(longestDelay.Seconds()))
	words := strings.Split(s, ",")
	if len(words) > 2 {
		return Span{}, wrong
	}
	var out []time.Duration
	for _, w := range words {
		f, err := strconv.ParseFloat(strings.TrimSpace(w), 64)
		if err != nil || !(f >= 0 && f <= longestDelay.Seconds()) {
			return Span{}, wrong
		}
		out = append(out, time.Duration(f*float64(time.Second)))
	}
	span := Span{out[0], out[len(out)-1]}
	if span.Most < span.Least {
		return Span{}, wrong
	}
	return span, nil
}

// pick chooses a time; u is from 0 to 1.
func (s Span) pick(u float64) time.Duration {
	return s.Least + time.Duration(float64(s.Most-s.Least)*(1-math.Sqrt(1-u)))
}

// Interfaces are those of a node whose actions can be made to take their time.
func Interfaces() []string {
	return []string{"bios", "console", "deploy", "inspect", "management", "power", "raid", "rescue"}
}

// keyFail in driver_info names what fails.
const keyFail = "fake_fail"

func delayKey(kind string) string { return "fake_" + kind + "_delay" }

// kindOf is the interface that an action belongs to.
func kindOf(action string) string {
	if _, step, found := strings.Cut(action, " "); found && strings.Contains(step, ".") { // clean bios.factory_reset
		kind, _, _ := strings.Cut(step, ".")
		return kind
	}
	word, _, _ := strings.Cut(action, " ")
	if word != "management" && slices.Contains(Interfaces(), word) {
		return word
	}
	return "management"
}

// Properties are the keys of driver_info by which a user makes a machine slow or broken.
func (d *Driver) Properties() map[string]string {
	out := map[string]string{keyFail: "What fails, with commas in between: actions such as \"power on\", \"power state\", \"boot device\" or " +
		"\"clean bios.factory_reset\", or interfaces: all actions of " + strings.Join(Interfaces(), ", ") + ". Optional."}
	for _, kind := range Interfaces() {
		out[delayKey(kind)] = "Seconds that each action of the " + kind + " interface takes: 2, or 1,5 for a random number in between. " +
			"Default: [fake] " + kind + "_delay of the service's configuration. Optional."
	}
	return out
}

// Validate looks at the keys of Properties.
func (d *Driver) Validate(n *ironic.Node) error {
	for _, key := range slices.Sorted(maps.Keys(d.Properties())) {
		v, given := n.DriverInfo[key]
		if !given {
			continue
		}
		if _, ok := v.(string); key == keyFail && !ok {
			return errs.New(errs.Invalid, "driver_info/%s: expected a text such as \"power on,boot device\"", key)
		}
		if _, err := ParseSpan(fmt.Sprint(v)); key != keyFail && err != nil {
			return errs.New(errs.Invalid, "driver_info/%s: %s", key, err)
		}
	}
	return nil
}

// delay is how long an action takes on n. Asking for the power state takes none, as with Ironic:
// power sync asks all the time.
func (d *Driver) delay(n *ironic.Node, action string) time.Duration {
	if action == "power state" {
		return 0
	}
	span := d.Delays[kindOf(action)]
	if v, given := n.DriverInfo[delayKey(kindOf(action))]; given {
		if s, err := ParseSpan(fmt.Sprint(v)); err == nil { // Validate has the others
			span = s
		}
	}
	return span.pick(rand.Float64())
}

// refusal is the failure that a node's driver_info asks for.
func refusal(n *ironic.Node, action string) error {
	list, _ := n.DriverInfo[keyFail].(string)
	for _, word := range strings.Split(list, ",") {
		if word = strings.TrimSpace(word); word != "" && (word == action || word == kindOf(action)) {
			return errs.New(errs.Unavailable, "%s: the machine was told to fail by driver_info/%s", action, keyFail)
		}
	}
	return nil
}

// Pretend takes the time, or fails, as inspect, deploy and rescue were told to.
func (d *Driver) Pretend(ctx context.Context, n *ironic.Node, kind string) error {
	return d.begin(ctx, n, kind)
}
