package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"syscall"

	"github.com/gophercloud/gophercloud/v2"

	"trefoil/internal/errs"
)

// Explain turns an error of an API client into an errs.Error with the service's
// own sentence. What to do about a service that is silent depends on whose it is:
// see Options. nil, and what is explained already, stay as they are.
func Explain(err error) error {
	if err == nil || errors.As(err, new(*errs.Error)) {
		return err
	}
	var code gophercloud.ErrUnexpectedResponseCode
	if errors.As(err, &code) {
		return answered(err, code)
	}
	var u *url.Error
	if errors.As(err, &u) {
		if e := misunderstood(u); e != nil {
			return e
		}
	}
	if u != nil && broken(u) {
		cause := u.Err
		var op *net.OpError
		if errors.As(err, &op) {
			cause = op
		}
		return errs.Wrap(errs.Unavailable, cause, "no answer from %s", origin(u.URL))
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) {
		return errs.Wrap(errs.Unavailable, err, "the connection broke in the middle of an answer")
	}
	return err
}

// answered is an answer that says no, with what the service or, failing that, the session
// has to say on what to do.
func answered(err error, code gophercloud.ErrUnexpectedResponseCode) *errs.Error {
	msg, hint := sentence(code.Body)
	if msg == "" {
		msg = http.StatusText(code.Actual)
	}
	if text, advice := errs.Untold(msg); advice != "" { // where the shape of a body has no place for it
		msg, hint = text, advice
	}
	kind := codeOf(code.Actual)
	if kind == errs.Conflict && strings.Contains(msg, " is locked by host ") {
		kind = errs.Locked // Ironic's words for "in a moment"
	}
	var a advised
	if hint == "" && errors.As(err, &a) {
		hint = a.hint
	}
	if code.Actual == http.StatusBadRequest && wantsTLS(code.Body) {
		hint = useScheme(code.URL, "https")
	}
	return errs.New(kind, "%s (HTTP %d)", msg, code.Actual).WithHint("%s", hint)
}

// silence explains an error of a service that did not answer, with what the caller
// has to say to that. What was answered is left to who asked, as it is.
func (o Options) silence(err error) error {
	var e *errs.Error
	if errors.As(err, new(gophercloud.ErrUnexpectedResponseCode)) || !errors.As(Explain(err), &e) || e.Code != errs.Unavailable {
		return err
	}
	return e.WithHint("%s", o.Silent)
}

// broken tells an answer that did not come from a request that could not be
// made. What the caller gave up himself (Ctrl-C) is neither.
func broken(u *url.Error) bool {
	if errors.Is(u, context.Canceled) {
		return false
	}
	var op *net.OpError
	return errors.As(u, &op) || u.Timeout() || errors.Is(u, io.EOF) || errors.Is(u, io.ErrUnexpectedEOF)
}

func codeOf(status int) errs.Code {
	switch status {
	case 400:
		return errs.Invalid
	case 401:
		return errs.Unauthorized
	case 403:
		return errs.Forbidden
	case 404:
		return errs.NotFound
	case 406:
		return errs.NotAcceptable
	case 409:
		return errs.Conflict
	case 413:
		return errs.TooLarge
	case 502, 503, 504:
		return errs.Unavailable
	}
	return errs.Internal
}

// Message finds the sentence in an OpenStack error body: Ironic nests JSON in
// error_message, Keystone and Heat use error.message, Nova and Neutron one key of any name,
// Glance message, Placement a list of errors.
func Message(body []byte) string {
	msg, _ := sentence(body)
	return msg
}

// sentence is Message with the hint that our own services have beside it.
func sentence(body []byte) (msg, hint string) {
	var m map[string]json.RawMessage
	if json.Unmarshal(body, &m) != nil {
		s := strings.TrimSpace(string(body))
		if len(s) > 300 || strings.HasPrefix(s, "<") {
			return "", ""
		}
		return s, ""
	}
	if f, inner, ok := fault(body); ok {
		if f.Faultstring+f.Description+f.Title != "" {
			return first(f.Faultstring, f.Description, f.Title), f.Hint
		}
		return inner, ""
	}
	return plain(m, body), ""
}

// ironicFault is what Ironic's error_message holds: a fault of the API, or code, title
// and description where no API was reached.
type ironicFault struct{ Faultstring, Description, Title, Hint string }

// fault reads Ironic's error body. ok is false for one of another service.
func fault(body []byte) (f ironicFault, inner string, ok bool) {
	var m struct {
		Message *string `json:"error_message"`
	}
	if json.Unmarshal(body, &m) != nil || m.Message == nil {
		return f, "", false
	}
	if json.Unmarshal([]byte(*m.Message), &f) != nil {
		f = ironicFault{} // a text that is no JSON
	}
	return f, *m.Message, true
}

// plain is the sentence of the other services.
func plain(m map[string]json.RawMessage, body []byte) string {
	var inner string
	if json.Unmarshal(m["message"], &inner) == nil && inner != "" { // Glance's, beside code and title
		return inner
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		var f struct {
			Message string
			Type    string
		}
		if json.Unmarshal(m[key], &f) == nil && f.Message != "" {
			return f.Message
		}
		if json.Unmarshal(m[key], &inner) == nil && len(m) == 1 {
			return inner
		}
	}
	var list []struct{ Detail, Title string }
	if json.Unmarshal(m["errors"], &list) == nil && len(list) > 0 && list[0].Detail+list[0].Title != "" {
		return strings.Join(strings.Fields(first(list[0].Detail, list[0].Title)), " ") // Placement's has empty lines
	}
	return fmt.Sprintf("%.300s", body)
}

func first(ss ...string) string {
	for _, s := range ss {
		if s != "" {
			return s
		}
	}
	return ""
}
