package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2"

	"trefoil/internal/errs"
)

// client talks to a handler without a login.
func client(t *testing.T, h http.HandlerFunc) *gophercloud.ServiceClient {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return &gophercloud.ServiceClient{ProviderClient: &gophercloud.ProviderClient{}, Endpoint: srv.URL + "/v1/"}
}

func TestAllFollowsNext(t *testing.T) {
	var asked []string
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RequestURI())
		// The name in next is one that is not reachable from here, as behind a proxy.
		next := `,"next":"http://ironic.internal:6385/v1/nodes?fields=uuid&limit=2&marker=b"`
		rows := `{"uuid":"a"},{"uuid":"b"}`
		if r.URL.Query().Get("marker") == "b" {
			next, rows = "", `{"uuid":"c"}`
		}
		fmt.Fprintf(w, `{"nodes":[%s]%s}`, rows, next)
	})
	got, err := All[struct{ UUID string }](t.Context(), c, "nodes", url.Values{"fields": {"uuid"}})
	if err != nil || fmt.Sprint(got) != "[{a} {b} {c}]" {
		t.Errorf("%v %v", got, err)
	}
	if want := []string{"/v1/nodes?fields=uuid", "/v1/nodes?fields=uuid&limit=2&marker=b"}; !slices.Equal(asked, want) {
		t.Errorf("asked %v", asked)
	}
}

func TestAllRefusesNonsense(t *testing.T) {
	for name, body := range map[string]string{
		"a list that has no end": `{"nodes":[{"uuid":"a"}],"next":"http://x/v1/nodes?marker=a"}`,
		"no list":                `{"nodes":{"uuid":"a"}}`,
		"another answer":         `{"versions":[]}`,
	} {
		t.Run(name, func(t *testing.T) {
			c := client(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) })
			if got, err := All[struct{ UUID string }](t.Context(), c, "nodes", nil); err == nil {
				t.Errorf("taken: %v", got)
			}
		})
	}
}

// What breaks when the undercloud is killed is "not there for now", whenever it happens.
func TestExplainBrokenConnections(t *testing.T) {
	for name, answer := range map[string]string{
		"before an answer": "", "in the header": "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n", "in the body": "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"nodes\":[",
	} {
		t.Run(name, func(t *testing.T) {
			c := client(t, func(w http.ResponseWriter, _ *http.Request) {
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.WriteString(conn, answer)
				_ = conn.Close()
			})
			if _, err := All[struct{}](t.Context(), c, "nodes", nil); !errs.Is(err, errs.Unavailable) || errs.HintOf(err) != "" {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("given up", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		c := client(t, func(_ http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() })
		if _, err := All[struct{}](ctx, c, "nodes", nil); !errors.Is(err, context.Canceled) || errs.Is(err, errs.Unavailable) {
			t.Errorf("got %v", err)
		}
	})
}

func TestLogin(t *testing.T) {
	for _, k := range []string{"OS_CLOUD", "OS_AUTH_URL", "OS_CLIENT_CONFIG_FILE"} {
		t.Setenv(k, "")
	}
	if _, err := FromEnv(t.Context(), Options{}); !errs.Is(err, errs.Unauthorized) || !strings.Contains(errs.HintOf(err), "source stackrc") {
		t.Errorf("without anything: %v", err)
	}
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Close()
	t.Setenv("OS_AUTH_URL", srv.URL+"//v3")
	t.Setenv("OS_USERNAME", "admin")
	t.Setenv("OS_PASSWORD", "hunter2")
	t.Setenv("OS_PROJECT_NAME", "admin")
	t.Setenv("OS_USER_DOMAIN_NAME", "Default")
	t.Setenv("OS_PROJECT_DOMAIN_NAME", "Default")
	if _, err := FromEnv(t.Context(), Options{}); !errs.Is(err, errs.Unavailable) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "//v3") {
		t.Errorf("nobody listens: %v", err)
	}
}
