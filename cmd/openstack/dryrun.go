package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"trefoil/internal/errs"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/plan/diff"
	"trefoil/overcloud/stack/api"
)

// dryRunFlags checks what belongs to --dry-run.
func dryRunFlags(c *cli.Context) error {
	switch f := c.String("format"); {
	case f != "text" && f != "json":
		return usageError{fmt.Errorf("argument -f/--format: invalid choice: '%s' (choose from 'text', 'json')", f)}
	case c.IsSet("format") && !c.Bool("dry-run"):
		return usageError{errors.New("argument -f/--format: only with --dry-run")}
	}
	return nil
}

// dryRun shows what the deployment would change. The undercloud compares: only
// it knows the passwords, which is why none of them can differ by chance.
func (d *deployment) dryRun() error {
	if _, err := d.checked(); err != nil {
		return err
	}
	changes, err := d.h.Preview(d.c.Context, d.old, api.Request{Name: d.name, TimeoutMins: d.c.Int("timeout"), Input: &d.in})
	if err != nil {
		return err
	}
	if d.c.String("format") == "json" {
		changes.Warnings = append(append([]string{}, d.told...), slices.DeleteFunc(changes.Warnings, func(w string) bool { return slices.Contains(d.told, w) })...)
		err = changes.JSON(d.p.out)
	} else if err = changes.Text(d.p.out); err == nil && len(changes.Refused) == 0 {
		_, err = fmt.Fprintln(d.p.out, "\nValidation Finished")
	}
	switch {
	case err != nil:
		return err
	case len(changes.Refused) > 0:
		return refused(changes.Refused)
	case changes.Changes:
		return silentError(exitChanges)
	}
	return nil
}

// refused is the error that the deployment would end with before it begins.
func refused(list []diff.Refusal) error {
	var reasons, hints []string
	for _, r := range list {
		reasons = append(reasons, "it cannot be deployed: "+r.Reason)
		if r.Hint != "" {
			hints = append(hints, r.Hint)
		}
	}
	return errs.New(errs.Invalid, "%s", strings.Join(reasons, "\n")).WithHint("%s", strings.Join(hints, "; "))
}

// found tells whether a warning is one of the plan's findings.
func (d *deployment) found(warning string) bool {
	return slices.ContainsFunc(d.made.Findings, func(f plan.Finding) bool { return f.String() == warning })
}
