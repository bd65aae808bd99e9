package api

import "net/http"

type handler = func(*call) error

// readSince guards a handler that reads one of Ironic's newer resources: below its
// version there is no such path.
func readSince(since int, handle handler) handler {
	return guard(since, http.StatusNotFound, handle)
}

// writeSince guards one that writes: below its version there is no such method.
func writeSince(since int, handle handler) handler {
	return guard(since, http.StatusMethodNotAllowed, handle)
}

func guard(since, status int, handle handler) handler {
	return func(c *call) error {
		if c.version < since {
			return routerError(status)
		}
		return handle(c)
	}
}
