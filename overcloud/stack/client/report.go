package client

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/gophercloud/gophercloud/v2"

	"trefoil/overcloud/session"
)

// Report writes the tar.gz of a machine's logs, or of what the undercloud knows of
// the stack (node "undercloud"). Secrets are masked in it.
func (c *Client) Report(ctx context.Context, ident, node string, w io.Writer) error {
	resp, err := c.c.Get(ctx, c.c.ServiceURL("stacks", esc(ident), "report", esc(node)), nil,
		&gophercloud.RequestOpts{OkCodes: []int{http.StatusOK}, KeepResponseBody: true})
	if err != nil {
		return session.Explain(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(w, resp.Body); err != nil {
		return fmt.Errorf("read the report of %s: %w", node, session.Explain(err))
	}
	return nil
}
