package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/nearest"
)

// apiError is an answer that says no. router errors have the shape that
// Ironic's router and version negotiation use, the others that of its API.
type apiError struct {
	status int
	text   string
	hint   string
	router bool
}

func (e *apiError) Error() string { return e.text }

// clientError makes the ordinary refusal.
func clientError(status int, format string, args ...any) *apiError {
	return &apiError{status: status, text: fmt.Sprintf(format, args...)}
}

// badRequest is a clientError with status 400.
func badRequest(format string, args ...any) *apiError {
	return clientError(http.StatusBadRequest, format, args...)
}

// choosing adds what there is to choose from, and which of them may be meant.
func (e *apiError) choosing(written string, from []string) *apiError {
	if len(from) == 0 {
		return e
	}
	e.hint = "expected one of " + strings.Join(from, ", ") + nearest.Hint(written, from)
	return e
}

// hinting adds what to do.
func (e *apiError) hinting(format string, args ...any) *apiError {
	e.hint = fmt.Sprintf(format, args...)
	return e
}

// tooNew refuses something newer than the version the client asked for. The sentence
// is Ironic's; which version is needed stands in the hint.
func tooNew(what string, since, version int) *apiError {
	return clientError(http.StatusNotAcceptable, "Request not acceptable.").needing(what, since, version)
}

// needing adds which version a request must ask for.
func (e *apiError) needing(what string, since, version int) *apiError {
	e.hint = fmt.Sprintf("%s needs API version %s, and the request is one of %s: send %s: %s, or a newer one up to %s",
		what, versionText(since), versionText(version), spelledVersion, versionText(since), versionText(maxMinor))
	return e
}

func routerError(status int) *apiError { return &apiError{status: status, router: true} }

// toAPIError turns any error into an answer. ok is false for failures that are
// ours: their text goes to the log, never to the client.
func toAPIError(err error, requestID string) (answer *apiError, ok bool) {
	var ae *apiError
	if errors.As(err, &ae) {
		return ae, ae.status < http.StatusInternalServerError
	}
	code := errs.CodeOf(err)
	if code == errs.Internal {
		return &apiError{status: http.StatusInternalServerError,
			text: "Internal error; the service's log has the reason under " + requestID + "."}, false
	}
	status := errs.HTTPStatus(code) // what is unavailable is the operator's to know as well
	return &apiError{status: status, text: err.Error(), hint: errs.HintOf(err)}, status < http.StatusInternalServerError
}

// writeError sends Ironic's error body: a JSON text inside a JSON object.
// hint is our own addition and stands there only when there is one.
func writeError(w http.ResponseWriter, e *apiError) {
	var inner any
	if e.router {
		inner = struct {
			Code        int    `json:"code"`
			Title       string `json:"title"`
			Description string `json:"description"`
			Hint        string `json:"hint,omitempty"`
		}{e.status, http.StatusText(e.status), e.text, e.hint}
	} else {
		fault := "Client"
		if e.status >= http.StatusInternalServerError {
			fault = "Server"
		}
		inner = struct {
			Faultcode   string  `json:"faultcode"`
			Faultstring string  `json:"faultstring"`
			Debuginfo   *string `json:"debuginfo"`
			Hint        string  `json:"hint,omitempty"`
		}{fault, e.text, nil, e.hint}
	}
	text, _ := json.Marshal(inner) // strings and numbers only: cannot fail
	body, _ := json.Marshal(map[string]string{"error_message": string(text)})
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.status)
	_, _ = w.Write(body) // a client that went away needs no answer
}
