package api_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/ironic/api/apitest"
)

// asker remembers who asked for a transition.
type asker struct {
	*apitest.Conductor
	user string
}

func (a *asker) Provision(ctx context.Context, ident string, req api.ProvisionRequest) error {
	a.user = ironic.User(ctx)
	return a.Conductor.Provision(ctx, ident, req)
}

func TestTheConductorIsToldWhoAsks(t *testing.T) {
	store := apitest.NewStore()
	if err := store.CreateNode(t.Context(), &ironic.Node{UUID: "11111111-1111-4111-8111-111111111111", Name: "n", ProvisionState: "enroll"}); err != nil {
		t.Fatal(err)
	}
	cfg, who := config(store), &asker{Conductor: apitest.NewConductor(store)}
	cfg.Conductor = who
	r := httptest.NewRequest("PUT", "/v1/nodes/n/states/provision", strings.NewReader(`{"target":"manage"}`))
	r.Header.Set("X-Auth-Token", "system_admin")
	r.Header.Set("X-OpenStack-Ironic-API-Version", "1.80")
	w := httptest.NewRecorder()
	held(t, api.New(cfg)).ServeHTTP(w, r)
	if w.Code != http.StatusAccepted || who.user != "id-of-system_admin" {
		t.Errorf("%d %s, asked by %q", w.Code, w.Body, who.user)
	}
}
