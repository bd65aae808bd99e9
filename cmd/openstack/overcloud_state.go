package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"sort"
	"strings"

	"github.com/urfave/cli/v2"

	"trefoil/internal/errs"
	"trefoil/internal/nearest"
	"trefoil/overcloud/stack"
	"trefoil/overcloud/stack/client"
)

func (p *program) overcloudDelete(c *cli.Context) error {
	name := c.Args().First()
	if name == "" {
		name = os.Getenv("OVERCLOUD_STACK_NAME")
	}
	if name == "" || c.NArg() > 1 {
		return usageError{errors.New("You must specify a stack name")} //nolint:staticcheck // TripleO's words
	}
	h, err := p.stacks(c)
	if err != nil {
		return err
	}
	s, err := h.Stack(c.Context, name)
	if errs.Is(err, errs.NotFound) {
		s, err = nil, p.planOnlyOf(c, h, name)
	}
	if err != nil {
		return err
	}
	if !c.Bool("yes") {
		if err := p.confirm("Are you sure you want to delete this overcloud [y/N]? "); err != nil {
			return err
		}
	}
	if s == nil {
		return p.forgetPlan(c, h, name)
	}
	return p.deleteStack(c, h, s)
}

// planOnlyOf tells that there is no stack of a name, or that there is nothing of that name
// to delete, which is an error: TripleO only warned, and a mistyped name was a success. A
// plan is left where a deletion was interrupted, or was never deployed.
func (p *program) planOnlyOf(c *cli.Context, h *client.Client, name string) error {
	known, err := planNames(c, h)
	if err != nil {
		return err
	}
	if !slices.Contains(known, name) {
		return errs.New(errs.NotFound, "No stack found ('%s'), and no plan of that name%s: nothing was deleted", name, nearest.Hint(name, known)).
			WithHint("openstack stack list; openstack overcloud plan list")
	}
	fmt.Fprintf(p.err, "No stack found ('%s'), skipping delete\n", name)
	return nil
}

// planNames are the names of all plans; each stack has one.
func planNames(c *cli.Context, h *client.Client) ([]string, error) {
	plans, err := h.Plans(c.Context)
	if err != nil {
		return nil, err
	}
	out := make([]string, len(plans))
	for i, p := range plans {
		out[i] = p.Name
	}
	return out, nil
}

// deleteStack gives the machines of a stack back and follows that to its end.
func (p *program) deleteStack(c *cli.Context, h *client.Client, s *client.Stack) error {
	name := s.Name
	fmt.Fprintf(p.out, "Deleting stack %s...\n", name)
	after, err := h.LastEvent(c.Context, s.ID)
	if err != nil {
		return err
	}
	if err := h.Delete(c.Context, s.ID); err != nil {
		return err
	}
	end, err := h.Follow(c.Context, name, s.ID, after, p.progress(c), p.err)
	if stopped := p.interrupted(c.Context, name); stopped != nil {
		return stopped
	}
	if err != nil {
		return err
	}
	if end != nil {
		p.printFailures(end.Failures)
		return errs.New(errs.Conflict, "stack %s is %s", name, end.Status).WithHint("run the same command again: it goes on where it stopped")
	}
	return p.forgetPlan(c, h, name)
}

// forgetPlan deletes the plan of a stack that is gone; there may be none.
func (p *program) forgetPlan(c *cli.Context, h *client.Client, name string) error {
	fmt.Fprintf(p.out, "Deleting plan %s...\n", name)
	if err := h.DeletePlan(c.Context, name); err != nil && !errs.Is(err, errs.NotFound) {
		return fmt.Errorf("Error occurred while deleting plan %w", err) //nolint:staticcheck // TripleO's words
	}
	fmt.Fprintln(p.out, "Success.")
	return nil
}

// confirm asks; anything but y or yes is no.
func (p *program) confirm(question string) error {
	f, ok := p.in.(*os.File)
	if ok {
		st, err := f.Stat()
		ok = err == nil && st.Mode()&os.ModeCharDevice != 0
	}
	if !ok {
		fmt.Fprintln(p.err, "User interaction required, cannot confirm.")
		return errs.New(errs.Invalid, "Action not confirmed, exiting.").WithHint("give -y")
	}
	fmt.Fprint(p.out, question)
	line, err := bufio.NewReader(p.in).ReadString('\n')
	if a := strings.ToLower(strings.TrimSpace(line)); err != nil || a != "y" && a != "yes" {
		return errs.New(errs.Invalid, "Action not confirmed, exiting.")
	}
	return nil
}

func (p *program) overcloudFailures(c *cli.Context) error {
	if _, err := args(c); err != nil {
		return err
	}
	h, err := p.stacks(c)
	if err != nil {
		return err
	}
	s, err := h.Outcome(c.Context, c.String("stack"))
	if err != nil {
		return err
	}
	if len(s.Failures) == 0 {
		fmt.Fprintf(p.out, "No failures found for stack %s, which is %s\n", s.Name, s.Status)
	}
	p.printFailures(s.Failures)
	return nil
}

func (p *program) overcloudTiming(c *cli.Context) error {
	if _, err := args(c); err != nil {
		return err
	}
	h, err := p.stacks(c)
	if err != nil {
		return err
	}
	s, err := h.Outcome(c.Context, c.String("stack"))
	if err != nil {
		return err
	}
	for _, line := range s.Summary.Timing() {
		fmt.Fprintln(p.out, line)
	}
	return nil
}

// causeLines is how much of the log stands right behind the cause.
const causeLines = 5

// printFailures tells the cause first, then, in TripleO's form, what is known of each.
func (p *program) printFailures(fs []stack.Failure) {
	if len(fs) == 0 {
		return
	}
	fmt.Fprintf(p.out, "%s\n", fs[0].Line())
	for _, l := range fs[0].Tail[max(0, len(fs[0].Tail)-causeLines):] {
		fmt.Fprintf(p.out, "    %s\n", l)
	}
	if fs[0].Hint != "" {
		fmt.Fprintf(p.out, "to try: %s\n", fs[0].Hint)
	}
	for _, f := range fs {
		host := f.Node
		if host == "" {
			host = "undercloud"
		}
		fmt.Fprintf(p.out, "\n|-> Failures for host: %s\n|--> Task: %s\n", host, strings.TrimSpace(f.Phase+" "+f.Service+" "+f.Key))
		facts := map[string]any{"msg": f.Error}
		if f.Hint != "" {
			facts["hint"] = f.Hint
		}
		keys := make([]string, 0, len(facts))
		for k := range facts {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		for _, k := range keys {
			v, _ := json.Marshal(facts[k]) // text always marshals
			fmt.Fprintf(p.out, "|---> %s: %s\n", k, v)
		}
		for _, l := range f.Tail {
			fmt.Fprintf(p.out, "     %s\n", l)
		}
	}
}
