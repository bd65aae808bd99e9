package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"trefoil/internal/errs"
	"trefoil/overcloud/session"
	"trefoil/overcloud/stack/client"
)

// reportTimeout is how long one machine may take to pack its logs.
const reportTimeout = 10 * time.Minute

// ownReport is the undercloud's own part of a report.
const ownReport = "undercloud"

func (p *program) supportCommand() *cli.Command {
	return &cli.Command{Name: "support", Usage: "what helps to find a fault", Subcommands: []*cli.Command{
		{Name: "report", Usage: "logs of machines", Subcommands: []*cli.Command{
			{Name: "collect", Usage: "write one tar.gz a machine, and one of the undercloud; secrets are masked. Exit code 1 when one is missing",
				ArgsUsage: "[NODE …]", Flags: []cli.Flag{
					&cli.StringFlag{Name: "stack", Usage: "stack", Value: "overcloud"},
					&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "directory; it is made", Value: "support-report"}}, Action: p.reportCollect}}}}}
}

// reportCollect gathers from all machines at once; one that fails does not stop the others.
func (p *program) reportCollect(c *cli.Context) error {
	o := p.sessionOptions(c)
	o.Timeout = reportTimeout
	s, err := session.FromEnv(c.Context, o)
	if err != nil {
		return err
	}
	h, err := client.New(s)
	if err != nil {
		return err
	}
	st, err := h.Stack(c.Context, c.String("stack"))
	if err != nil {
		return err
	}
	there, err := h.Nodes(c.Context, st.ID)
	if err != nil {
		return err
	}
	names := []string{ownReport}
	for _, n := range there {
		names = append(names, n.Name)
	}
	if chosen := c.Args().Slice(); len(chosen) > 0 {
		for _, n := range chosen {
			if !slices.Contains(names, n) {
				return errs.New(errs.NotFound, "stack %s has no machine %q", st.Name, n).WithHint("openstack server list shows them; undercloud is the undercloud's own part")
			}
		}
		names = chosen
	}
	dir := c.String("output")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the directory of the report: %w", err)
	}
	failed := make([]error, len(names))
	var wg sync.WaitGroup
	for i, n := range names {
		wg.Go(func() { failed[i] = collect(c.Context, h, st.ID, n, filepath.Join(dir, n+".tar.gz")) })
	}
	wg.Wait()
	missing := 0
	for i, n := range names {
		if failed[i] != nil {
			missing++
			fmt.Fprintf(p.err, "%s: %v\n", n, failed[i])
			continue
		}
		fmt.Fprintln(p.out, filepath.Join(dir, n+".tar.gz"))
	}
	if missing > 0 {
		return errs.New(errs.Unavailable, "%d of %d reports are missing", missing, len(names)).WithHint("openstack overcloud status tells which machines answer")
	}
	return nil
}

// collect writes one archive; under its name stands a whole one or none.
func collect(ctx context.Context, h *client.Client, id, node, name string) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".report-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already when all went well
	err = h.Report(ctx, id, node, f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
