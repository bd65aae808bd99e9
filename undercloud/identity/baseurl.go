package identity

import "net/http"

// BaseURL is how a client reached a service, for links in answers: clients go where
// these lead, and must not leave TLS by them.
func BaseURL(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}
