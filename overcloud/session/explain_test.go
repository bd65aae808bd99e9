package session_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2"

	"trefoil/internal/errs"
	"trefoil/overcloud/session"
)

func TestMessage(t *testing.T) {
	for _, c := range []struct{ name, body, want string }{
		{"Ironic nests JSON in JSON", `{"error_message": "{\"faultcode\": \"Client\", \"faultstring\": \"Node nope could not be found.\", \"debuginfo\": null}"}`, "Node nope could not be found."},
		{"the image service has three keys", `{"code":"400 Bad Request","message":"The data is cut off.","title":"Bad Request"}`, "The data is cut off."},
		{"Ironic's router", `{"error_message": "{\"code\": 404, \"title\": \"Not Found\", \"description\": \"\"}"}`, "Not Found"},
		{"Keystone", `{"error": {"code": 401, "title": "Unauthorized", "message": "The request you have made requires authentication."}}`, "The request you have made requires authentication."},
		{"Heat", `{"code": 404, "error": {"message": "The Stack (x) could not be found.", "type": "EntityNotFound"}, "title": "Not Found"}`, "The Stack (x) could not be found."},
		{"Nova", `{"itemNotFound": {"message": "Flavor x could not be found.", "code": 404}}`, "Flavor x could not be found."},
		{"Neutron", `{"NeutronError": {"type": "SubnetNotFound", "message": "Subnet x could not be found", "detail": ""}}`, "Subnet x could not be found"},
		{"Placement", `{"errors": [{"status": 404, "title": "Not Found", "detail": "The resource could not be found.\n\n No resource provider with uuid x found  ", "request_id": "req-1"}]}`, "The resource could not be found. No resource provider with uuid x found"},
		{"Placement without a detail", `{"errors": [{"status": 404, "title": "Not Found"}]}`, "Not Found"},
		{"the first of several by name", `{"d": {"message": "d"}, "c": {"message": "c"}, "b": {"message": "b"}, "a": {"message": "a"}}`, "a"},
		{"an empty list of errors", `{"errors": []}`, `{"errors": []}`},
		{"plain text", "no\n", "no"},
		{"a page of a proxy says nothing", "<html>", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := session.Message([]byte(c.body)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

const hint = "look at the machine"

func open(url string) error {
	_, err := session.Open(context.Background(), gophercloud.AuthOptions{IdentityEndpoint: url, Username: "admin", Password: "hunter2", DomainName: "Default"},
		gophercloud.EndpointOpts{}, nil, session.Options{Silent: hint})
	return err
}

func TestLoginRefused(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"error": {"code": 401, "message": "bad password"}}`))
	}))
	defer srv.Close()
	err := open(srv.URL + "/v3")
	if !errs.Is(err, errs.Unauthorized) || !strings.Contains(err.Error(), "bad password") || strings.Contains(err.Error(), "hunter2") || errs.HintOf(err) == "" {
		t.Errorf("%v (hint %q)", err, errs.HintOf(err))
	}
}

func TestNobodyAnswers(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Close()
	err := open(srv.URL + "/v3")
	if !errs.Is(err, errs.Unavailable) || errs.HintOf(err) != hint {
		t.Errorf("%v (hint %q)", err, errs.HintOf(err))
	}
}

// Whose service is silent is known to the caller alone: nothing is advised but what it says.
func TestAServiceThatFallsSilent(t *testing.T) {
	for name, h := range map[string]string{"with a hint": hint, "without": ""} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(nil)
			srv.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(w, r, srv.URL) })
			s, err := session.Open(t.Context(), gophercloud.AuthOptions{IdentityEndpoint: srv.URL + "/v3", Username: "admin", Password: "hunter2", DomainName: "Default"},
				gophercloud.EndpointOpts{}, nil, session.Options{Silent: h})
			if err != nil {
				t.Fatal(err)
			}
			api, err := s.Identity()
			if err != nil {
				t.Fatal(err)
			}
			ask := func(path string) error {
				_, err := api.Get(t.Context(), api.ServiceURL(path), &map[string]any{}, nil)
				return session.Explain(err)
			}
			if err := ask("away"); !errs.Is(err, errs.Unavailable) || errs.HintOf(err) != "" || !strings.Contains(err.Error(), "in a moment (HTTP 503)") {
				t.Errorf("an answer: %v (hint %q)", err, errs.HintOf(err))
			}
			if err := ask("half"); !errs.Is(err, errs.Unavailable) || errs.HintOf(err) != h || strings.Count(err.Error(), "the connection broke") != 1 {
				t.Errorf("half an answer: %v (hint %q)", err, errs.HintOf(err))
			}
			srv.Close()
			if err := ask("users"); !errs.Is(err, errs.Unavailable) || errs.HintOf(err) != h || strings.Count(err.Error(), "no answer from "+srv.URL) != 1 {
				t.Errorf("no answer: %v (hint %q)", err, errs.HintOf(err))
			}
		})
	}
}

// answer is a Keystone at url that logs everybody in.
func answer(w http.ResponseWriter, r *http.Request, url string) {
	switch r.URL.Path {
	case "/v3/auth/tokens":
		w.Header().Set("X-Subject-Token", "token")
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"token":{"expires_at":"2100-01-01T00:00:00.000000Z","catalog":[{"type":"identity","endpoints":[{"interface":"public","url":%q}]}]}}`, url+"/v3/")
	case "/v3/away":
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, "in a moment")
	case "/v3/half":
		w.Header().Set("Content-Length", "99")
		fmt.Fprint(w, `{"users":[`)
	default:
		fmt.Fprintf(w, `{"versions":{"values":[{"id":"v3.14","status":"stable","links":[{"rel":"self","href":%q}]}]}}`, url+"/v3/")
	}
}
