// Package errs is the one error type that crosses package borders: a machine
// code, a sentence for a person and, where there is one, a hint that says what
// to do next. Everything else is wrapped with fmt.Errorf("action: %w", err).
package errs

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Code says what kind of failure an Error is. It maps to one HTTP status and
// one exit code, so that a caller never has to read the sentence.
type Code string

// The codes, from the most to the least common.
const (
	Invalid       Code = "invalid"        // the request is wrong: 400
	NotFound      Code = "not_found"      // 404
	Conflict      Code = "conflict"       // exists, wrong state, in use: 409
	Locked        Code = "locked"         // reserved by somebody else: 409
	Unauthorized  Code = "unauthorized"   // no or bad credentials: 401
	Forbidden     Code = "forbidden"      // 403
	NotAcceptable Code = "not_acceptable" // API version: 406
	TooLarge      Code = "too_large"      // the request's body is longer than is taken: 413
	Unavailable   Code = "unavailable"    // try again later: 503
	Internal      Code = "internal"       // our fault: 500
)

// Error is a failure that may be shown to a person as it is. It never holds a secret.
type Error struct {
	Code Code
	Msg  string // what failed, in a sentence without the leading "error"
	Hint string // what to do about it; may be empty
	Err  error  // the cause; may be nil
}

// Error returns the message followed by the cause.
func (e *Error) Error() string {
	if e.Err != nil {
		return e.Msg + ": " + e.Err.Error()
	}
	return e.Msg
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// New makes an Error with a formatted message.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Msg: fmt.Sprintf(format, args...)}
}

// Wrap makes an Error around a cause.
func Wrap(code Code, err error, format string, args ...any) *Error {
	return &Error{Code: code, Msg: fmt.Sprintf(format, args...), Err: err}
}

// WithHint returns a copy of e that carries a hint.
func (e *Error) WithHint(format string, args ...any) *Error {
	c := *e
	c.Hint = fmt.Sprintf(format, args...)
	return &c
}

// CodeOf returns the code of the first Error in err's chain, or Internal.
// A nil error has no code.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Internal
}

// HintOf returns the first non-empty hint in err's chain.
func HintOf(err error) string {
	for err != nil {
		var e *Error
		if !errors.As(err, &e) {
			return ""
		}
		if e.Hint != "" {
			return e.Hint
		}
		err = e.Err
	}
	return ""
}

// Is reports whether err carries the given code.
func Is(err error, code Code) bool { return err != nil && CodeOf(err) == code }

// HTTPStatus maps a code to its HTTP status.
func HTTPStatus(code Code) int {
	switch code {
	case Invalid:
		return http.StatusBadRequest
	case NotFound:
		return http.StatusNotFound
	case Conflict, Locked:
		return http.StatusConflict
	case Unauthorized:
		return http.StatusUnauthorized
	case Forbidden:
		return http.StatusForbidden
	case NotAcceptable:
		return http.StatusNotAcceptable
	case TooLarge:
		return http.StatusRequestEntityTooLarge
	case Unavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// Printable writes what could steer a terminal or hide (control and format
// characters, bytes that are no UTF-8) as %q does; line feeds stay. Messages
// that quote what others wrote pass through it.
func Printable(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == '\n' || unicode.IsPrint(r) && (r != utf8.RuneError || n > 1) {
			b.WriteString(s[i : i+n])
		} else {
			q := strconv.Quote(s[i : i+n])
			b.WriteString(q[1 : len(q)-1])
		}
		i += n
	}
	return b.String()
}
