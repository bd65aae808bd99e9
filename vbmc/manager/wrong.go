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
		return d.locateWhole(name, err)
	}
	what := d.place(name, w.key) + ": " + w.key
	if w.shown != "" {
		what += " = " + w.shown
	}
	hint := errs.HintOf(err)
	if hint == "" {
		hint = fmt.Sprintf("change that line, or: vbmc edit '%s' %s VALUE", name, optionOf(w.key))
	}
	return errs.Wrap(errs.Invalid, w, "%s", what).WithHint("%s", hint)
}

// locateWhole is locate for what is said in the same words wherever it comes from.
func (d dirStore) locateWhole(name string, err error) error {
	var r *refusal
	if !errors.As(err, &r) {
		return err
	}
	e := errs.Wrap(errs.Invalid, err, "%s: %s", d.place(name, r.keys[0]), r.keys[0])
	if errs.HintOf(err) == "" {
		return e.WithHint("change that line")
	}
	return e
}

// place is FILE:LINE of a key.
func (d dirStore) place(name, key string) string {
	file := d.file(name)
	raw, err := os.ReadFile(file)
	if err != nil {
		return file
	}
	f, err := parseINI(file, string(raw))
	if err != nil {
		return file
	}
	return f.place(configSection, key)
}

// explain is an error with what to do about it.
func explain(err error) string {
	if h := errs.HintOf(err); h != "" {
		return err.Error() + " (" + h + ")"
	}
	return err.Error()
}
