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
		msg := Message(code.Body)
		if msg == "" {
			msg = http.StatusText(code.Actual)
		}
		kind := codeOf(code.Actual)
		if kind == errs.Conflict && strings.Contains(msg, " is locked by host ") {
			kind = errs.Locked // Ironic's words for "in a moment"
		}
		return errs.New(kind, "%s (HTTP %d)", msg, code.Actual)
	}
	var u *url.Error
	if errors.As(err, &u) && broken(u) {
		where, cause := u.URL, u.Err
		if p, perr := url.Parse(u.URL); perr == nil {
			where = p.Scheme + "://" + p.Host
		}
		var op *net.OpError
		if errors.As(err, &op) {
			cause = op
		}
		return errs.Wrap(errs.Unavailable, cause, "no answer from %s", where)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) {
		return errs.Wrap(errs.Unavailable, err, "the connection broke in the middle of an answer")
	}
	return err
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
	case 502, 503, 504:
		return errs.Unavailable
	}
	return errs.Internal
}

// Message finds the sentence in an OpenStack error body: Ironic nests JSON in
// error_message, Keystone and Heat use error.message, Nova and Neutron one key of any name,
// Placement a list of errors.
func Message(body []byte) string {
	var m map[string]json.RawMessage
	if json.Unmarshal(body, &m) != nil {
		s := strings.TrimSpace(string(body))
		if len(s) > 300 || strings.HasPrefix(s, "<") {
			return ""
		}
		return s
	}
	var inner string
	if raw, ok := m["error_message"]; ok && json.Unmarshal(raw, &inner) == nil {
		var f struct{ Faultstring, Description, Title string }
		if json.Unmarshal([]byte(inner), &f) == nil && f.Faultstring+f.Description+f.Title != "" {
			return first(f.Faultstring, f.Description, f.Title)
		}
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
