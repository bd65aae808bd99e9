package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"trefoil/internal/errs"
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

// notAcceptable refuses something newer than the version the client asked for.
func notAcceptable() *apiError {
	return clientError(http.StatusNotAcceptable, "Request not acceptable.")
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
	return &apiError{status: errs.HTTPStatus(code), text: err.Error(), hint: errs.HintOf(err)}, true
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
		}{e.status, http.StatusText(e.status), e.text}
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
