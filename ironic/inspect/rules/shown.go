package rules

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/ironic"
)

// Shown is a rule's actions, of either dialect, as they may be shown: what they write
// to where a secret belongs is stars, and so is what their loops bring there.
func Shown(actions []map[string]any) []map[string]any {
	out := make([]map[string]any, len(actions))
	for i, a := range actions {
		out[i] = shownAction(a)
	}
	return out
}

func shownAction(a map[string]any) map[string]any {
	out := maps.Clone(a)
	path, secret := target(a)
	hide := func(v any) any {
		if secret {
			return starred(v)
		}
		return masked("", v)
	}
	if loop, ok := a["loop"]; ok {
		out["loop"] = hide(loop)
	}
	at := valueAt(a)
	switch x := a["args"].(type) {
	case map[string]any:
		args := masked("", x).(map[string]any)
		if v, ok := x["value"]; ok && path != "" {
			args["value"] = hide(v)
		}
		out["args"] = args
	case []any:
		args := masked("", x).([]any)
		if path != "" && at < len(args) {
			args[at] = hide(x[at])
		}
		out["args"] = args
	case nil: // inspector's
		if v, ok := a["value"]; ok {
			out["value"] = hide(v)
		}
	}
	return out
}

// valueAt is where the value stands among arguments without names.
func valueAt(a map[string]any) int {
	op, _ := a["op"].(string)
	return slices.Index(deeds()[strings.TrimSpace(op)].required, "value")
}

// target is the path that an action writes to, and whether a secret belongs there.
// A path that a loop fills in is secret where one of its items makes it so.
func target(a map[string]any) (path string, secret bool) {
	switch x := a["args"].(type) {
	case map[string]any:
		path, _ = x["path"].(string)
	case []any:
		if i := valueAt(a) - 1; i >= 0 && i < len(x) {
			path, _ = x[i].(string)
		}
	default:
		path, _ = a["path"].(string)
	}
	if secretPath(path) {
		return path, true
	}
	return path, strings.Contains(path, "{") && namesSecret(a["loop"])
}

// secretPath reports whether the last word of a path is that of a secret.
func secretPath(s string) bool {
	p, err := parseAttributePath(s)
	return err == nil && ironic.Secret(p[len(p)-1])
}

// namesSecret reports whether a text within v, or a path that it is, names a secret.
func namesSecret(v any) bool {
	switch x := v.(type) {
	case string:
		return secretPath(x)
	case []any:
		return slices.ContainsFunc(x, namesSecret)
	case map[string]any:
		return slices.ContainsFunc(slices.Collect(maps.Values(x)), namesSecret)
	}
	return false
}

// starred puts stars in the place of all that v holds but flags.
func starred(v any) any {
	switch x := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(x))
		for k, m := range x {
			out[k] = starred(m)
		}
		return out
	case []any:
		out := make([]any, len(x))
		for i, m := range x {
			out[i] = starred(m)
		}
		return out
	case nil, bool:
		return v
	}
	return ironic.Masked
}

// Kept puts stored secrets back into actions that a client was shown and sends again.
// It takes them only from an action that does the same at the same place, so that no
// secret comes to where it would be shown; stars of others stay, for CheckStars.
func Kept(sent, stored []map[string]any) []map[string]any {
	shown := Shown(stored)
	out := slices.Clone(sent)
	for i, a := range sent {
		same := func(j int) bool {
			old := stored[j]
			return a["op"] == old["op"] && reflect.DeepEqual(a["loop"], shown[j]["loop"]) &&
				reflect.DeepEqual(withoutValue(a), withoutValue(shown[j]))
		}
		j := i
		for k := 0; k < len(stored) && (j >= len(stored) || !same(j)); k++ { // by its place, or any
			if same(k) {
				j = k
			}
		}
		if j < len(stored) && same(j) {
			out[i] = kept(a, shown[j], stored[j]).(map[string]any)
		}
	}
	return out
}

// withoutValue is what makes an action that of one place: all arguments but the value.
func withoutValue(a map[string]any) any {
	switch x := a["args"].(type) {
	case map[string]any:
		args := maps.Clone(x)
		delete(args, "value")
		return args
	case []any:
		if at := valueAt(a); at >= 0 && at < len(x) {
			return append(slices.Clone(x[:at]), x[at+1:]...)
		}
		return x
	}
	return nil
}

// kept is sent with what is stored where it is as it was shown. Lists that are not as
// they were shown are taken as they came: nobody knows which member is which.
func kept(sent, shown, stored any) any {
	if reflect.DeepEqual(sent, shown) {
		return stored
	}
	x, ok := sent.(map[string]any)
	was, had := shown.(map[string]any)
	if !ok || !had {
		return sent
	}
	old, _ := stored.(map[string]any)
	out := maps.Clone(x)
	for k, v := range x {
		if before, had := old[k]; had {
			out[k] = kept(v, was[k], before)
		}
	}
	return out
}

// CheckStars refuses a rule whose secret is the stars that it was shown with: a rule
// that was exported would otherwise set passwords to them once it is imported.
func CheckStars(r *ironic.InspectionRule) error {
	for i, a := range r.Actions {
		path, _ := target(a)
		if hasStars(a["value"]) || hasStars(a["args"]) || hasStars(a["loop"]) {
			return errs.New(errs.Invalid, "action %d has %s where the value of %s is to be: they stand for a secret that was not shown; write the secret itself",
				i+1, ironic.Masked, short(path))
		}
	}
	return nil
}

func hasStars(v any) bool {
	switch x := v.(type) {
	case string:
		return x == ironic.Masked
	case []any:
		return slices.ContainsFunc(x, hasStars)
	case map[string]any:
		return slices.ContainsFunc(slices.Collect(maps.Values(x)), hasStars)
	}
	return false
}
