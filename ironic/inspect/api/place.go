package inspectapi

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
)

// placeKey is the parameter of links to a next page that says where it begins, beside the marker. The inspector
// knows a marker only, and answers 404 once that node was deleted; whoever follows our links loses nothing, whether the
// node was deleted, introspected again or came to another state between two pages.
const placeKey = "place"

// begin says behind which introspection a page begins; nil is the first page. A marker that a client made itself must
// be an introspection that is there, in whatever state: nothing else says where it stood.
func (s *server) begin(r *http.Request, q url.Values) (*ironic.Begun, error) {
	if text := q.Get(placeKey); text != "" {
		return readPlace(text)
	}
	marker := q.Get("marker")
	if marker == "" {
		return nil, nil
	}
	if !ironic.IsUUID(marker) {
		return nil, errs.New(errs.Invalid, "Bad request: Marker not UUID-like: %s", marker)
	}
	n, err := s.Store.Node(r.Context(), marker)
	if err != nil && !errs.Is(err, errs.NotFound) {
		return nil, fmt.Errorf("read node: %w", err)
	}
	if err != nil || n.InspectionStartedAt == nil {
		return nil, errs.New(errs.NotFound, "Node not found for marker: %s; it was deleted, or never introspected. "+
			"Begin the list anew, or follow introspection_links, which go on behind deleted nodes", marker)
	}
	return &ironic.Begun{At: *n.InspectionStartedAt, ID: n.ID}, nil
}

// placeText is a place in a link: the time in UTC, to the nanosecond, and the number of the node.
func placeText(b *ironic.Begun) string {
	return ironic.TimeKey(&b.At) + "_" + strconv.FormatInt(b.ID, 10)
}

func readPlace(text string) (*ironic.Begun, error) {
	at, id, _ := strings.Cut(text, "_")
	when, err := time.Parse("2006-01-02T15:04:05.999999999", at)
	number, err2 := strconv.ParseInt(id, 10, 64)
	if err != nil || err2 != nil {
		return nil, errs.New(errs.Invalid, "Bad request: %s=%s is not out of a link of ours; leave it out, or follow introspection_links as they are",
			placeKey, text)
	}
	return &ironic.Begun{At: when, ID: number}, nil
}
