package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"trefoil/overcloud/plan"
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
	diff, err := d.h.Preview(d.c.Context, d.old, api.Request{Name: d.name, TimeoutMins: d.c.Int("timeout"), Input: &d.in})
	if err != nil {
		return err
	}
	if d.c.String("format") == "json" {
		err = diff.JSON(d.p.out)
	} else if err = diff.Text(d.p.out); err == nil {
		_, err = fmt.Fprintln(d.p.out, "\nValidation Finished")
	}
	if err == nil && diff.Changes {
		err = silentError(exitChanges)
	}
	return err
}

// found tells whether a warning is one of the plan's findings.
func (d *deployment) found(warning string) bool {
	return slices.ContainsFunc(d.made.Findings, func(f plan.Finding) bool { return f.String() == warning })
}
