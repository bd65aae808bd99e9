package client

import (
	"context"
	"net/http"

	"github.com/gophercloud/gophercloud/v2"

	"trefoil/overcloud/plan/diff"
	"trefoil/overcloud/session"
	"trefoil/overcloud/stack/api"
)

// Preview tells what a deployment would change; old is the stack that there is,
// or nil. Nothing is stored.
func (c *Client) Preview(ctx context.Context, old *Stack, r api.Request) (*diff.Diff, error) {
	var b struct{ Diff *diff.Diff }
	opts := &gophercloud.RequestOpts{OkCodes: []int{http.StatusOK}}
	var err error
	if old == nil {
		_, err = c.c.Post(ctx, c.c.ServiceURL("stacks", "preview"), r, &b, opts)
	} else {
		_, err = c.c.Put(ctx, c.c.ServiceURL("stacks", esc(old.Name), esc(old.ID), "preview"), r, &b, opts)
	}
	return b.Diff, session.Explain(err)
}
