package api

import "net/http"

// No driver here has vendor methods: the lists are empty and each call is refused.

func (s *server) vendorMethods(c *call) error {
	if _, err := c.node(); err != nil {
		return err
	}
	return c.json(http.StatusOK, object{})
}

func (s *server) vendorCall(c *call) error {
	if _, err := c.node(); err != nil {
		return err
	}
	return c.noVendorMethod()
}

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
	return c.noVendorMethod()
}

func (c *call) noVendorMethod() error {
	method := c.r.PathValue("method")
	if method == "" {
		method = c.r.URL.Query().Get("method")
	}
	if method == "" {
		return badRequest("Method not specified when calling vendor extension.")
	}
	return badRequest("No handler for method %s", method)
}
