package session

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/gophercloud/gophercloud/v2"

	"trefoil/internal/errs"
)

func TestAsk(t *testing.T) {
	answer := func(status int, text string) error {
		return gophercloud.ErrUnexpectedResponseCode{Actual: status, Body: []byte(`{"error_message":"{\"faultstring\":\"` + text + `\"}"}`)}
	}
	locked := answer(http.StatusConflict, "Node a is locked by host undercloud, please retry after the current operation is completed.")
	taken := answer(http.StatusConflict, "A node with name a already exists.")
	away := answer(http.StatusServiceUnavailable, "starting")
	refused := answer(http.StatusBadRequest, `The requested action can not be performed`)
	times := func(n int, err error) (out []error) {
		for range n {
			out = append(out, err)
		}
		return out
	}
	for _, c := range []struct {
		name    string
		answers []error // one by one; nil follows
		asked   int
		code    errs.Code
	}{
		{"at once", nil, 1, ""},
		{"locked for a moment", times(3, locked), 4, ""},
		{"locked for good", times(99, locked), asksLocked, errs.Locked},
		{"a conflict that waiting does not cure", times(9, taken), 1, errs.Conflict},
		{"away for a while", times(30, away), 31, ""},
		{"away for good", times(99, away), asksAway, errs.Unavailable},
		{"refused", times(9, refused), 1, errs.Invalid},
		{"the answer was lost, the request had arrived", []error{away, refused}, 2, ""},
		{"the answer was lost, the request is being carried out", append([]error{away}, times(99, locked)...), 1 + asksLocked, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			asked := 0
			err := Ask(t.Context(), 0, func() error {
				asked++
				if asked <= len(c.answers) {
					return c.answers[asked-1]
				}
				return nil
			})
			if errs.CodeOf(err) != c.code || asked != c.asked {
				t.Errorf("%v after %d requests, want %q after %d", err, asked, c.code, c.asked)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := Ask(ctx, 0, func() error { cancel(); return away }); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
}
