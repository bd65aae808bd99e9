package client

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/overcloud/stack"
)

// shownLines is how much of a log `stack failures list` prints without --long.
const shownLines = 10

// Failures prints the failed resources of a stack as heatclient does: it goes
// down into the nested stacks that failed, and prints the log of a step.
func (c *Client) Failures(ctx context.Context, ident string, long bool, out io.Writer) error {
	s, err := c.Stack(ctx, ident)
	if err != nil || !strings.HasSuffix(s.Status, "_"+stack.Failed) {
		return err
	}
	_, err = c.failedBelow(ctx, s.ID, s.Name, long, out)
	return err
}

// failedBelow prints what failed in one stack and tells whether anything did.
func (c *Client) failedBelow(ctx context.Context, ident, path string, long bool, out io.Writer) (bool, error) {
	rows, err := c.Resources(ctx, ident, nil)
	if errs.Is(err, errs.NotFound) {
		return false, nil // failed before it had anything
	}
	if err != nil {
		return false, err
	}
	any := false
	for _, r := range rows {
		if !strings.HasSuffix(r.Status, stack.Failed) {
			continue
		}
		any = true
		at := path + "." + r.Name
		if slices.ContainsFunc(r.Links, func(l Link) bool { return l.Rel == "nested" }) {
			deeper, err := c.failedBelow(ctx, r.PhysicalID, at, long, out)
			if err != nil {
				return any, err
			}
			if deeper {
				continue
			}
		}
		if err := c.printFailure(ctx, at, r, long, out); err != nil {
			return any, err
		}
	}
	return any, nil
}

func (c *Client) printFailure(ctx context.Context, path string, r Resource, long bool, out io.Writer) error {
	fmt.Fprintf(out, "%s:\n  resource_type: %s\n  physical_resource_id: %s\n  status: %s\n", path, r.Type, r.PhysicalID, r.Status)
	fmt.Fprintf(out, "  status_reason: |\n%s\n", indent(r.Reason, long, "...\n", ""))
	if r.Type != stack.TypeDeployment {
		return nil
	}
	var b struct {
		Deployment struct {
			Outputs map[string]any `json:"output_values"`
		} `json:"software_deployment"`
	}
	err := c.get(ctx, "software_deployments/"+esc(r.PhysicalID), &b)
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range []string{"deploy_stdout", "deploy_stderr"} {
		text, _ := b.Deployment.Outputs[name].(string)
		fmt.Fprintf(out, "  %s: |\n%s\n", name, indent(text, long, "...", "(truncated, view all with --long)"))
	}
	return nil
}

// indent moves text in by four; without long only its last lines are left, between marks.
func indent(text string, long bool, before, after string) string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if text == "" {
		lines = nil
	}
	if !long && len(lines) > shownLines {
		lines = append([]string{before}, lines[len(lines)-shownLines:]...)
		if after != "" {
			lines = append(lines, after)
		}
	}
	for i := range lines {
		lines[i] = "    " + lines[i]
	}
	return strings.Join(lines, "\n")
}
