package api

import (
	"bytes"
	"fmt"
	"net/http"
	"sync"
	"time"

	"trefoil/ironic/api/openapi"
)

// documentOnce puts the document together when it is first asked for; most
// services never are.
type documentOnce func() (openapi.Document, error)

func newDocument() documentOnce { return sync.OnceValues(openapi.Load) }

// getDocument answers with the OpenAPI document of this API, to anybody and
// whatever version is asked for. Clients keep it and ask with If-None-Match.
func (s *server) getDocument(c *call) error {
	d, err := s.document()
	if err != nil {
		return fmt.Errorf("load the OpenAPI document: %w", err)
	}
	h := c.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("ETag", d.ETag)
	h.Set("Cache-Control", "no-cache") // keep it, but ask each time whether it is still the same
	c.wrote = true
	http.ServeContent(c.w, c.r, "", time.Time{}, bytes.NewReader(d.JSON))
	return nil
}

// documentPath is where it lies. The discovery document names it (RFC 8631).
const documentPath = "/openapi.json"

func (c *call) linkDocument() {
	c.w.Header().Set("Link", "<"+c.base()+documentPath+`>; rel="service-desc"; type="application/json"`)
}
