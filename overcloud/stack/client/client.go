// Package client talks to the orchestration API: start an action, follow its
// events, read its outcome.
package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
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

// Stack is a stack as the API shows it, with what its last action did.
type Stack struct {
	ID           string          `json:"id"`
	Name         string          `json:"stack_name"`
	Status       string          `json:"stack_status"`
	Reason       string          `json:"stack_status_reason"`
	CreationTime string          `json:"creation_time"`
	UpdatedTime  string          `json:"updated_time"`
	Project      string          `json:"project"`
	Owner        string          `json:"stack_owner"`
	Parent       string          `json:"parent"`
	Outputs      []Output        `json:"outputs"`
	Failures     []stack.Failure `json:"-"` // from Outcome, and where Follow ends
	Summary      stack.Summary   `json:"-"`
}

// Output is a named result of a stack.
type Output struct {
	Key         string `json:"output_key"`
	Value       any    `json:"output_value"`
	Description string `json:"description"`
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

// Link is how the API points at what belongs together.
type Link struct{ Rel, Href string }

// Event is one line of a stack's log.
type Event struct {
	ID         string `json:"id"`
	Resource   string `json:"resource_name"`
	Path       string `json:"trefoil_path"` // dotted, below the deployment
	PhysicalID string `json:"physical_resource_id"`
	Status     string `json:"resource_status"`
	Reason     string `json:"resource_status_reason"`
	Time       string `json:"event_time"`
	Links      []Link `json:"links"`
}

// Line is an event as heatclient prints it:
// 2020-08-14 08:39:21Z [overcloud.Controller.0]: CREATE_COMPLETE  state changed.
func (e Event) Line(name string) string {
	where := name
	if e.Path != "" {
		where += "." + e.Path
	}
	return fmt.Sprintf("%s [%s]: %s  %s", strings.Replace(e.Time, "T", " ", 1), where, e.Status, e.Reason)
}

// OfNestedStack tells an event of a stack in another from one of a resource.
func (e Event) OfNestedStack() bool { return strings.HasSuffix(e.ID, api.OwnMark) }

// Resource is one row of a stack's resources.
type Resource struct {
	Name        string `json:"resource_name"`
	PhysicalID  string `json:"physical_resource_id"`
	Type        string `json:"resource_type"`
	Status      string `json:"resource_status"`
	Reason      string `json:"resource_status_reason"`
	UpdatedTime string `json:"updated_time"`
	Links       []Link `json:"links"`
}

// StackName is the name of the stack that an event or a resource belongs to.
func StackName(links []Link) string {
	for _, l := range links {
		if parts := strings.Split(l.Href, "/"); l.Rel == "stack" && len(parts) > 1 {
			return parts[len(parts)-2]
		}
	}
	return ""
}

// Node is a machine of a stack.
type Node struct {
	Name     string `json:"name"`
	Role     string `json:"role"`
	Index    int    `json:"index"`
	Address  string `json:"address"`
	HostKey  string `json:"host_key"`
	NodeUUID string `json:"node_uuid"`

	InstanceUUID string `json:"instance_uuid"`
}

func (c *Client) get(ctx context.Context, path string, out any) error {
	_, err := c.c.Get(ctx, c.c.ServiceURL(path), out, nil)
	return session.Explain(err)
}

func esc(s string) string { return url.PathEscape(s) }

// query is the end of an address.
func query(q url.Values) string {
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

// List reads all stacks that q lets through, newest first.
func (c *Client) List(ctx context.Context, q url.Values) ([]Stack, error) {
	var b struct{ Stacks []Stack }
	err := c.get(ctx, "stacks"+query(q), &b)
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

// Outcome reads a stack with what its last action did and why it failed.
func (c *Client) Outcome(ctx context.Context, ident string) (*Stack, error) {
	s, err := c.Stack(ctx, ident)
	if err != nil {
		return nil, err
	}
	var b struct {
		Outcome struct {
			Failures []stack.Failure
			Summary  stack.Summary
		}
	}
	err = c.get(ctx, "stacks/"+esc(ident)+"/outcome", &b)
	s.Failures, s.Summary = b.Outcome.Failures, b.Outcome.Summary
	return s, err
}

// deepest is deeper than any stack nests.
const deepest = "9"

// Events reads those of resources of all depths after the event with id after
// ("" is all). What nested stacks say of themselves, their resources say too.
func (c *Client) Events(ctx context.Context, ident, after string) ([]Event, error) {
	q := url.Values{"nested_depth": {deepest}}
	if after != "" {
		q.Set("marker", after)
	}
	evs, err := c.EventList(ctx, ident, q)
	return slices.DeleteFunc(evs, Event.OfNestedStack), err
}

// EventList reads the events that q lets through.
func (c *Client) EventList(ctx context.Context, ident string, q url.Values) ([]Event, error) {
	var b struct{ Events []Event }
	err := c.get(ctx, "stacks/"+esc(ident)+"/events"+query(q), &b)
	return b.Events, err
}

// ResourceEvents reads those of one resource, which has a dotted path, that q lets through.
func (c *Client) ResourceEvents(ctx context.Context, ident, resource string, q url.Values) ([]Event, error) {
	var b struct{ Events []Event }
	err := c.get(ctx, "stacks/"+esc(ident)+"/resources/"+esc(resource)+"/events"+query(q), &b)
	return b.Events, err
}

// Resources reads the resources of a stack that q lets through.
func (c *Client) Resources(ctx context.Context, ident string, q url.Values) ([]Resource, error) {
	var b struct{ Resources []Resource }
	err := c.get(ctx, "stacks/"+esc(ident)+"/resources"+query(q), &b)
	return b.Resources, err
}

// Show reads what stands below a stack, or the stack itself where the path is
// empty, as the API gives it: template, environment, resources/NAME …
func (c *Client) Show(ctx context.Context, ident string, path ...string) (map[string]any, error) {
	at := "stacks/" + esc(ident)
	for _, p := range path {
		at += "/" + esc(p)
	}
	var out map[string]any
	err := c.get(ctx, at, &out)
	return out, err
}

// Nodes reads a stack's machines.
func (c *Client) Nodes(ctx context.Context, ident string) ([]Node, error) {
	var b struct{ Nodes []Node }
	err := c.get(ctx, "stacks/"+esc(ident)+"/nodes", &b)
	return b.Nodes, err
}

// Health has the undercloud look at every service of every machine of a stack. It
// takes as long as the slowest machine does.
func (c *Client) Health(ctx context.Context, ident string) ([]stack.ServiceHealth, error) {
	var b struct{ Health []stack.ServiceHealth }
	err := c.get(ctx, "stacks/"+esc(ident)+"/health", &b)
	return b.Health, err
}

// Output reads one output; secret ones come only this way.
func (c *Client) Output(ctx context.Context, ident, key string) (any, error) {
	var b struct{ Output Output }
	err := c.get(ctx, "stacks/"+esc(ident)+"/outputs/"+esc(key), &b)
	return b.Output.Value, err
}

// Outputs reads the names and descriptions of all outputs.
func (c *Client) Outputs(ctx context.Context, ident string) ([]Output, error) {
	var b struct{ Outputs []Output }
	err := c.get(ctx, "stacks/"+esc(ident)+"/outputs", &b)
	return b.Outputs, err
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
				return c.Outcome(ctx, id)
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
