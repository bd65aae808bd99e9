// Package baseurl tells how a client reached a service.
package baseurl

import "net/http"

// Of is the scheme, host and port of a request, for links in its answer: clients go
// where these lead with their tokens, and must not leave TLS by them.
func Of(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}
