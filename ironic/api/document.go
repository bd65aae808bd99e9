package api

import (
	"fmt"
	"sync"

	"trefoil/ironic/api/openapi"
)

// documentOnce puts the document together when it is first asked for; most
// services never are.
type documentOnce func() (openapi.Document, error)

func newDocument() documentOnce { return sync.OnceValues(openapi.Load) }

// getDocument answers with the OpenAPI document of this API, to anybody and
// whatever version is asked for.
func (s *server) getDocument(c *call) error {
	d, err := s.document()
	if err != nil {
		return fmt.Errorf("load the OpenAPI document: %w", err)
	}
	c.wrote = true
	d.Serve(c.w, c.r)
	return nil
}
