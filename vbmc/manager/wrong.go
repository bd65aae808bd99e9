package manager

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"trefoil/internal/errs"
)

// wrongValue is why a value can never work. Around it stands where the value comes from:
// an option, or a line of a file.
type wrongValue struct {
	key, shown string // shown is "" for what must not be shown
	expected   string
}

func (w *wrongValue) Error() string { return w.expected }

// wrong refuses the value of a key as the option that it is on the command line.
func wrong(key, shown, expected string, args ...any) *errs.Error {
	w := &wrongValue{key, shown, fmt.Sprintf(expected, args...)}
	return errs.Wrap(errs.Invalid, w, "%s", strings.TrimSuffix(optionOf(key)+" "+shown, " "))
}

func optionOf(key string) string { return "--" + strings.ReplaceAll(key, "_", "-") }

// locate turns a refusal of Config.Validate into one of the file: its line, and what to do.
func (d dirStore) locate(name string, err error) error {
	var w *wrongValue
	if !errors.As(err, &w) {
		return err
	}
	place := d.file(name)
	if raw, err := os.ReadFile(place); err == nil {
		if f, err := parseINI(place, string(raw)); err == nil {
			place = f.place(configSection, w.key)
		}
	}
	what := place + ": " + w.key
	if w.shown != "" {
		what += " = " + w.shown
	}
	hint := errs.HintOf(err)
	if hint == "" {
		hint = fmt.Sprintf("change that line, or: vbmc edit '%s' %s VALUE", name, optionOf(w.key))
	}
	return errs.Wrap(errs.Invalid, w, "%s", what).WithHint("%s", hint)
}

// explain is an error with what to do about it.
func explain(err error) string {
	if h := errs.HintOf(err); h != "" {
		return err.Error() + " (" + h + ")"
	}
	return err.Error()
}
