package scaledown_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"trefoil/internal/errs"
	"trefoil/overcloud/scaledown"
)

// fakeCloud is a Keystone with the services that its catalog names, in memory.
type fakeCloud struct {
	t       *testing.T
	catalog []string // types

	mu      sync.Mutex
	rows    map[string][]map[string]any // by collection
	servers map[string][]string         // host → names
	routers map[string][]string         // agent → names
	asked   []string
	hosting bool // nova-compute cannot be deleted
	status  int  // of version documents
}

func newFake(t *testing.T) *fakeCloud {
	row := func(kv ...string) map[string]any {
		out := map[string]any{}
		for i := 0; i < len(kv); i += 2 {
			out[kv[i]] = kv[i+1]
		}
		return out
	}
	return &fakeCloud{t: t, status: http.StatusOK, catalog: []string{"compute", "network", "volumev3", "placement"}, rows: map[string][]map[string]any{
		"compute/os-services": {
			row("id", "s1", "binary", "nova-compute", "host", "overcloud-novacompute-1.localdomain", "status", "enabled"),
			row("id", "s2", "binary", "nova-compute", "host", "overcloud-novacompute-10.localdomain", "status", "enabled"),
			row("id", "s3", "binary", "nova-scheduler", "host", "overcloud-controller-0", "status", "enabled"),
		},
		"placement/resource_providers": {row("uuid", "p1", "name", "overcloud-novacompute-1.localdomain"), row("uuid", "p2", "name", "overcloud-novacompute-10.localdomain")},
		"network/agents": {
			row("id", "a1", "binary", "neutron-openvswitch-agent", "host", "overcloud-novacompute-1"),
			row("id", "a2", "binary", "neutron-l3-agent", "host", "overcloud-controller-0.localdomain"),
			row("id", "a3", "binary", "neutron-openvswitch-agent", "host", "overcloud-novacompute-10"),
		},
		"volumev3/os-services": {row("binary", "cinder-volume", "host", "overcloud-controller-0@lvm", "status", "enabled")},
		"volumev3/volumes": {row("id", "v1", "name", "disk", "os-vol-host-attr:host", "overcloud-controller-0@lvm#lvm"),
			row("id", "v2", "name", "elsewhere", "os-vol-host-attr:host", "overcloud-controller-1@lvm#lvm")},
	}, servers: map[string][]string{}, routers: map[string][]string{}}
}

func (f *fakeCloud) start() *scaledown.Cloud {
	f.t.Helper()
	srv := httptest.NewServer(f)
	f.t.Cleanup(srv.Close)
	c, err := scaledown.Open(context.Background(), srv.URL+"/", "secret")
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

func (f *fakeCloud) reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func (f *fakeCloud) token(w http.ResponseWriter, r *http.Request) {
	var catalog []any
	for _, t := range f.catalog {
		catalog = append(catalog, map[string]any{"type": t, "name": t, "endpoints": []any{
			map[string]any{"interface": "public", "region": "regionOne", "region_id": "regionOne", "url": "http://" + r.Host + "/" + t + map[string]string{"compute": "/v2.1", "volumev3": "/v3/project"}[t]}}})
	}
	w.Header().Set("X-Subject-Token", "t")
	f.reply(w, http.StatusCreated, map[string]any{"token": map[string]any{"expires_at": "2099-01-01T00:00:00.000000Z", "catalog": catalog}})
}

// ServeHTTP is all services: /TYPE/[v2.1/…]COLLECTION[/ID].
func (f *fakeCloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	path := strings.NewReplacer("/v2.0/", "/", "/v2.1/", "/", "volumev3/v3/project", "volumev3", "/detail", "").Replace(strings.Trim(r.URL.Path, "/"))
	if path == "v3/auth/tokens" {
		f.token(w, r)
		return
	}
	if r.Method != http.MethodGet {
		f.asked = append(f.asked, r.Method+" "+path)
	}
	parts := strings.Split(path, "/")
	if len(parts) == 1 || parts[1] == "v3" { // which versions there are, of services whose address does not say
		id := map[string]string{"network": "v2.0", "placement": "v1.0", "volumev3": "v3.0"}[parts[0]]
		f.reply(w, f.status, map[string]any{"versions": []any{map[string]any{"id": id}}})
		return
	}
	at := strings.Join(parts[:2], "/")
	switch {
	case path == "compute/servers":
		f.list(w, r)
	case len(parts) == 4 && parts[3] == "l3-routers":
		f.named(w, "routers", f.routers[parts[2]])
	case r.Method == http.MethodGet:
		f.reply(w, http.StatusOK, map[string]any{map[string]string{"os-services": "services"}[parts[1]] + strings.TrimPrefix(parts[1], "os-services"): f.rows[at]})
	case r.Method == http.MethodPut:
		f.change(w, r, at, parts[2])
	case r.Method == http.MethodDelete && f.hosting && at == "compute/os-services":
		f.reply(w, http.StatusConflict, map[string]any{"conflictingRequest": map[string]any{"message": "Unable to delete compute service that is hosting instances."}})
	case r.Method == http.MethodDelete:
		f.rows[at] = slices.DeleteFunc(f.rows[at], func(x map[string]any) bool { return x["id"] == parts[2] || x["uuid"] == parts[2] })
		w.WriteHeader(http.StatusNoContent)
	}
}

func (f *fakeCloud) named(w http.ResponseWriter, key string, names []string) {
	out := []any{}
	for _, n := range names {
		out = append(out, map[string]any{"id": "id-" + n, "name": n})
	}
	f.reply(w, http.StatusOK, map[string]any{key: out})
}

func (f *fakeCloud) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("all_tenants") != "true" {
		f.t.Errorf("servers of one project only: %s", r.URL.RawQuery)
	}
	f.named(w, "servers", f.servers[q.Get("host")])
}

func (f *fakeCloud) change(w http.ResponseWriter, r *http.Request, at, id string) {
	var body map[string]any
	_ = json.NewDecoder(r.Body).Decode(&body)
	for _, row := range f.rows[at] {
		if row["id"] == id || id == "disable-log-reason" && row["host"] == body["host"] {
			if at == "volumev3/os-services" {
				row["status"] = "disabled"
			}
			for k, v := range body {
				row[k] = v
			}
			if body["status"] == "enabled" {
				row["disabled_reason"] = nil
			}
			f.reply(w, http.StatusOK, map[string]any{"service": row})
			return
		}
	}
	f.reply(w, http.StatusNotFound, map[string]any{})
}

func (f *fakeCloud) ids(at, key string) string {
	var out []string
	for _, r := range f.rows[at] {
		out = append(out, fmt.Sprint(r[key]))
	}
	return strings.Join(out, " ")
}

func TestForgetTakesOneMachineOutAndNoOther(t *testing.T) {
	f := newFake(t)
	c := f.start()
	for range 2 { // the second time, as after a kill, there is nothing left to do
		left, err := c.Forget(t.Context(), "overcloud-novacompute-1", nil)
		if err != nil || len(left) != 0 {
			t.Fatalf("%v %v", left, err)
		}
	}
	if s, p, a := f.ids("compute/os-services", "id"), f.ids("placement/resource_providers", "uuid"), f.ids("network/agents", "id"); s != "s2 s3" || p != "p2" || a != "a2 a3" {
		t.Errorf("services %s, providers %s, agents %s", s, p, a)
	}
	if want := "DELETE compute/os-services/s1, DELETE placement/resource_providers/p1, DELETE network/agents/a1"; strings.Join(f.asked, ", ") != want {
		t.Errorf("asked: %s", strings.Join(f.asked, ", "))
	}
}

func TestBlockingNamesServersRoutersAndVolumes(t *testing.T) {
	f := newFake(t)
	f.servers["overcloud-novacompute-1.localdomain"] = []string{"vm1", "vm2"}
	f.servers["overcloud-novacompute-10.localdomain"] = []string{"other"}
	f.routers["a2"] = []string{"r1"}
	found, err := f.start().Blocking(t.Context(), []string{"overcloud-novacompute-1", "overcloud-controller-0"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, b := range found {
		got = append(got, b.Machine+": "+b.String())
	}
	want := []string{"overcloud-novacompute-1: 2 servers on it: vm1 (id-vm1), vm2 (id-vm2)", "overcloud-controller-0: 1 routers on it: r1 (id-r1)",
		"overcloud-controller-0: 1 volumes on it: disk (v1)"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if len(f.asked) != 0 {
		t.Errorf("looking changed something: %v", f.asked)
	}
}

func TestDisableAndEnableLeaveWhatTheOperatorDid(t *testing.T) {
	f := newFake(t)
	c, rows := f.start(), f.rows["compute/os-services"]
	rows[1]["status"], rows[1]["disabled_reason"] = "disabled", "bad memory"
	both := []string{"overcloud-novacompute-1", "overcloud-novacompute-10", "overcloud-controller-0"}
	if err := c.Disable(t.Context(), both); err != nil {
		t.Fatal(err)
	}
	if rows[0]["status"] != "disabled" || rows[1]["disabled_reason"] != "bad memory" || rows[2]["status"] != "enabled" {
		t.Errorf("disabled: %v", rows)
	}
	if err := c.Enable(t.Context(), both); err != nil {
		t.Fatal(err)
	}
	if rows[0]["status"] != "enabled" || rows[1]["status"] != "disabled" {
		t.Errorf("enabled again: %v", rows)
	}
}

// Forced, a compute with servers stays known: they can be evacuated only so.
func TestComputeThatHostsServersStaysAndIsTold(t *testing.T) {
	f := newFake(t)
	f.hosting = true
	left, err := f.start().Forget(t.Context(), "overcloud-novacompute-1", nil)
	if err != nil || len(left) != 1 || !strings.Contains(left[0], "openstack compute service delete s1") {
		t.Errorf("%q %v", left, err)
	}
	if f.ids("network/agents", "id") != "a2 a3" {
		t.Error("the rest was not done")
	}
}

func TestCloudOfKeystoneAloneHasNothingToForget(t *testing.T) {
	f := newFake(t)
	f.catalog = nil
	c := f.start()
	found, err := c.Blocking(t.Context(), []string{"overcloud-novacompute-1"})
	left, ferr := c.Forget(t.Context(), "overcloud-novacompute-1", nil)
	if err != nil || ferr != nil || len(found)+len(left)+len(f.asked) != 0 {
		t.Errorf("%v %v %v %v %v", found, err, left, ferr, f.asked)
	}
}

// A service that is in the catalog and does not answer is no service that is not there.
func TestServiceThatDoesNotAnswerIsNotPassedOver(t *testing.T) {
	f := newFake(t)
	f.status = http.StatusServiceUnavailable
	srv := httptest.NewServer(f)
	defer srv.Close()
	if _, err := scaledown.Open(t.Context(), srv.URL+"/", "secret"); !errs.Is(err, errs.Unavailable) {
		t.Errorf("%v", err)
	}
}

func TestNoAnswerIsUnavailable(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Close()
	if _, err := scaledown.Open(t.Context(), srv.URL+"/", "x"); !errs.Is(err, errs.Unavailable) || !strings.HasPrefix(errs.HintOf(err), "openstack overcloud status") {
		t.Errorf("%v (hint %q)", err, errs.HintOf(err))
	}
}
