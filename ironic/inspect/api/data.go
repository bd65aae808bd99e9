package inspectapi

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/inspect"
)

// inventory reads what is kept of a node's last successful introspection.
func (s *server) inventory(r *http.Request) (*ironic.Node, *ironic.Inventory, error) {
	n, err := s.node(r)
	if err != nil {
		return nil, nil, err
	}
	inv, err := s.Store.Inventory(r.Context(), n.UUID)
	if errs.Is(err, errs.NotFound) {
		return nil, nil, errs.New(errs.NotFound, "Introspection data not found for node %s", n.UUID)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read inventory: %w", err)
	}
	return n, inv, nil
}

// unprocessed is what the ramdisk sent.
func (s *server) unprocessed(w http.ResponseWriter, r *http.Request) error {
	_, inv, err := s.inventory(r)
	if err != nil {
		return err
	}
	return send(w, http.StatusOK, inspect.Unprocessed(inv))
}

// data is the same with the inspector's summary on top.
func (s *server) data(w http.ResponseWriter, r *http.Request) error {
	n, inv, err := s.inventory(r)
	if err != nil {
		return err
	}
	out, err := inspect.Data(n, inv)
	if err != nil {
		return err
	}
	return send(w, http.StatusOK, out)
}

// Reprocessor is what a Conductor may also be: it takes a node through hooks and rules
// anew, with the data that is stored.
type Reprocessor interface {
	Reprocess(ctx context.Context, ident string) error
}

// reprocess applies the stored data anew. It is done when the answer is sent.
func (s *server) reprocess(w http.ResponseWriter, r *http.Request) error {
	again, ok := s.Conductor.(Reprocessor)
	if !ok {
		return notFound(w, r)
	}
	if n, err := io.ReadFull(r.Body, make([]byte, 1)); n > 0 || err != io.EOF {
		return errs.New(errs.Invalid, "User data processing is not supported: send no body")
	}
	n, err := s.node(r)
	if err != nil {
		return err
	}
	if err := again.Reprocess(r.Context(), n.UUID); err != nil {
		return err
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}
