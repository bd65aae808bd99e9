package api_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/ironic/api/apitest"
	"trefoil/undercloud/store/sqlite"
)

const textNode = "00000000-0000-4000-8000-00000000000a"

// asked is the body of a GET.
func asked(t *testing.T, h http.Handler, host, path, version string) string {
	t.Helper()
	r := httptest.NewRequest("GET", "http://"+host+path, nil)
	r.Header.Set("X-OpenStack-Ironic-API-Version", version)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 200 {
		t.Fatalf("%s at %s: %d %s", path, version, w.Code, w.Body)
	}
	return w.Body.String()
}

// wholeNodes are the answers in which a whole node stands, by what was asked; asks is whom each question goes to.
func wholeNodes(t *testing.T, asks func() http.Handler) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, path := range []string{"/v1/nodes/" + textNode, "/v1/nodes/n", "/v1/nodes/detail", "/v1/nodes/detail?limit=1&sort_key=updated_at&sort_dir=desc"} {
		for _, version := range []string{"1.1", "1.50", "1.110"} {
			for _, host := range []string{"one.example", "two.example"} {
				if path == "/v1/nodes/n" && version == "1.1" {
					continue // nodes have no names there
				}
				out[host+path+" at "+version] = asked(t, asks(), host, path, version)
			}
		}
	}
	return out
}

// TestAnAnswerIsOfTheNodeAsItIs: texts of nodes are kept. Whatever changes a node, the answers are those
// of an API that nobody has asked yet.
func TestAnAnswerIsOfTheNodeAsItIs(t *testing.T) {
	ctx := t.Context()
	db, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "state.db"))
	fine(t, err)
	t.Cleanup(func() { db.Close() })
	cfg := api.Config{Store: db, Conductor: apitest.NewConductor(apitest.NewStore()), Log: slog.New(slog.DiscardHandler)}
	h := api.New(cfg)
	this, other := func() http.Handler { return h }, func() http.Handler { return api.New(cfg) }
	create := func() {
		fine(t, db.CreateNode(ctx, &ironic.Node{UUID: textNode, Name: "n", Driver: "ipmi", ProvisionState: "enroll", Owner: "me",
			DriverInfo: map[string]any{"ipmi_password": "geheim"}}))
	}
	update := func(change func(*ironic.Node)) func() {
		return func() {
			_, err := db.UpdateNode(ctx, textNode, func(n *ironic.Node) error { change(n); return nil })
			fine(t, err)
		}
	}
	create()
	fine(t, db.CreateNode(ctx, &ironic.Node{UUID: strings.Replace(textNode, "a", "b", 1), Driver: "ipmi", ProvisionState: "enroll"}))
	was := wholeNodes(t, this)
	for _, c := range []struct {
		what   string
		change func()
	}{
		{"a power state", update(func(n *ironic.Node) { n.PowerState = ironic.PowerOn })},
		{"a property", update(func(n *ironic.Node) { n.Properties = map[string]any{"cpus": 4.0} })},
		{"the lock taken", func() { _, err := db.Reserve(ctx, textNode, "host", "test"); fine(t, err) }},
		{"the lock given back", func() { fine(t, db.Release(ctx, textNode, "host")) }},
		{"an allocation", func() {
			fine(t, db.CreateAllocation(ctx, &ironic.Allocation{UUID: ownedAllocation, NodeUUID: textNode}, func(*ironic.Node) error { return nil }))
		}},
		{"no allocation", func() {
			_, err := db.DeleteAllocation(ctx, ownedAllocation, func(*ironic.Allocation, *ironic.Node) error { return nil })
			fine(t, err)
		}},
		{"a PATCH", func() {
			r := httptest.NewRequest("PATCH", "/v1/nodes/n", strings.NewReader(`[{"op":"add","path":"/extra/a","value":1}]`))
			w := httptest.NewRecorder()
			if h.ServeHTTP(w, r); w.Code != 200 {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
		}},
		{"another node of the same UUID", func() { fine(t, db.DeleteNode(ctx, textNode)); create() }},
	} {
		c.change()
		now, fresh := wholeNodes(t, this), wholeNodes(t, other)
		for what, answer := range fresh {
			if now[what] != answer {
				t.Errorf("after %s, %s:\n%s\nis\n%s", c.what, what, now[what], answer)
			}
			if was[what] == answer {
				t.Errorf("%s does not show in %s", c.what, what)
			}
		}
		if again := wholeNodes(t, this); !maps.Equal(now, again) {
			t.Errorf("after %s the second answers are not the first", c.what)
		}
		was = now
	}
}

// TestAKeptAnswerIsTheOneFieldByField: a list of fields is not kept.
func TestAKeptAnswerIsTheOneFieldByField(t *testing.T) {
	r := newRig(t)
	r.add(ironic.Node{Name: "n", UUID: textNode, DriverInfo: map[string]any{"ipmi_password": "geheim"}, Traits: []string{"CUSTOM_A"}})
	for range 2 {
		for _, version := range []string{"1.8", "1.82", "1.110"} {
			whole := asked(t, r.handler, "a.example", "/v1/nodes/"+textNode, version)
			var o map[string]json.RawMessage
			fine(t, json.Unmarshal([]byte(whole), &o))
			fields := strings.Join(slices.Sorted(maps.Keys(o)), ",")
			if got := asked(t, r.handler, "a.example", "/v1/nodes/"+textNode+"?fields="+fields, version); got != whole {
				t.Errorf("at %s:\n%s\nfield by field\n%s", version, whole, got)
			}
			var few map[string]any
			fine(t, json.Unmarshal([]byte(asked(t, r.handler, "a.example", "/v1/nodes/"+textNode+"?fields=name", version)), &few))
			if len(few) != 2 || few["name"] != "n" || few["links"] == nil {
				t.Errorf("at %s its name is %v", version, few)
			}
		}
	}
}

// TestWhatAnAdministratorWasShownIsNotShownToOthers: what is kept is for who may see all.
func TestWhatAnAdministratorWasShownIsNotShownToOthers(t *testing.T) {
	s := newSecured(t)
	for range 2 {
		for _, path := range []string{"/v1/nodes/" + leasedNode, "/v1/nodes/detail"} {
			if a := s.as("system_admin", "GET", path, ""); a.status != 200 || !strings.Contains(a.body, "secret value") || strings.Contains(a.body, "edacted") {
				t.Errorf("an administrator: %s: %d %s", path, a.status, a.body)
			}
			if a := s.as("lessee_reader", "GET", path, ""); a.status != 200 || strings.Contains(a.body, "secret value") || strings.Contains(a.body, "meow") || !strings.Contains(a.body, "edacted") {
				t.Errorf("a lessee: %s: %d %s", path, a.status, a.body)
			}
		}
		s.as("third_party_admin", "GET", "/v1/nodes/"+leasedNode, "").want(t, 404, "could not be found")
		if a := s.as("third_party_admin", "GET", "/v1/nodes/detail", ""); a.status != 200 || strings.Contains(a.body, leasedNode) {
			t.Errorf("a stranger: %d %s", a.status, a.body)
		}
	}
}

// unread is a store whose nodes are found and cannot be read.
type unread struct{ ironic.Store }

func (u unread) StoredNode(ctx context.Context, ident string) (ironic.StoredNode, error) {
	n, err := u.Store.StoredNode(ctx, ident)
	n.Read = func() (*ironic.Node, error) { return nil, io.ErrUnexpectedEOF }
	return n, err
}

func (u unread) StoredNodes(ctx context.Context, f ironic.NodeFilter) ([]ironic.StoredNode, error) {
	n, err := u.StoredNode(ctx, "n")
	return []ironic.StoredNode{n}, err
}

func TestAKnownNodeIsNotReadAgain(t *testing.T) {
	r := newRig(t)
	r.add(ironic.Node{Name: "n"})
	store := &swap{Store: r.store}
	r.url = serve(t, api.New(api.Config{Store: store, Conductor: r.conductor, Log: slog.New(slog.DiscardHandler)}))
	for _, path := range []string{"/v1/nodes/n", "/v1/nodes/detail"} {
		store.Store = r.store
		first := r.do("GET", path, "1.82", "")
		store.Store = unread{r.store}
		if a := r.do("GET", path, "1.82", ""); a.status != 200 || a.body != first.body {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
		r.do("GET", path, "1.83", "").want(t, 500, "")
	}
}

// swap is a store in whose place another one comes.
type swap struct{ ironic.Store }
