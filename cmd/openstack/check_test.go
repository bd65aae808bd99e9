package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"trefoil/overcloud/check"
)

func TestCheckCommandLine(t *testing.T) {
	for _, c := range []lineCase{
		{"no login", "overcloud check", 1, "", "…source stackrc (or overcloudrc) first…"},
		{"format", "overcloud check -f yaml", 2, "", "openstack: error: argument -f/--format: invalid choice: 'yaml' (choose from 'text', 'json')\n"},
		{"gateway without network", "overcloud check --external-gateway 10.0.0.1", 2, "", "openstack: error: --external-gateway and --external-pool need --external-cidr\n"},
		{"no network", "overcloud check --external-cidr 10.0.0.1 --external-pool 10.0.0.5-10.0.0.9", 2, "", "…--external-cidr 10.0.0.1: expected an IPv4 network…"},
		{"no pool", "overcloud check --external-cidr 10.0.0.0/24", 2, "", "…--external-pool \"\": expected START-END…"},
		{"pool outside", "overcloud check --external-cidr 10.0.0.0/24 --external-pool 10.0.0.5-10.0.1.9", 2, "", "…--external-pool 10.0.1.9: expected an address in 10.0.0.0/24…"},
		{"pool too small", "overcloud check --external-cidr 10.0.0.0/24 --external-pool 10.0.0.5-10.0.0.5", 2, "", "…expected two addresses at least…"},
		{"gateway outside", "overcloud check --external-cidr 10.0.0.0/24 --external-pool 10.0.0.5-10.0.0.9 --external-gateway 10.1.0.1", 2, "", "…--external-gateway 10.1.0.1: expected an address in 10.0.0.0/24…"},
	} {
		t.Run(c.name, c.run)
	}
}

// After source stackrc the cloud is the stack's; where nothing is deployed, that is what is told.
func TestCheckAtAnUndercloudWithoutAStack(t *testing.T) {
	newOperator(t).want("overcloud check", 1, "", "find the overcloud of stack overcloud")
}

// Exit codes: a failure is 1; what was not tested is 0, or with --require-all 1.
func TestCheckExitCodes(t *testing.T) {
	for _, c := range []struct {
		name     string
		report   check.Report
		all      bool
		code     int
		complain string
	}{
		{"all ok", check.Report{OK: 3, Seconds: 61.4}, true, exitOK, ""},
		{"not tested", check.Report{OK: 2, NotTested: 1}, false, exitOK, ""},
		{"not tested, but required", check.Report{OK: 2, NotTested: 1}, true, exitFailed, "1 steps were not tested"},
		{"failed", check.Report{OK: 2, Failed: 1}, false, exitFailed, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out, errw bytes.Buffer
			p := &program{out: &out, err: &errw}
			app := &cli.App{Flags: p.checkCommand().Flags, Action: func(ctx *cli.Context) error { return p.checked(ctx, &c.report, nil) }, ExitErrHandler: func(*cli.Context, error) {}}
			line := []string{"check"}
			if c.all {
				line = append(line, "--require-all")
			}
			if code := p.exit(t.Context(), app.Run(line)); code != c.code || !strings.Contains(errw.String(), c.complain) || out.String() != c.report.Summary()+"\n" {
				t.Errorf("code %d, %q, %q", code, out.String(), errw.String())
			}
		})
	}
}
