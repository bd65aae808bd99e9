package inspectapi_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/ironic/api/apitest"
	"trefoil/ironic/api/openapi/openapitest"
	"trefoil/ironic/audit"
	"trefoil/ironic/inspect/api"
	"trefoil/ironic/policy"
)

type userKey struct{}

func TestIntrospectionsAreAudited(t *testing.T) {
	store := apitest.NewStore()
	r := &rig{T: t, store: store, conductor: apitest.NewConductor(store)}
	n := r.add("ready", "manageable", false, false, "")
	var log strings.Builder
	h := held(t, inspectapi.Config{Store: store, Conductor: r.conductor, Log: slog.New(slog.DiscardHandler),
		Audit: audit.Log{To: slog.New(slog.NewTextHandler(&log, nil)), Ignore: []string{"DELETE"}},
		Auth: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if user := r.Header.Get("X-Auth-Token"); user != "" {
					next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), userKey{}, user)))
					return
				}
				openapitest.Unauthorized(w)
			})
		},
		Caller: func(ctx context.Context) policy.Caller {
			user, _ := ctx.Value(userKey{}).(string)
			return policy.Caller{User: user}
		}})
	send := func(user, method, path, body string) {
		req := httptest.NewRequest(method, path, strings.NewReader(body))
		req.Header.Set("X-Auth-Token", user)
		h.ServeHTTP(httptest.NewRecorder(), req)
	}
	send("ann", "GET", "/v1/introspection/ready", "")
	send("ann", "POST", "/v1/introspection/ready/", "")
	send("ann", "POST", "/v1/introspection/nobody", "")
	send("", "POST", "/v1/introspection/ready", "")
	send("ann", "DELETE", "/v1/rules", "")
	send("", "POST", "/v1/continue", `{"inventory":{"interfaces":[]},"secret":"hunter2"}`)
	got := strings.Split(strings.TrimSpace(regexp.MustCompile(`time=\S+ |req-[0-9a-f-]{36}`).ReplaceAllString(log.String(), "")), "\n")
	want := []string{
		"outcome=success status=202 method=POST path=/v1/introspection/ready/ node=" + n.UUID + ` created="" user=ann `,
		`outcome=failure status=404 method=POST path=/v1/introspection/nobody node="" created="" user=ann `,
		`outcome=failure status=401 method=POST path=/v1/introspection/ready node="" created="" user="" `,
		`method=POST path=/v1/continue `,
	}
	if len(got) != len(want) {
		t.Fatalf("%d lines:\n%s", len(got), log.String())
	}
	for i := range want {
		if !strings.Contains(got[i], want[i]) || !strings.HasPrefix(got[i], "level=INFO msg=audit request_id= action=create ") || strings.Contains(got[i], "hunter2") {
			t.Errorf("line %d\n got %s\nwant %s", i+1, got[i], want[i])
		}
	}
}

// A node that was only enrolled is verified first, and its introspection has begun for whoever asks.
func TestANodeInEnrollCanBeIntrospected(t *testing.T) {
	r := newRig(t)
	n := r.add("new", "enroll", false, false, "")
	if status, body := r.do("POST", "/v1/introspection/new", "1.18", ""); status != 202 {
		t.Fatalf("%d %s", status, body)
	}
	if got := strings.Join(r.conductor.Calls, " "); !strings.Contains(got, "Provision[manage]") {
		t.Errorf("%s", got)
	}
	if _, err := r.store.UpdateNode(t.Context(), n.UUID, func(n *ironic.Node) error {
		n.ProvisionState, n.InspectionStartedAt = "verifying", &began
		n.DriverInternalInfo = map[string]any{api.KeyThenInspect: true}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if status, body := r.do("GET", "/v1/introspection/new", "1.18", ""); status != 200 || !strings.Contains(body, `"state":"starting","finished":false`) {
		t.Errorf("%d %s", status, body)
	}
}
