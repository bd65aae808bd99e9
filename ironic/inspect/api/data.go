package inspectapi

import (
	"fmt"
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
