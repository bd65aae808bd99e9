package agentclient

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic/agentapi"
)

const token = "t0ken-that-must-not-show"

func TestCommandsAreSentAsTheTracesShow(t *testing.T) {
	var got string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b := make([]byte, r.ContentLength)
		_, _ = r.Body.Read(b)
		got = r.Method + " " + r.URL.RequestURI() + " " + string(b)
		_, _ = w.Write([]byte(`{"id": "c1", "command_name": "get_clean_steps", "command_status": "SUCCEEDED", "command_result": {"clean_steps": {}}, "command_error": null}`))
	}))
	defer srv.Close()
	st, err := (&Client{}).Run(t.Context(), Target{URL: srv.URL + "/", Token: token},
		agentapi.Command{Name: "clean.get_clean_steps", Params: map[string]any{"ports": []any{}}}, true)
	if err != nil || st.ID != "c1" || st.Status != agentapi.Succeeded {
		t.Errorf("%+v %v", st, err)
	}
	want := `POST /v1/commands/?wait=true&agent_token=` + token + ` {"name":"clean.get_clean_steps","params":{"ports":[]}}`
	if got != want {
		t.Errorf("sent %s", got)
	}
}

func TestFailuresSayWhyAndHideTheToken(t *testing.T) {
	refuse := func(status int, body string) *httptest.Server {
		return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, body, status) }))
	}
	busy := refuse(http.StatusConflict, `{"faultcode": "Client", "faultstring": "Agent is busy."}`)
	defer busy.Close()
	denied := refuse(http.StatusUnauthorized, `{"faultstring": "Invalid agent token."}`)
	defer denied.Close()
	broken := refuse(http.StatusInternalServerError, "<html>")
	defer broken.Close()
	gone := refuse(http.StatusOK, "")
	gone.Close()
	for url, want := range map[string]struct {
		code errs.Code
		word string
	}{
		busy.URL:      {errs.Conflict, "Agent is busy."},
		denied.URL:    {errs.Unauthorized, "Invalid agent token."},
		broken.URL:    {errs.Internal, "HTTP 500"},
		gone.URL:      {errs.Unavailable, "does not answer"},
		"http://[::1": {errs.Invalid, "no URL"},
	} {
		c := &Client{Tries: 2, Pause: time.Millisecond}
		_, err := c.Run(t.Context(), Target{URL: url, Token: token}, agentapi.Command{Name: "standby.sync"}, true)
		_, lerr := c.Commands(t.Context(), Target{URL: url, Token: token})
		for _, err := range []error{err, lerr} {
			if !errs.Is(err, want.code) || !strings.Contains(err.Error(), want.word) || strings.Contains(err.Error(), token) {
				t.Errorf("%s: %v", url, err)
			}
		}
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the undercloud was sent elsewhere") }))
	defer elsewhere.Close()
	agent := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer agent.Close()
	_, err := (&Client{}).Run(t.Context(), Target{URL: agent.URL, Token: token}, agentapi.Command{Name: "standby.sync"}, true)
	if err == nil || !strings.Contains(err.Error(), "HTTP 307") || strings.Contains(err.Error(), token) {
		t.Errorf("%v", err)
	}
}

func TestListingIsTriedAgain(t *testing.T) {
	var calls atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) < 3 {
			panic(http.ErrAbortHandler) // the connection breaks
		}
		_, _ = w.Write([]byte(`{"commands": [{"id": "c1"}]}`))
	}))
	defer srv.Close()
	list, err := (&Client{Pause: time.Millisecond}).Commands(t.Context(), Target{URL: srv.URL, Token: token})
	if err != nil || len(list) != 1 || calls.Load() != 3 {
		t.Errorf("%v %v after %d calls", list, err, calls.Load())
	}
}

func TestOnlyTheAnnouncedCertificateIsTrusted(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"commands": []}`)) }))
	defer srv.Close()
	c := &Client{Tries: 1}
	cert := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}))
	if _, err := c.Commands(t.Context(), Target{URL: srv.URL, Token: token, VerifyCA: cert}); err != nil {
		t.Error(err)
	}
	if _, err := c.Commands(t.Context(), Target{URL: srv.URL, Token: token}); err == nil {
		t.Error("an unknown certificate was trusted")
	}
	if _, err := c.Commands(t.Context(), Target{URL: srv.URL, VerifyCA: "no pem"}); !errs.Is(err, errs.Invalid) {
		t.Error(err)
	}
}
