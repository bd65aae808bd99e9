package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/nearest"
	"trefoil/overcloud/hot"
)

// byHand is the parameter that names what a person has changed in the cloud already.
const byHand = "PasswordsChangedByHand"

// busUser is the parameter with the name of the message bus's user, which RabbitMQ keeps
// like the password; our templates call it busUserDefault.
const (
	busUser        = "RabbitUserName"
	busUserDefault = "openstack"
)

// Changeable refuses passwords and keys that are others than those of before, the plan that
// is deployed, where a deployment only writes them into files: what holds them in the cloud
// has those of before. What PasswordsChangedByHand names passes. Values are not told.
func (p *Plan) Changeable(before *Plan) error {
	waived := words(p.Parameters[byHand])
	var lines []string
	names := append(sortedKeys(p.Passwords), busUser)
	for _, name := range waived {
		if name != "" && !slices.Contains(names, name) {
			lines = append(lines, fmt.Sprintf("%s: there is no password or key %q%s", byHand, name, nearest.Hint(name, names)))
		}
	}
	for _, name := range names {
		was, now, why := before.kept(name), p.kept(name), fixed(name)
		// The keys of tokens are fixed by their names only: with others users log in again.
		if why == "" || slices.Contains(fernetKeys(), name) || was == "" || now == "" || was == now || slices.Contains(waived, name) {
			continue
		}
		lines = append(lines, fmt.Sprintf("%s is another one than was deployed, and a deployment does not change it in the cloud: %s", name, why))
	}
	if len(lines) == 0 {
		return nil
	}
	return errs.New(errs.Invalid, "%s", strings.Join(lines, "\n")).
		WithHint("give what the last deployment was given (nothing, where it was generated); what was changed in the cloud before is named in an environment under parameter_defaults: %s: [%s]", byHand, busPassword)
}

// kept is the value of what lives on in the cloud that the plan is; "" where there is none,
// or nothing in the cloud that would hold it.
func (p *Plan) kept(name string) string {
	if !slices.Contains(p.Declared, name) {
		return ""
	}
	ofCeph := slices.Contains(cephNames, name) || slices.Contains(uuidNames, name)
	switch {
	case ofCeph && len(p.OSDs()) == 0:
		return ""
	case name == busUser:
		return cmp.Or(hot.String(p.Parameters[name]), busUserDefault)
	}
	return p.Passwords[name]
}

// words are the items of a list, as environments have them: as a list, or joined by commas.
func words(v any) []string {
	list, ok := v.([]any)
	if !ok && v != nil {
		for _, item := range strings.Split(hot.String(v), ",") {
			list = append(list, item)
		}
	}
	var out []string
	for _, item := range list {
		out = append(out, strings.TrimSpace(hot.String(item)))
	}
	return out
}
