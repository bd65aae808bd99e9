package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"trefoil/internal/errs"
	"trefoil/overcloud/deploy"
	"trefoil/overcloud/deploy/cloud"
	"trefoil/overcloud/placement"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/session"
	"trefoil/overcloud/stack"
	"trefoil/overcloud/stack/api"
	"trefoil/overcloud/stack/client"
)

// deployment is one `overcloud deploy`.
type deployment struct {
	p    *program
	c    *cli.Context
	name string
	in   stack.Input

	warnings []string // of the command line
	told     []string // all that were printed

	made *plan.Plan
	s    *session.Session
	h    *client.Client
	old  *client.Stack // nil: there is none yet
}

// plan makes the plan here, so that a mistake in a template is told before
// anything is sent, and logs in.
func (d *deployment) plan() error {
	passwords, err := plan.GeneratePasswords(nil, rand.Reader) // the undercloud makes the real ones
	if err != nil {
		return err
	}
	if err := d.make(&stack.Stack{Name: d.name, Input: d.in, Passwords: passwords}); err != nil {
		return err
	}
	if err = (stack.Limits{FromStep: d.in.Limits.FromStep, Tags: d.in.Limits.Tags}).Check(d.made, nil); err != nil {
		return err
	}
	if err = d.warn(); err != nil {
		return err
	}
	if err := d.login(); err != nil {
		return err
	}
	if err := d.checkLimits(); err != nil {
		return err
	}
	if d.old != nil && d.old.InProgress() && !d.c.Bool("dry-run") {
		return errs.New(errs.Conflict, "Unable to deploy as the stack '%s' status is '%s'", d.name, d.old.Status).
			WithHint("follow it with: openstack stack event list %s --follow; stop it with: openstack stack cancel %s", d.name, d.name)
	}
	return nil
}

// login opens a session and looks for the stack of that name, once.
func (d *deployment) login() (err error) {
	if d.h != nil {
		return nil
	}
	if d.s, err = d.p.session(d.c); err != nil {
		return err
	}
	if d.h, err = client.New(d.s); err != nil {
		return err
	}
	d.old, err = d.h.Stack(d.c.Context, d.name)
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	if err != nil {
		d.h = nil
	}
	return err
}

// many is how many machines are evaluated without a look at whether there are as many:
// that takes seconds, and thousands take minutes.
const many = 100

// make makes the plan. One of very many machines for which there are too few is refused
// before all are evaluated; whatever else is wrong with it is told by the whole plan.
func (d *deployment) make(s *stack.Stack) error {
	ctx := d.c.Context
	made, err := deploy.Plans{Sketch: many}.Of(ctx, s)
	d.made = made
	if err == nil && !made.Sketched {
		return nil
	}
	if err == nil && !d.c.Bool("update-plan-only") && d.login() == nil {
		if _, err := d.place(); errors.As(err, new(*placement.NoFit)) {
			return d.unplaced(err)
		}
	}
	d.made, err = deploy.PlanOf(ctx, s)
	return err
}

// checkLimits refuses machines, roles and services that there are not.
func (d *deployment) checkLimits() error {
	var there []stack.Node
	if d.old != nil && len(d.in.Limits.Nodes) > 0 {
		list, err := d.h.Nodes(d.c.Context, d.old.ID)
		if err != nil {
			return err
		}
		for _, n := range list {
			there = append(there, stack.Node{Node: plan.Node{Name: n.Name, Role: n.Role}})
		}
	}
	return errors.Join(d.made.Listed(), d.in.Limits.Check(d.made, there))
}

// warn prints what the operator should know, and ends here if that was asked for.
func (d *deployment) warn() error {
	all := slices.Concat(d.warnings, d.made.Warnings)
	said := all
	if d.c.Bool("dry-run") && !d.c.Bool(warningsFatal) {
		said = slices.DeleteFunc(slices.Clone(all), d.found) // they stand in the output, which comes where they do not end it here
	}
	d.print(said)
	return d.fatal(len(all))
}

// print prints warnings and notes that they were.
func (d *deployment) print(warnings []string) {
	for _, w := range warnings {
		fmt.Fprintf(d.p.err, "WARNING: %s\n", w)
	}
	d.told = append(d.told, warnings...)
}

// tell prints warnings of the machines that were chosen.
func (d *deployment) tell(warnings []string) error {
	d.print(warnings)
	return d.fatal(len(warnings))
}

// warningsFatal is the flag that makes warnings errors.
const warningsFatal = "validation-warnings-fatal"

// fatal ends here for warnings if that was asked for.
func (d *deployment) fatal(warnings int) error {
	if warnings > 0 && d.c.Bool(warningsFatal) {
		return errs.New(errs.Invalid, "Configuration has %d warnings, fix them before proceeding.", warnings).
			WithHint("without --validation-warnings-fatal they do not stop the deployment")
	}
	return nil
}

// place chooses machines as the undercloud would, so that what does not fit is
// told at once with its cure.
func (d *deployment) place() ([]placement.Choice, error) {
	ctx := d.c.Context
	api := &cloud.Cloud{Open: func(context.Context) (*session.Session, error) { return d.s, nil }}
	nodes, err := api.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	machines, err := deploy.Machines(&stack.Stack{Name: d.name, Input: d.in})
	if err != nil {
		return nil, err
	}
	var have []stack.Node
	if d.old != nil {
		list, err := d.h.Nodes(ctx, d.old.ID)
		if err != nil {
			return nil, err
		}
		for _, n := range list {
			have = append(have, stack.Node{Node: plan.Node{Name: n.Name, Role: n.Role, Index: n.Index, UUID: n.NodeUUID}})
		}
	}
	wants, _, err := deploy.Wants(ctx, api, d.made, machines)
	if err != nil {
		return nil, err
	}
	keep, free := deploy.Split(have, d.made, machines, d.in.Only)
	choices, err := deploy.Choose(nodes, wants, keep, free)
	if err != nil {
		return nil, err
	}
	return choices, deploy.CheckDisks(ctx, api, d.made, keep, choices)
}

// oneCloud refuses machines that cannot be one cloud. Of a stack that is there only the
// undercloud knows what stands already, which it does not refuse: there this warns.
func (d *deployment) oneCloud() error {
	err := d.made.Shared()
	if err == nil || d.old == nil {
		return err
	}
	return d.tell([]string{err.Error()})
}

// unplaced tells why machines do not fit, in full.
func (d *deployment) unplaced(err error) error {
	fmt.Fprintln(d.p.err, "ERRORS")
	d.p.refusals(err)
	return fmt.Errorf("%w\nConfiguration has 1 errors, fix them before proceeding. Ignoring these errors is likely to lead to a failed deploy.", err) //nolint:staticcheck // TripleO's words
}

// checked is place with the errors told in full.
func (d *deployment) checked() ([]placement.Choice, error) {
	if err := d.oneCloud(); err != nil {
		return nil, err
	}
	choices, err := d.place()
	if err != nil {
		return nil, d.unplaced(err)
	}
	return choices, d.tell(slices.Concat(deploy.Small(d.made, choices), deploy.Slower(d.made, choices)))
}

// planOnly has the undercloud keep the plan and deploys nothing.
func (d *deployment) planOnly() error {
	d.p.startedPlan("update_deployment_plan")
	if _, err := d.h.UpdatePlan(d.c.Context, d.name, d.in); err != nil {
		return err
	}
	fmt.Fprintln(d.p.out, "Plan updated.")
	return nil
}

// run starts the action and follows it to its end.
func (d *deployment) run() error {
	if err := d.made.Deployable(); err != nil {
		return err
	}
	if _, err := d.checked(); err != nil {
		return err
	}
	s, err := d.follow(d.c.Int("timeout"))
	if err != nil {
		return err
	}
	return d.ended(s)
}

// ended tells how a deployment went and, if well, where its cloud is.
func (d *deployment) ended(s *client.Stack) error {
	fmt.Fprintf(d.p.out, "\n Stack %s %s \n\n", d.name, s.Status)
	for _, line := range s.Summary.Timing() {
		fmt.Fprintln(d.p.err, line)
	}
	if strings.HasSuffix(s.Status, stack.Failed) {
		d.p.printFailures(s.Failures)
		fmt.Fprintf(d.p.err, "\nrun the same command again: it goes on where it stopped\n")
		return errs.New(errs.Conflict, "Heat Stack %s failed.", map[bool]string{true: "create", false: "update"}[d.old == nil])
	}
	return d.finish(s)
}

// follow starts the action and returns the stack as it is at the end.
func (d *deployment) follow(timeoutMins int) (*client.Stack, error) {
	ctx, req := d.c.Context, api.Request{Name: d.name, TimeoutMins: timeoutMins, Input: &d.in}
	id, after := "", ""
	var err error
	if d.old == nil {
		id, err = d.h.Create(ctx, req)
	} else {
		id = d.old.ID
		if after, err = d.h.LastEvent(ctx, id); err == nil {
			err = d.h.Update(ctx, id, req)
		}
	}
	if err != nil {
		return nil, err
	}
	return d.await(id, after)
}

// await prints events until the action that was started ends.
func (d *deployment) await(id, after string) (*client.Stack, error) {
	ctx := d.c.Context
	s, err := d.h.Follow(ctx, d.name, id, after, d.p.out, d.p.err)
	if stopped := d.p.interrupted(ctx, d.name); stopped != nil {
		return nil, stopped
	}
	if err == nil && s == nil {
		err = errs.New(errs.Conflict, "stack %s was deleted while it was deployed", d.name)
	}
	return s, err
}

// finish writes overcloudrc and known_hosts, and says where the cloud is.
func (d *deployment) finish(s *client.Stack) error {
	ctx := d.c.Context
	nodes, err := d.h.Nodes(ctx, s.ID)
	if err != nil {
		return err
	}
	dir, err := home()
	if err != nil {
		return err
	}
	if err := d.pinHosts(dir, nodes); err != nil {
		return err
	}
	if sum := s.Summary; sum.NodesAdded+sum.NodesRemoved+sum.Changed == 0 {
		fmt.Fprintln(d.p.err, "nothing had to be changed")
	} else {
		fmt.Fprintf(d.p.err, "%d node(s) added, %d removed, %d resource(s) changed on nodes\n", sum.NodesAdded, sum.NodesRemoved, sum.Changed)
	}
	for _, f := range s.Failures {
		fmt.Fprintf(d.p.err, "WARNING: it was gone on without %s: %s\n", f.Node, f.Line())
	}
	if s.Summary.Limited != "" {
		fmt.Fprintf(d.p.err, "WARNING: this deployment was limited: %s; the next one without limits does the rest\n", s.Summary.Limited)
	}
	cloud, err := accessOf(ctx, d.h, s, d.c.String("no-proxy"))
	if err != nil {
		return err
	}
	if cloud.url == "" {
		fmt.Fprintln(d.p.out, "Overcloud Deployed")
		return nil
	}
	rc := filepath.Join(dir, d.name+"rc")
	if err := writeRC(rc, cloud); err != nil {
		return err
	}
	if err := addCloud(dir, cloud); err != nil {
		return err
	}
	fmt.Fprintf(d.p.out, "Overcloud Endpoint: %s\nOvercloud rc file: %s\nOvercloud Deployed\n", cloud.url, rc)
	return nil
}

// pinHosts writes the nodes' SSH host keys, which the deployer made, to
// known_hosts; keys of machines that had these addresses before go.
func (d *deployment) pinHosts(dir string, nodes []client.Node) error {
	file := filepath.Join(dir, ".ssh", "known_hosts")
	old, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("read known hosts: %w", err)
	}
	ours := map[string]bool{}
	for _, n := range nodes {
		ours[n.Address], ours[n.Name] = true, true
	}
	var lines []string
	for line := range strings.Lines(string(old)) {
		host, _, _ := strings.Cut(line, " ")
		if !slices.ContainsFunc(strings.Split(host, ","), func(h string) bool { return ours[h] }) {
			lines = append(lines, strings.TrimRight(line, "\n"))
		}
	}
	for _, n := range nodes {
		if !strings.Contains(string(old), n.Address+" ") && !strings.Contains(string(old), n.Address+",") {
			fmt.Fprintf(d.p.out, "Host %s not found in %s\n", n.Address, file)
		}
		key := strings.Fields(n.HostKey)
		if len(key) >= 2 {
			lines = append(lines, fmt.Sprintf("%s,%s %s %s", n.Address, n.Name, key[0], key[1]))
		}
	}
	return writeFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600)
}
