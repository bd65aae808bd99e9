package jobs_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/undercloud/jobs"
)

func TestAPanicIsAnErrorThatShowsNoSecret(t *testing.T) {
	var m map[string]int
	for words, f := range map[string]func() error{
		"assignment to entry in nil map":                 func() error { m["x"] = 1; return nil },
		"panic with a value of type *errors.errorString": func() error { panic(errors.New("password hunter2")) },
		"panic with a value of type string":              func() error { panic("password hunter2") },
	} {
		var log bytes.Buffer
		err := jobs.Guard(slog.New(slog.NewTextHandler(&log, nil)), "n/clean/1", f)
		if !errs.Is(err, errs.Internal) || !strings.Contains(err.Error(), "n/clean/1: "+words) || errs.HintOf(err) == "" {
			t.Errorf("%v does not say %q", err, words)
		}
		if !strings.Contains(log.String(), "guard_test.go") || !strings.Contains(log.String(), words) {
			t.Errorf("the log does not say where: %s", log.String())
		}
		if strings.Contains(log.String()+err.Error(), "hunter2") {
			t.Errorf("a secret is shown: %v, %s", err, log.String())
		}
	}
	if err := jobs.Guard(slog.New(slog.DiscardHandler), "j", func() error { return errs.New(errs.Conflict, "no room") }); !errs.Is(err, errs.Conflict) {
		t.Errorf("an ordinary error became %v", err)
	}
}
