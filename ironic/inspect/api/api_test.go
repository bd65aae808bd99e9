package inspectapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/baremetalintrospection/noauth"
	"github.com/gophercloud/gophercloud/v2/openstack/baremetalintrospection/v1/introspection"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/api/apitest"
	"trefoil/ironic/api/openapi/openapitest"
	"trefoil/ironic/inspect/api"
)

type rig struct {
	*testing.T
	store     *apitest.Store
	conductor *apitest.Conductor
	url       string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	store := apitest.NewStore()
	r := &rig{T: t, store: store, conductor: apitest.NewConductor(store)}
	server := httptest.NewServer(held(t, inspectapi.Config{Store: store, Conductor: r.conductor, Log: slog.New(slog.DiscardHandler)}))
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

var began = time.Date(2026, 11, 21, 1, 2, 3, 0, time.UTC)

func (r *rig) add(name, state string, started, finished bool, lastError string) *ironic.Node {
	r.Helper()
	nodes, _ := r.store.Nodes(context.Background(), ironic.NodeFilter{})
	n := &ironic.Node{UUID: fmt.Sprintf("00000000-0000-4000-8000-%012d", len(nodes)+1), Name: name, Driver: "ipmi",
		ProvisionState: state, LastError: lastError}
	at, end := began.Add(time.Duration(len(nodes))*time.Minute), began.Add(time.Hour)
	if started {
		n.InspectionStartedAt = &at
	}
	if finished {
		n.InspectionFinishedAt = &end
	}
	n.ProvisionUpdatedAt = &end
	if err := r.store.CreateNode(context.Background(), n); err != nil {
		r.Fatal(err)
	}
	return n
}

func (r *rig) do(method, path, version, body string) (int, string) {
	r.Helper()
	req, err := http.NewRequest(method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.Fatal(err)
	}
	if version != "" {
		req.Header.Set("X-OpenStack-Ironic-Inspector-API-Version", version)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		r.Fatal(err)
	}
	if resp.Header.Get("X-OpenStack-Ironic-Inspector-API-Maximum-Version") != "1.18" && resp.StatusCode < 500 {
		r.Errorf("%s %s: no version headers", method, path)
	}
	return resp.StatusCode, string(data)
}

func TestStatusFollowsTheNode(t *testing.T) {
	r := newRig(t)
	r.add("running", "inspecting", true, false, "")
	r.add("waiting", "inspect wait", true, false, "")
	r.add("done", "manageable", true, true, "")
	r.add("in-use", "active", true, true, "")
	r.add("failed", "inspect failed", true, false, "timeout reached while inspecting the node")
	r.add("given-up", "manageable", true, false, "")
	for name, want := range map[string]string{
		"running":  `"state":"starting","finished":false,"started_at":"2026-11-21T01:02:03","finished_at":null,"error":null`,
		"waiting":  `"state":"waiting","finished":false,"started_at":"2026-11-21T01:03:03","finished_at":null,"error":null`,
		"done":     `"state":"finished","finished":true,"started_at":"2026-11-21T01:04:03","finished_at":"2026-11-21T02:02:03","error":null`,
		"in-use":   `"state":"finished","finished":true`,
		"failed":   `"state":"error","finished":true,"started_at":"2026-11-21T01:06:03","finished_at":"2026-11-21T02:02:03","error":"timeout reached`,
		"given-up": `"state":"error","finished":true`,
	} {
		if status, body := r.do("GET", "/v1/introspection/"+name, "1.18", ""); status != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	r.add("never", "manageable", false, false, "")
	if status, body := r.do("GET", "/v1/introspection/never", "", ""); status != 404 || !strings.Contains(body, "never introspected") {
		t.Errorf("never: %d %s", status, body)
	}
	if status, body := r.do("GET", "/v1/introspection/nobody", "", ""); status != 404 || body != `{"error":{"message":"Node nobody was not found"}}` {
		t.Errorf("nobody: %d %s", status, body)
	}
}

func TestStartAndAbort(t *testing.T) {
	r := newRig(t)
	r.add("ready", "manageable", false, false, "")
	r.add("cleaning", "clean wait", true, true, "")
	r.add("waiting", "inspect wait", true, false, "")
	for _, tc := range []struct {
		path   string
		status int
		part   string
	}{
		{"/v1/introspection/ready", 202, ""},
		{"/v1/introspection/ready?manage_boot=1", 202, ""},
		{"/v1/introspection/ready?manage_boot=0", 202, ""},
		{"/v1/introspection/ready?manage_boot=x", 400, "boolean"},
		{"/v1/introspection/cleaning", 400, "can not be performed"},
		{"/v1/introspection/cleaning/abort", 409, "is not being introspected"},
		{"/v1/introspection/waiting/abort", 202, ""},
		{"/v1/introspection/nobody", 404, "not found"},
		{"/v1/nonsense", 404, "could not be found"},
	} {
		if status, body := r.do("POST", tc.path, "1.18", ""); status != tc.status || !strings.Contains(body, tc.part) {
			t.Errorf("POST %s: %d %s", tc.path, status, body)
		}
	}
	for _, call := range r.conductor.Calls {
		if call == "Provision[abort]" {
			return
		}
	}
	t.Errorf("abort never reached the conductor: %v", r.conductor.Calls)
}

func TestListIsLatestFirstInPages(t *testing.T) {
	r := newRig(t)
	r.add("a", "manageable", true, true, "")
	r.add("b", "inspect failed", true, true, "boom")
	r.add("c", "inspect wait", true, false, "")
	r.add("d", "manageable", false, false, "")
	names := func(path string) (states, next string) {
		_, body := r.do("GET", path, "", "")
		var page struct {
			Introspection []struct{ State string }
			Links         []struct{ Href string } `json:"introspection_links"`
		}
		if err := json.Unmarshal([]byte(body), &page); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		for _, i := range page.Introspection {
			states += i.State + " "
		}
		if page.Links != nil {
			next = strings.TrimPrefix(page.Links[0].Href, r.url)
		}
		return states, next
	}
	if got, next := names("/v1/introspection"); got != "waiting error finished " || next != "" {
		t.Errorf("list %q, next %q", got, next)
	}
	if got, _ := names("/v1/introspection?state=error,finished"); got != "error finished " {
		t.Errorf("filtered %q", got)
	}
	got, next := names("/v1/introspection?limit=2")
	rest, end := names(next)
	if got != "waiting error " || rest != "finished " || end != "" {
		t.Errorf("pages %q, %q, %q", got, rest, end)
	}
	if status, _ := r.do("GET", "/v1/introspection?limit=-1", "", ""); status != 400 {
		t.Errorf("negative limit: %d", status)
	}
}

func TestVersionsAndAuth(t *testing.T) {
	r := newRig(t)
	for version, want := range map[string]int{"": 200, "1.0": 200, "1.18": 200, "1.19": 406, "0.9": 406, "2.0": 406, "x": 400} {
		if status, _ := r.do("GET", "/v1/introspection", version, ""); status != want {
			t.Errorf("version %q: %d, want %d", version, status, want)
		}
	}
	deny := func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { openapitest.Unauthorized(w) })
	}
	h := held(t, inspectapi.Config{Store: r.store, Conductor: r.conductor, Auth: deny})
	for request, guarded := range map[string]bool{"GET /": false, "GET /v1": false, "GET /v1/": false, "GET /openapi.json": false, "POST /v1/continue": false,
		"GET /v1/introspection": true, "POST /v1/introspection/x": true, "GET /v1/continue": true, "POST /v1/rules": true, "DELETE /v1/rules/x": true} {
		method, path, _ := strings.Cut(request, " ")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		if (w.Code == 401) != guarded {
			t.Errorf("%s gives %d", request, w.Code)
		}
	}
}

func TestRamdiskContinues(t *testing.T) {
	r := newRig(t)
	n := r.add("n", "inspect wait", true, false, "")
	if err := r.store.CreatePort(context.Background(), &ironic.Port{UUID: "p", NodeUUID: n.UUID, Address: "52:54:00:00:00:01"}); err != nil {
		t.Fatal(err)
	}
	body := `{"inventory":{"interfaces":[{"mac_address":"52:54:00:00:00:01"}]}}`
	if status, got := r.do("POST", "/v1/continue", "", body); status != 200 || got != `{"uuid":"`+n.UUID+`"}` {
		t.Errorf("%d %s", status, got)
	}
	if status, got := r.do("POST", "/v1/continue", "", "{\n  oops"); status != 400 || !strings.Contains(got, "line 2, byte 5") {
		t.Errorf("malformed: %d %s", status, got)
	}
	for bad, want := range map[string]string{`{"inventory":` + strings.Repeat("[", 9900) + strings.Repeat("]", 9900) + "}": "nested deeper than 64 levels",
		"{\"inventory\":{\"hostname\":\"\xff\"}}": "not valid UTF-8"} {
		if status, got := r.do("POST", "/v1/continue", "", bad); status != 400 || !strings.Contains(got, want) {
			t.Errorf("%.40q: %d %.200s", bad, status, got)
		}
	}
	if status, got := r.do("POST", "/v1/continue", "", `{"inventory":{}}`); status != 404 {
		t.Errorf("unknown machine: %d %s", status, got)
	}
	if status, got := r.do("POST", "/v1/continue", "", `{"inventory":{"disks":[{"size":true}]}}`); status != 400 || !strings.Contains(got, "inventory.disks[0].size: expected a whole number of 64 bits, found true") {
		t.Errorf("a bad inventory: %d %s", status, got)
	}
	r.conductor.Fail = func(string) error { return errs.New(errs.NotFound, "the inventory belongs to node n, which is secret") }
	if status, got := r.do("POST", "/v1/continue", "", `{"inventory":{}}`); status != 404 || strings.Contains(got, "secret") {
		t.Errorf("a stranger is told about a node: %d %s", status, got)
	}
	r.conductor.Fail = func(string) error { panic("secret") }
	if status, got := r.do("POST", "/v1/continue", "", "{}"); status != 500 || strings.Contains(got, "secret") {
		t.Errorf("panic: %d %s", status, got)
	}
}

func TestGophercloudReadsIntrospection(t *testing.T) {
	r, ctx := newRig(t), context.Background()
	n := r.add("n", "manageable", true, true, "")
	inventory := map[string]any{"cpu": map[string]any{"count": 4, "architecture": "x86_64"}, "memory": map[string]any{"physical_mb": 8192},
		"bmc_address": "127.0.0.1", "boot": map[string]any{"current_boot_mode": "uefi"},
		"interfaces": []any{map[string]any{"name": "eth0", "mac_address": "52:54:00:AA:00:01", "ipv4_address": "192.168.24.5"}}}
	if err := r.store.SaveInventory(ctx, ironic.Inventory{NodeUUID: n.UUID, Inventory: inventory, PluginData: map[string]any{
		"boot_interface": "01-52-54-00-aa-00-01", "root_disk": map[string]any{"name": "/dev/vda", "size": 42 << 30}, "logs": "H4sI"}}); err != nil {
		t.Fatal(err)
	}
	c, err := noauth.NewBareMetalIntrospectionNoAuth(noauth.EndpointOpts{IronicInspectorEndpoint: r.url + "/v1"})
	if err != nil {
		t.Fatal(err)
	}
	if err := introspection.StartIntrospection(ctx, c, n.UUID, introspection.StartOpts{}).ExtractErr(); err != nil {
		t.Fatal(err)
	}
	st, err := introspection.GetIntrospectionStatus(ctx, c, "n").Extract()
	if err != nil || !st.Finished || st.State != "finished" || st.UUID != n.UUID {
		t.Errorf("status %+v, %v", st, err)
	}
	data, err := introspection.GetIntrospectionData(ctx, c, n.UUID).Extract()
	if err != nil {
		t.Fatal(err)
	}
	if data.CPUs != 4 || data.CPUArch != "x86_64" || data.MemoryMB != 8192 || data.LocalGB != 41 || data.IPMIAddress != "127.0.0.1" {
		t.Errorf("data %+v", data)
	}
	if nic := data.Interfaces["eth0"]; nic.MAC != "52:54:00:aa:00:01" || !nic.PXE || nic.IP != "192.168.24.5" {
		t.Errorf("interfaces %+v", data.Interfaces)
	}
	if status, body := r.do("GET", "/v1/introspection/n/data/unprocessed", "", ""); status != 200 || strings.Contains(body, "H4sI") {
		t.Errorf("unprocessed: %d %s", status, body)
	}
	_, err = introspection.GetIntrospectionData(ctx, c, "nobody").Extract()
	if !gophercloud.ResponseCodeIs(err, http.StatusNotFound) {
		t.Errorf("data of nobody: %v", err)
	}
}
