package ironic

import (
	"slices"
	"strings"

	"trefoil/internal/errs"
)

// States of indicators as Ironic's API shows them.
const (
	IndicatorOn       = "on"
	IndicatorOff      = "off"
	IndicatorBlinking = "blinking"
)

// Indicator is a lamp on a part of a machine.
type Indicator struct {
	Component string // chassis, system, disk, power or nic
	Name      string // unique within the component
	ReadOnly  bool
	States    []string // what it can show
}

// IndicatorComponents are the parts of machines that may have indicators.
func IndicatorComponents() []string { return []string{"chassis", "system", "disk", "power", "nic"} }

// FindIndicator looks for one among those of a machine. Invalid: it is not there.
func FindIndicator(list []Indicator, component, name string) (Indicator, error) {
	var names, components []string
	for _, i := range list {
		if !slices.Contains(components, i.Component) {
			components = append(components, i.Component)
		}
		if i.Component != component {
			continue
		}
		if i.Name == name {
			return i, nil
		}
		names = append(names, i.Name)
	}
	if names == nil {
		return Indicator{}, errs.New(errs.Invalid, "Invalid component %s specified.", component).WithHint("there are %s", strings.Join(components, ", "))
	}
	return Indicator{}, errs.New(errs.Invalid, "Invalid indicator %s specified.", name).WithHint("%s has %s", component, strings.Join(names, ", "))
}

// MayShow allows a state. Invalid: the indicator can only be read, or cannot show it.
func (i Indicator) MayShow(state string) error {
	if i.ReadOnly {
		return errs.New(errs.Invalid, "Indicator %s@%s can not be set: it is read only.", i.Name, i.Component)
	}
	if !slices.Contains(i.States, state) {
		return errs.New(errs.Invalid, "Invalid indicator state %s specified.", state).
			WithHint("%s@%s takes %s", i.Name, i.Component, strings.Join(i.States, ", "))
	}
	return nil
}
