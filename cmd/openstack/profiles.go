package main

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/urfave/cli/v2"

	"trefoil/internal/errs"
	"trefoil/internal/format"
	"trefoil/overcloud/deploy/cloud"
	"trefoil/overcloud/placement"
	"trefoil/overcloud/session"
)

// scales are the roles that the Queens command line knows by flag.
func scales() []struct{ flag, role, count, flavorParam string } {
	return []struct{ flag, role, count, flavorParam string }{
		{"control", "Controller", "ControllerCount", "OvercloudControllerFlavor"},
		{"compute", "Compute", "ComputeCount", "OvercloudComputeFlavor"},
		{"ceph-storage", "CephStorage", "CephStorageCount", "OvercloudCephStorageFlavor"},
		{"block-storage", "BlockStorage", "BlockStorageCount", "OvercloudBlockStorageFlavor"},
		{"swift-storage", "ObjectStorage", "ObjectStorageCount", "OvercloudObjectStorageFlavor"},
	}
}

func scaleFlags() []cli.Flag {
	var fs []cli.Flag
	for _, s := range scales() {
		fs = append(fs, &cli.IntFlag{Name: s.flag + "-scale", Usage: "number of " + s.flag + " nodes"},
			&cli.StringFlag{Name: s.flag + "-flavor", Usage: "flavor of " + s.flag + " nodes"})
	}
	return fs
}

func (p *program) profilesCommand() *cli.Command {
	return &cli.Command{Name: "profiles", Usage: "which machine may become what", Subcommands: []*cli.Command{
		{Name: "list", Usage: "list profiles of nodes", Flags: formatFlags(
			&cli.BoolFlag{Name: "all", Usage: "also nodes that cannot be used, and why"}), Action: p.profilesList},
		{Name: "match", Usage: "check that flavors find enough nodes", Flags: append(scaleFlags(),
			&cli.BoolFlag{Name: "dry-run", Usage: "change nothing"}), Action: p.profilesMatch},
	}}
}

func (p *program) profilesList(c *cli.Context) error {
	if _, err := args(c); err != nil {
		return err
	}
	s, err := p.session(c)
	if err != nil {
		return err
	}
	nodes, err := cloud.List(c.Context, s)
	if err != nil {
		return err
	}
	columns := []string{"Node UUID", "Node Name", "Provision State", "Current Profile", "Possible Profiles"}
	if c.Bool("all") {
		columns = append(columns, "Error")
	}
	var rows [][]any
	for _, n := range nodes {
		why := unusable(n)
		if why != "" && !c.Bool("all") {
			continue
		}
		row := []any{n.UUID, orNone(n.Name), n.State, orNone(n.Capabilities["profile"]), strings.Join(possible(n), ", ")}
		if c.Bool("all") {
			row = append(row, why)
		}
		rows = append(rows, row)
	}
	return format.List(p.out, options(c), columns, rows)
}

// unusable says, in TripleO's words, why a node is left out of the list.
func unusable(n placement.Node) string {
	switch {
	case n.State != "available" && n.State != "active":
		return "Provision state " + n.State
	case n.PowerState == "" || n.PowerState == "error":
		return "Power state " + format.Text(orNone(n.PowerState))
	case n.Maintenance:
		return "Maintenance"
	}
	return ""
}

// possible are the profiles that introspection rules or the operator allow: <p>_profile:1.
func possible(n placement.Node) []string {
	var out []string
	for k, v := range n.Capabilities {
		if name, ok := strings.CutSuffix(k, "_profile"); ok && (v == "1" || strings.EqualFold(v, "true")) {
			out = append(out, name)
		}
	}
	sort.Strings(out)
	return out
}

// profilesMatch gives untagged nodes the profiles that they may have (their
// capability <profile>_profile) until every flavor has its nodes. When some are
// missing it says which, and changes nothing.
func (p *program) profilesMatch(c *cli.Context) error {
	if _, err := args(c); err != nil {
		return err
	}
	s, err := p.session(c)
	if err != nil {
		return err
	}
	wants, err := p.wants(c, s)
	if err != nil {
		return err
	}
	nodes, err := cloud.List(c.Context, s)
	if err != nil {
		return err
	}
	m := placement.Match(nodes, wants)
	for _, line := range slices.Concat(m.Errors, m.Warnings) {
		fmt.Fprintln(p.err, line)
	}
	chosen, err := placement.Place(m.Nodes, wants, m.Given)
	if err != nil {
		p.refusals(err)
	}
	if len(m.Errors) > 0 || err != nil {
		return errs.New(errs.Conflict, "Failed to validate and assign profiles.")
	}
	for _, t := range m.Tags {
		if c.Bool("dry-run") {
			fmt.Fprintf(p.out, "Node %s would be tagged to profile %s\n", t.Node.Label(), t.Profile)
			continue
		}
		if err := cloud.SetProfile(c.Context, s, t.Node, t.Profile); err != nil {
			return fmt.Errorf("tag node %s to profile %s: %w", t.Node.Label(), t.Profile, err)
		}
		fmt.Fprintf(p.out, "Node %s is tagged to profile %s\n", t.Node.Label(), t.Profile)
	}
	for _, ch := range chosen {
		fmt.Fprintf(p.out, "%s: %s\n", ch.Role, ch.Node.Label())
	}
	return nil
}

// wants are the roles of the command line with what their flavors ask for.
func (p *program) wants(c *cli.Context, s *session.Session) ([]placement.Want, error) {
	var wants []placement.Want
	for _, r := range scales() {
		n := c.Int(r.flag + "-scale")
		if n < 0 {
			return nil, usageError{fmt.Errorf("--%s-scale %d: expected a number of machines", r.flag, n)}
		}
		if n == 0 {
			continue
		}
		flavor := c.String(r.flag + "-flavor")
		if flavor == "" {
			return nil, usageError{fmt.Errorf("--%s-scale needs --%s-flavor", r.flag, r.flag)}
		}
		profile, class, err := cloud.Flavor(c.Context, s, flavor)
		if errs.Is(err, errs.NotFound) {
			return nil, errs.New(errs.NotFound, "Provided --%s-flavor, '%s', does not exist", r.flag, flavor).WithHint("openstack flavor list")
		} else if err != nil {
			return nil, err
		}
		wants = append(wants, placement.Want{Role: r.role, Flavor: flavor, Count: n, Profile: profile, ResourceClass: class})
	}
	return wants, nil
}

// refusals prints why machines do not fit: per node the rule and its cure.
func (p *program) refusals(err error) {
	var no *placement.NoFit
	if !errors.As(err, &no) {
		return
	}
	rows := make([][]any, len(no.Rows))
	for i, r := range no.Rows {
		rows[i] = []any{r.Role, orNone(r.Node), r.Rule, r.Remedy}
	}
	_ = format.Table(p.err, []string{"Role", "Node", "Why not", "To cure it"}, rows, format.Left) // standard error: nothing to be done
}
