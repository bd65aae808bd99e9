// Package client talks to the orchestration API: start an action, follow its
// events, read its outcome.
package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"trefoil/internal/errs"
	"trefoil/overcloud/session"
	"trefoil/overcloud/stack"
	"trefoil/overcloud/stack/api"
)

// Client is not bound to one stack. Safe for concurrent use.
type Client struct {
	Poll time.Duration // between two looks of Follow

	c *gophercloud.ServiceClient
}

// New makes a client of a session.
func New(s *session.Session) (*Client, error) {
	c, err := s.Orchestration()
	if err != nil {
		return nil, err
	}
	return &Client{Poll: time.Second, c: c}, nil
}

// Stack is a stack as the API shows it.
type Stack struct {
	ID           string          `json:"id"`
	Name         string          `json:"stack_name"`
	Status       string          `json:"stack_status"`
	Reason       string          `json:"stack_status_reason"`
	CreationTime string          `json:"creation_time"`
	UpdatedTime  string          `json:"updated_time"`
	Outputs      []output        `json:"outputs"`
	Failures     []stack.Failure `json:"trefoil_failures"`
	Summary      stack.Summary   `json:"trefoil_summary"`
}

type output struct {
	Key   string `json:"output_key"`
	Value string `json:"output_value"`
}

// OutputMap is the outputs by name, as values of a table.
func (s *Stack) OutputMap() map[string]any {
	out := map[string]any{}
	for _, o := range s.Outputs {
		out[o.Key] = o.Value
	}
	return out
}

// InProgress tells whether an action is under way.
func (s *Stack) InProgress() bool { return strings.HasSuffix(s.Status, "_"+stack.InProgress) }

// Event is one line of a stack's log.
type Event struct {
	ID       string `json:"id"`
	Resource string `json:"resource_name"`
	Status   string `json:"resource_status"`
	Reason   string `json:"resource_status_reason"`
	Time     string `json:"event_time"`
	Type     string `json:"resource_type"`
}

// Line is an event as heatclient prints it:
// 2020-08-14 08:39:21Z [overcloud.Controller.0]: CREATE_COMPLETE  state changed.
func (e Event) Line(name string) string {
	where := name
	if e.Resource != name {
		where += "." + e.Resource
	}
	return fmt.Sprintf("%s [%s]: %s  %s", strings.Replace(e.Time, "T", " ", 1), where, e.Status, e.Reason)
}

// Resource is one row of a stack's resources.
type Resource struct {
	Name        string `json:"resource_name"`
	PhysicalID  string `json:"physical_resource_id"`
	Type        string `json:"resource_type"`
	Status      string `json:"resource_status"`
	UpdatedTime string `json:"updated_time"`
}

// Node is a machine of a stack.
type Node struct {
	Name     string `json:"name"`
	Role     string `json:"role"`
	Index    int    `json:"index"`
	Address  string `json:"address"`
	HostKey  string `json:"host_key"`
	NodeUUID string `json:"node_uuid"`
}

func (c *Client) get(ctx context.Context, path string, out any) error {
	_, err := c.c.Get(ctx, c.c.ServiceURL(path), out, nil)
	return session.Explain(err)
}

func esc(s string) string { return url.PathEscape(s) }

// List reads all stacks.
func (c *Client) List(ctx context.Context) ([]Stack, error) {
	var b struct{ Stacks []Stack }
	err := c.get(ctx, "stacks", &b)
	return b.Stacks, err
}

// Stack reads one, by name or id.
func (c *Client) Stack(ctx context.Context, ident string) (*Stack, error) {
	var b struct{ Stack Stack }
	if err := c.get(ctx, "stacks/"+esc(ident), &b); err != nil {
		return nil, err
	}
	return &b.Stack, nil
}

// Events reads those after the event with id after ("" is all).
func (c *Client) Events(ctx context.Context, ident, after string) ([]Event, error) {
	var b struct{ Events []Event }
	path := "stacks/" + esc(ident) + "/events"
	if after != "" {
		path += "?marker=" + url.QueryEscape(after)
	}
	err := c.get(ctx, path, &b)
	return b.Events, err
}

// Resources reads a stack's resources as deep as depth.
func (c *Client) Resources(ctx context.Context, ident string, depth int) ([]Resource, error) {
	var b struct{ Resources []Resource }
	err := c.get(ctx, fmt.Sprintf("stacks/%s/resources?nested_depth=%d", esc(ident), depth), &b)
	return b.Resources, err
}

// Nodes reads a stack's machines.
func (c *Client) Nodes(ctx context.Context, ident string) ([]Node, error) {
	var b struct{ Nodes []Node }
	err := c.get(ctx, "stacks/"+esc(ident)+"/nodes", &b)
	return b.Nodes, err
}

// Output reads one output; secret ones come only this way.
func (c *Client) Output(ctx context.Context, ident, key string) (string, error) {
	var b struct{ Output output }
	err := c.get(ctx, "stacks/"+esc(ident)+"/outputs/"+esc(key), &b)
	return b.Output.Value, err
}

// Create starts a new stack and returns its id.
func (c *Client) Create(ctx context.Context, r api.Request) (string, error) {
	var b struct{ Stack struct{ ID string } }
	_, err := c.c.Post(ctx, c.c.ServiceURL("stacks"), r, &b, &gophercloud.RequestOpts{OkCodes: []int{http.StatusCreated}})
	return b.Stack.ID, session.Explain(err)
}

// Update gives a stack a new shape.
func (c *Client) Update(ctx context.Context, ident string, r api.Request) error {
	_, err := c.c.Put(ctx, c.c.ServiceURL("stacks", esc(ident)), r, nil, &gophercloud.RequestOpts{OkCodes: []int{http.StatusAccepted}})
	return session.Explain(err)
}

// Delete starts the end of a stack.
func (c *Client) Delete(ctx context.Context, ident string) error {
	_, err := c.c.Delete(ctx, c.c.ServiceURL("stacks", esc(ident)), nil)
	return session.Explain(err)
}

// Cancel ends the running action.
func (c *Client) Cancel(ctx context.Context, ident string) error {
	_, err := c.c.Post(ctx, c.c.ServiceURL("stacks", esc(ident), "actions"), map[string]any{"cancel_without_rollback": nil}, nil,
		&gophercloud.RequestOpts{OkCodes: []int{http.StatusNoContent}})
	return session.Explain(err)
}

// Follow prints events after the given one until the action ends, and returns
// the stack then; nil when it is gone (a finished delete). An undercloud that is
// away for a while is waited for, and that is told on progress.
func (c *Client) Follow(ctx context.Context, name, id, after string, out, progress io.Writer) (*Stack, error) {
	away := time.Time{}
	for {
		// The state first: when it is final, the events read after it are all there are.
		s, err := c.Stack(ctx, id)
		if err == nil {
			var evs []Event
			evs, err = c.Events(ctx, id, after)
			for _, e := range evs {
				fmt.Fprintln(out, e.Line(name))
				after = e.ID
			}
		}
		switch {
		case errs.Is(err, errs.NotFound):
			return nil, nil
		case ctx.Err() != nil:
			return s, ctx.Err()
		case errs.Is(err, errs.Unavailable):
			if away.IsZero() {
				away = time.Now()
				fmt.Fprintf(progress, "the undercloud does not answer (%v); the deployment goes on when it is back. Waiting; to start it: undercloud start\n", err)
			}
		case err != nil:
			return nil, err
		default:
			if !away.IsZero() {
				fmt.Fprintf(progress, "the undercloud is back after %s\n", time.Since(away).Round(time.Second))
				away = time.Time{}
			}
			if !s.InProgress() {
				return s, nil
			}
		}
		select {
		case <-ctx.Done():
			return s, ctx.Err()
		case <-time.After(c.Poll):
		}
	}
}

// LastEvent is the id of the newest event, "" if there is none.
func (c *Client) LastEvent(ctx context.Context, ident string) (string, error) {
	evs, err := c.Events(ctx, ident, "")
	if err != nil || len(evs) == 0 {
		return "", err
	}
	return evs[len(evs)-1].ID, nil
}
