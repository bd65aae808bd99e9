package api

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"trefoil/ironic"
)

// Vendor is what a Conductor may also be: it calls methods of nodes' vendor interfaces.
type Vendor interface {
	// VendorMethods are those of a node by name; none where its vendor interface is off.
	VendorMethods(ctx context.Context, ident string) (map[string]ironic.VendorMethod, error)
	// CallVendor carries one out. As with Ironic, what the machine says of it stands in the
	// node's history and last_error. Invalid: there is no such method, verb is not its, or
	// its arguments will not do.
	CallVendor(ctx context.Context, ident, method, verb string, args map[string]any) error
}

func (s *server) vendorMethods(c *call) error {
	n, err := c.node()
	if err != nil {
		return err
	}
	out := object{}
	if v, ok := s.conductor.(Vendor); ok {
		list, err := v.VendorMethods(c.ctx(), n.UUID)
		if err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(list)) {
			m := list[name]
			out = append(out, pair{name, object{{"http_methods", m.Verbs}, {"async", true}, {"description", m.Description},
				{"attach", false}, {"require_exclusive_lock", true}}})
		}
	}
	return c.json(http.StatusOK, out)
}

func (s *server) vendorCall(c *call) error {
	n, err := c.node()
	if err != nil {
		return err
	}
	v, ok := s.conductor.(Vendor)
	method := c.vendorMethod()
	if method == "" || !ok {
		return noVendorMethod(method)
	}
	args := map[string]any{}
	if c.r.ContentLength != 0 {
		if args, err = c.objectBody(bodyLimit); err != nil {
			return err
		}
	}
	if err := v.CallVendor(c.ctx(), n.UUID, method, c.r.Method, args); err != nil {
		return err
	}
	return c.status(http.StatusAccepted)
}

// No hardware type here has methods without a node: the list is empty and each call is refused.

func (s *server) driverVendorMethods(c *call) error {
	if _, err := s.driver(c); err != nil {
		return err
	}
	return c.json(http.StatusOK, object{})
}

func (s *server) driverVendorCall(c *call) error {
	if _, err := s.driver(c); err != nil {
		return err
	}
	return noVendorMethod(c.vendorMethod())
}

// vendorMethod is the method that the path or the query names.
func (c *call) vendorMethod() string {
	if method := c.r.PathValue("method"); method != "" {
		return method
	}
	return c.r.URL.Query().Get("method")
}

func noVendorMethod(method string) error {
	if method == "" {
		return badRequest("Method not specified when calling vendor extension.")
	}
	return badRequest("No handler for method %s", method)
}
