package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"trefoil/vbmc/control"
	"trefoil/vbmc/manager"
)

// maxRules is how long a packet filter may be that goes to the daemon, bytes: a request
// has room for it.
const maxRules = 256 << 10

// doctor ends with 1 when something keeps a BMC from working.
func (p *program) doctor(c *cli.Context) error {
	if err := choices(c, listFormats()...); err != nil {
		return err
	}
	req := control.Request{Command: "doctor", Domains: c.Args().Slice()}
	// Under vbmcd.service the daemon may not read the packet filter; root, who asks, may.
	if rules, err := manager.FirewallRules(c.Context); err == nil && len(rules) <= maxRules {
		req.Args = map[string]string{"firewall": rules}
	}
	r, err := p.call(c, req)
	if err != nil {
		return err
	}
	faults := 0
	rows := make([][]any, len(r.Findings))
	for i, f := range r.Findings {
		rows[i] = []any{or(f.Domain, "-"), f.Check, string(f.Verdict), f.Detail}
		if f.Verdict == manager.Fault {
			faults++
		}
	}
	if err := p.printList(c, []string{"Domain name", "Check", "Verdict", "Detail"}, rows); err != nil {
		return err
	}
	for _, f := range r.Findings {
		if f.Verdict != manager.Good && f.Hint != "" {
			fmt.Fprintf(p.err, "hint, %s of %s: %s\n", f.Check, or(f.Domain, "all"), f.Hint)
		}
	}
	if faults > 0 {
		return coded(exitFailed)
	}
	return nil
}

func (p *program) log(c *cli.Context) error {
	if err := words(c, 1); err != nil {
		return err
	}
	req := control.Request{Command: "log", Domains: c.Args().Slice()}
	if !c.Bool("follow") {
		r, err := p.call(c, req)
		if err == nil {
			p.lines(r)
		}
		return err
	}
	req.Args, req.Patience = map[string]string{"follow": "yes"}, p.settings.Patience
	r, err := control.Stream(c.Context, p.settings.Socket(), req, func(r *control.Reply, more io.Reader) {
		p.lines(r)
		_, _ = io.Copy(p.out, more) // ends with the daemon or by Ctrl-C
	})
	if errors.Is(err, control.ErrNoDaemon) {
		return fmt.Errorf("%w: start it: vbmcd", err)
	}
	if err != nil {
		return err
	}
	return p.tell(r)
}

func (p *program) lines(r *control.Reply) {
	for _, l := range r.Lines {
		fmt.Fprintln(p.out, l)
	}
}
