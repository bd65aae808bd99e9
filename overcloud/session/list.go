package session

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/gophercloud/gophercloud/v2"

	"trefoil/internal/errs"
)

// All reads a whole list of Ironic's API, page by page: path is "nodes" or
// "ports", query what the first request asks for (nil: nothing). Ironic names
// the following page in `next`, which gophercloud's pagers do not look at: they
// end after the first 1000. Only the query of `next` is used, so a service that
// does not know the name it is reached by is read to its end as well.
func All[T any](ctx context.Context, c *gophercloud.ServiceClient, path string, query url.Values) ([]T, error) {
	out := []T{}
	asked := query.Encode()
	for seen := map[string]bool{}; ; {
		if seen[asked] {
			return nil, errs.New(errs.Internal, "list %s: the service names the same page twice: ?%s", path, asked)
		}
		seen[asked] = true
		var page map[string]json.RawMessage
		if _, err := c.Get(ctx, c.ServiceURL(path)+"?"+asked, &page, nil); err != nil {
			return nil, Explain(err)
		}
		var rows []T
		if err := json.Unmarshal(page[path], &rows); err != nil {
			return nil, errs.Wrap(errs.Internal, err, "list %s: the answer is not a list of %s", path, path)
		}
		out = append(out, rows...)
		var next string
		if raw := page["next"]; raw != nil {
			if err := json.Unmarshal(raw, &next); err != nil {
				return nil, fmt.Errorf("list %s: read the link to the next page: %w", path, err)
			}
		}
		if next == "" || len(rows) == 0 {
			return out, nil
		}
		u, err := url.Parse(next)
		if err != nil {
			return nil, fmt.Errorf("list %s: read the link to the next page: %w", path, err)
		}
		asked = u.RawQuery
	}
}
