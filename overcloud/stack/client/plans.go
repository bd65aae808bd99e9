package client

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/gophercloud/gophercloud/v2"

	"trefoil/overcloud/session"
	"trefoil/overcloud/stack"
)

// Plan is a plan as the API shows it.
type Plan struct {
	Name      string `json:"name"`
	Version   int    `json:"version"`
	CreatedAt string `json:"created_at"`
	UpdatedAt string `json:"updated_at"`
}

func (c *Client) planURL(parts ...string) string {
	url := c.c.ServiceURL("trefoil", "plans")
	for _, p := range parts {
		url += "/" + esc(p)
	}
	return url
}

func answer(code int) *gophercloud.RequestOpts { return &gophercloud.RequestOpts{OkCodes: []int{code}} }

// Plans lists all plans by name.
func (c *Client) Plans(ctx context.Context) ([]Plan, error) {
	var b struct{ Plans []Plan }
	_, err := c.c.Get(ctx, c.planURL(), &b, nil)
	return b.Plans, session.Explain(err)
}

// CreatePlan keeps a new plan. The strings are warnings.
func (c *Client) CreatePlan(ctx context.Context, n stack.NewPlan) ([]string, error) {
	var b struct{ Warnings []string }
	_, err := c.c.Post(ctx, c.planURL(), n, &b, answer(http.StatusCreated))
	return b.Warnings, session.Explain(err)
}

// UpdatePlan gives a plan new content, or creates it. The strings are warnings.
func (c *Client) UpdatePlan(ctx context.Context, name string, in stack.Input) ([]string, error) {
	var b struct{ Warnings []string }
	_, err := c.c.Put(ctx, c.planURL(name), map[string]any{"input": in}, &b, answer(http.StatusOK))
	return b.Warnings, session.Explain(err)
}

// DeletePlan forgets a plan that has no stack.
func (c *Client) DeletePlan(ctx context.Context, name string) error {
	_, err := c.c.Delete(ctx, c.planURL(name), nil)
	return session.Explain(err)
}

// SetParameters lays the parameters of a file over a plan's. The strings are warnings.
func (c *Client) SetParameters(ctx context.Context, name, file string, content []byte) ([]string, error) {
	var b struct{ Warnings []string }
	_, err := c.c.Post(ctx, c.planURL(name, "parameters"), map[string]string{"file": file, "content": string(content)}, &b, answer(http.StatusOK))
	return b.Warnings, session.Explain(err)
}

// DeployPlan starts the deployment of a plan and returns the stack's id.
func (c *Client) DeployPlan(ctx context.Context, name string, timeoutMins int) (string, error) {
	var b struct{ Stack struct{ ID string } }
	_, err := c.c.Post(ctx, c.planURL(name, "deploy"), map[string]int{"timeout_mins": timeoutMins}, &b, answer(http.StatusAccepted))
	return b.Stack.ID, session.Explain(err)
}

// ExportPlan returns the plan's archive, tar and gzip; it holds passwords.
func (c *Client) ExportPlan(ctx context.Context, name string) ([]byte, error) {
	resp, err := c.c.Get(ctx, c.planURL(name, "export"), nil, &gophercloud.RequestOpts{OkCodes: []int{http.StatusOK}, KeepResponseBody: true})
	if err != nil {
		return nil, session.Explain(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("read the archive of plan %s: %w", name, session.Explain(err))
	}
	return data, nil
}

// PlanPasswords returns a plan's passwords as they take effect.
func (c *Client) PlanPasswords(ctx context.Context, name string) (map[string]string, error) {
	var b struct{ Passwords map[string]string }
	_, err := c.c.Get(ctx, c.planURL(name, "passwords"), &b, nil)
	return b.Passwords, session.Explain(err)
}

// RotatePasswords makes passwords of a plan anew, all where none is named.
func (c *Client) RotatePasswords(ctx context.Context, name string, names []string) (*stack.Rotated, error) {
	var done stack.Rotated
	_, err := c.c.Post(ctx, c.planURL(name, "passwords", "rotate"), map[string]any{"names": names}, &done, answer(http.StatusOK))
	return &done, session.Explain(err)
}
