package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/gophercloud/gophercloud/v2"

	"trefoil/overcloud/configdownload"
	"trefoil/overcloud/session"
)

// maxPacked is the largest packed configuration that is taken, in bytes.
const maxPacked = 64 << 20

// Config reads what `overcloud config download` writes: the files of a stack's
// configuration, secrets included. q has config_type, any number, and the
// variables of the group Undercloud.
func (c *Client) Config(ctx context.Context, ident string, q url.Values) (configdownload.Files, error) {
	resp, err := c.c.Get(ctx, c.c.ServiceURL("stacks", esc(ident), "config")+query(q), nil,
		&gophercloud.RequestOpts{OkCodes: []int{http.StatusOK}, KeepResponseBody: true})
	if err != nil {
		return nil, session.Explain(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxPacked))
	if err != nil {
		return nil, fmt.Errorf("read the configuration of stack %s: %w", ident, session.Explain(err))
	}
	return configdownload.Unpack(data)
}
