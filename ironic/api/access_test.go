package api_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trefoil/internal/golden"
	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/ironic/api/apitest"
	"trefoil/ironic/api/openapi/openapitest"
	"trefoil/ironic/policy"
)

// What the tests of access are played with: Ironic's own test data (see
// testdata/rbac.py). One project owns two nodes and leases one of them to another;
// two more nodes are nobody's, and one child node is, too.
const (
	ownerProject  = "70e5e25a-2ca2-4cb1-8ae8-7d8739cee205"
	lesseeProject = "f11853c7-fa9c-4db3-a477-c9d8e0dbbf13"
	otherProject  = "ae64129e-b188-4662-b014-4127f4366ee6"

	ownedNode  = "1ab63b9e-66d7-4cd7-8618-dddd0f9f7881"
	leasedNode = "38d5abed-c585-4fce-a57e-a2ffc2a2ec6f"
	nobodys    = "573208e5-cd41-4e26-8f06-ef44022b3793"
	nobodys2   = "1be26c0b-03f2-4d2e-ae87-c02d7f33c781"

	ownedPort, leasedPort, nobodysPort    = "ebe30f19-358d-41e1-8d28-fd7357a0164c", "1be26c0b-03f2-4d2e-ae87-c02d7f33c782", "abfd8dbb-1732-449a-b760-2224035c6b99"
	ownedGroup, leasedGroup, nobodysGroup = "b16efcf3-2990-41a1-bc1d-5e2c16f3d5fc", "1be26c0b-03f2-4d2e-ae87-c02d7f33c783", "5810f41c-6585-41fc-b9c9-a94f50d421b5"
	ownedAllocation, leasedAllocation     = "241db410-7b04-4b1c-87ae-4e336435db08", "241db410-7b04-4b1c-87ae-4e336435db09"
	ownedEvent, leasedEvent, nobodysEvent = "0e21d58f-5de2-4956-85ff-33935ea1ca02", "0e21d58f-5de2-4956-85ff-33935ea1ca03", "0e21d58f-5de2-4956-85ff-33935ea1ca04"
	oneChassis                            = "e74c40e0-d825-11e2-a28f-0800200c9a66"
	ownedRunbook                          = "8b5fc7f0-3b1f-4a3a-8d4b-0a5b7a0b5f9e"

	// Each of a connector and of a target.
	leasedVolume, nobodysVolume, ownedVolume = "9265b0e6-0000-4000-8000-000000000001", "9265b0e6-0000-4000-8000-000000000002", "9265b0e6-0000-4000-8000-000000000003"
)

// placeholders are those of testdata/rbac.txt.
func placeholders() *strings.Replacer {
	return strings.NewReplacer("{node_ident}", nobodys2, "{owner_node_ident}", ownedNode, "{lessee_node_ident}", leasedNode,
		"{allocated_node_ident}", leasedNode, "{lessee_port_ident}", leasedPort, "{lessee_portgroup_ident}", leasedGroup,
		"{trait}", "CUSTOM_MEOW", "{vif_ident}", "0e21d58f-5de2-4956-85ff-33935ea1ca01", "{owner_port_ident}", ownedPort,
		"{other_port_ident}", nobodysPort, "{owner_portgroup_ident}", ownedGroup, "{other_portgroup_ident}", nobodysGroup,
		"{driver_name}", "fake-driverz", "{owner_allocation}", ownedAllocation, "{lessee_allocation}", leasedAllocation,
		"{owned_history_ident}", ownedEvent, "{lessee_history_ident}", leasedEvent, "{history_ident}", nobodysEvent,
		"{port_ident}", nobodysPort, "{portgroup_ident}", nobodysGroup, "{chassis_ident}", oneChassis, "{allocation_ident}", leasedAllocation,
		"{volume_connector_ident}", leasedVolume, "{volume_target_ident}", leasedVolume, "{conductor_ident}", "localhost", "{runbook_ident}", ownedRunbook)
}

func fine(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// furnish puts the test data into a store.
func furnish(t testing.TB, s *apitest.Store) {
	t.Helper()
	ctx := context.Background()
	for _, n := range []ironic.Node{{UUID: nobodys2}, {UUID: "1be26c0b-03f2-4d2e-ae87-c02d7f33c123"}, {UUID: ownedNode, Owner: ownerProject}, {UUID: "2b3b8adb-add7-4fd0-8e82-dcb714d848e7", ParentNode: ownedNode},
		{UUID: "3c3b8adb-edd7-4ed0-8e82-aab714d8411a", ParentNode: ownedNode, Owner: ownerProject}, {UUID: leasedNode, Owner: ownerProject, Lessee: lesseeProject}, {UUID: nobodys}} {
		n.Driver, n.ProvisionState, n.PowerState = "fake-hardware", "manageable", ironic.PowerOff
		n.LastError, n.Reservation, n.Traits = "meow", "lolcats", []string{"CUSTOM_MEOW"}
		n.DriverInternalInfo = map[string]any{"private_state": "secret value"}
		n.DriverInfo = map[string]any{"foo": "bar", "fake_password": "fake"}
		n.Interfaces = map[string]string{"raid": "fake"}
		fine(t, s.CreateNode(ctx, &n))
		fine(t, s.SaveInventory(ctx, ironic.Inventory{NodeUUID: n.UUID}))
	}
	for _, p := range []ironic.Port{{UUID: ownedPort, NodeUUID: ownedNode, Address: "00:00:00:00:00:01"},
		{UUID: "21a3c5a7-1e14-44dc-a9dd-0c84d5477a57", NodeUUID: ownedNode, Address: "00:00:00:00:00:02"},
		{UUID: leasedPort, NodeUUID: leasedNode, Address: "52:54:00:cf:2d:31"}, {UUID: nobodysPort, NodeUUID: nobodys, Address: "00:00:00:00:00:ff"}} {
		fine(t, s.CreatePort(ctx, &p))
	}
	for _, g := range []ironic.Portgroup{{UUID: ownedGroup, NodeUUID: ownedNode, Name: "magicfoo"}, {UUID: leasedGroup, NodeUUID: leasedNode},
		{UUID: nobodysGroup, NodeUUID: nobodys, Name: "corgis_rule_the_world"}} {
		g.Mode = "active-backup"
		fine(t, s.CreatePortgroup(ctx, &g))
	}
	for id, node := range map[string]string{leasedVolume: leasedNode, nobodysVolume: nobodys, ownedVolume: ownedNode} {
		row := ironic.VolumeRow{UUID: id, NodeUUID: node}
		fine(t, s.VolumeConnectors().Create(ctx, &ironic.VolumeConnector{VolumeRow: row, Type: "iqn", ConnectorID: "iqn." + id}))
		fine(t, s.VolumeTargets().Create(ctx, &ironic.VolumeTarget{VolumeRow: row, VolumeType: "iscsi", VolumeID: id, Properties: map[string]any{"target_iqn": "iqn.meow"}}))
	}
	fits := func(*ironic.Node) error { return nil }
	fine(t, s.CreateAllocation(ctx, &ironic.Allocation{UUID: ownedAllocation, NodeUUID: ownedNode, Owner: ownerProject, ResourceClass: "CUSTOM_TEST"}, fits))
	fine(t, s.CreateAllocation(ctx, &ironic.Allocation{UUID: leasedAllocation, NodeUUID: leasedNode, Owner: lesseeProject, ResourceClass: "CUSTOM_LEASED"}, fits))
	fine(t, s.AddHistory(ctx, ironic.HistoryEntry{UUID: ownedEvent, NodeUUID: ownedNode, Event: "meow"}))
	fine(t, s.AddHistory(ctx, ironic.HistoryEntry{UUID: nobodysEvent, NodeUUID: nobodys2, Event: "meow"}))
	fine(t, s.CreateChassis(ctx, &ironic.Chassis{UUID: oneChassis}))
	fine(t, s.CreateRunbook(ctx, &ironic.Runbook{UUID: ownedRunbook, Name: "CUSTOM_MEOW", Owner: ownerProject,
		Steps: []ironic.TemplateStep{{Interface: "bios", Name: "reset", Args: map[string]any{"password": "geheim"}}}}))
	fine(t, s.AddHistory(ctx, ironic.HistoryEntry{UUID: leasedEvent, NodeUUID: leasedNode, Event: "meow"}))
}

// implied are a role and those that it implies.
func implied(role string) []string {
	chain := []string{"admin", "manager", "member", "reader"}
	if i := slices.Index(chain, role); i >= 0 {
		return chain[i:]
	}
	return []string{role}
}

// people are the callers by the names of testdata/rbac.txt.
func people() map[string]policy.Caller {
	out := map[string]policy.Caller{"service": {ProjectID: otherProject, Roles: implied("service")},
		"service_headers_owner_project": {ProjectID: ownerProject, Roles: implied("service")}, "system_service": {System: true, Roles: implied("service")},
		"service_project": {ProjectID: "c11111111111111111111111111111", Project: "service", Roles: implied("service")}}
	for where, c := range map[string]policy.Caller{"owner": {ProjectID: ownerProject}, "lessee": {ProjectID: lesseeProject},
		"third_party": {ProjectID: otherProject}, "system": {System: true}, "domain": {}} {
		for _, role := range implied("admin") {
			c.Roles, c.UserID, c.User = implied(role), "id-of-"+where+"_"+role, where+"_"+role
			out[where+"_"+role] = c
		}
	}
	return out
}

type callerKey struct{}

// secured is the API with people who log in by a header. Each answer is held to the OpenAPI document.
type secured struct {
	*testing.T
	store   *apitest.Store
	handler http.Handler
	audit   *strings.Builder
}

func config(store *apitest.Store) api.Config {
	return api.Config{Store: store, Conductor: apitest.NewConductor(store), Log: slog.New(slog.DiscardHandler),
		Auth: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c, ok := people()[r.Header.Get("X-Auth-Token")]
				if !ok {
					openapitest.Unauthorized(w)
					return
				}
				next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, c)))
			})
		},
		Caller: func(ctx context.Context) policy.Caller {
			c, _ := ctx.Value(callerKey{}).(policy.Caller)
			return c
		}}
}

func newSecured(t *testing.T) *secured {
	t.Helper()
	s := &secured{T: t, store: apitest.NewStore(), audit: &strings.Builder{}}
	furnish(t, s.store)
	cfg := config(s.store)
	cfg.Audit = slog.New(slog.NewTextHandler(s.audit, nil))
	s.handler = held(t, api.New(cfg))
	return s
}

func (s *secured) as(who, method, path, body string) answer {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("X-Auth-Token", who)
	r.Header.Set("X-OpenStack-Ironic-API-Version", "latest")
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	data, _ := io.ReadAll(w.Body)
	return answer{w.Code, w.Header(), string(data)}
}

// Ironic's own tests of access, more than 850 requests: what is refused there is
// refused here, what is not there is not here, and what is let in is let in.
func TestAccessIsAsIronicsTestsHaveIt(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("testdata", "rbac.txt"))
	fine(t, err)
	for i, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		words := strings.SplitN(placeholders().Replace(line), " ", 5)
		who, method, path, status := words[0], words[1], words[2], words[3]
		body, count := "", ""
		if len(words) > 4 {
			if body = words[4]; body[0] != '{' && body[0] != '[' && body[0] != '"' {
				count, body = body, ""
			}
		}
		got := newSecured(t).as(who, method, path, body)
		want := map[string]int{"403": 403, "500": 403, "404": 404}[status] // Ironic answers 500 where a policy knows no projects
		let := got.status != 401 && got.status != 403 && got.status != 404
		if want != 0 && got.status != want || want == 0 && !let {
			t.Errorf("line %d: %s: %d %s", i+1, line, got.status, got.body)
		}
		if name, n, ok := strings.Cut(count, "="); ok {
			list, _ := got.object(t)[name].([]any)
			if want, _ := json.Number(n).Int64(); int64(len(list)) != want {
				t.Errorf("line %d: %s: %d in the list", i+1, line, len(list))
			}
		}
	}
}

func TestEveryGuardedRouteHasItsPolicy(t *testing.T) {
	policies := policy.New()
	calls := api.GuardedCalls(config(apitest.NewStore()))
	for _, c := range calls {
		if !policies.Known(c.Policy) {
			t.Errorf("%s %s has the policy %q, which ironic/policy does not: name one in the route's rules", c.Method, c.Path, c.Policy)
		}
	}
	if len(calls) < 100 {
		t.Errorf("only %d calls", len(calls))
	}
}

// outcome says how an answer ends for who asks about a machine.
func outcome(a answer) string {
	gone := false
	for _, kind := range []string{"Node " + leasedNode, "Port " + leasedPort, "Portgroup " + leasedGroup, "Allocation " + leasedAllocation,
		"Volume connector " + leasedVolume, "Volume target " + leasedVolume} {
		gone = gone || a.status == http.StatusNotFound && a.fault() == kind+" could not be found."
	}
	gone = gone || a.status == http.StatusNotFound && a.fault() == "Allocation for node "+leasedNode+" was not found"
	switch {
	case gone:
		return "not there"
	case a.status == http.StatusForbidden && strings.HasPrefix(a.fault(), "Access was denied to the following resource: baremetal:"):
		return "refused"
	}
	return "let in"
}

// Every call of every guarded route, made by everybody: the golden is what a person
// checks, and what a new route adds its lines to.
func TestEveryCallByEverybody(t *testing.T) {
	var who []string
	for _, where := range []string{"system", "owner", "lessee", "third_party"} {
		for _, role := range implied("admin") {
			who = append(who, where+"_"+role)
		}
	}
	who = append(who, "system_service", "service_headers_owner_project", "service")
	names := strings.NewReplacer("{node}", leasedNode, "{port}", leasedPort, "{portgroup}", leasedGroup, "{allocation}", leasedAllocation, "{runbook}", ownedRunbook, "{volume}", leasedVolume)
	var b strings.Builder
	for _, c := range api.GuardedCalls(config(apitest.NewStore())) {
		ends := map[string][]string{}
		for _, name := range who {
			body := map[string]string{"PATCH": "[]", "POST": "{}", "PUT": "{}"}[c.Method]
			how := outcome(newSecured(t).as(name, c.Method, names.Replace(c.Path), body))
			ends[how] = append(ends[how], name)
		}
		b.WriteString(c.Method + " " + c.Path + " (" + c.Policy + ")\n")
		for _, how := range []string{"let in", "refused", "not there"} {
			if ends[how] != nil {
				b.WriteString("  " + how + ": " + strings.Join(ends[how], " ") + "\n")
			}
		}
	}
	golden.Check(t, "access.txt", b.String())
}

func TestRefusalsAreIronics(t *testing.T) {
	s := newSecured(t)
	refused := s.as("owner_reader", "PUT", "/v1/nodes/"+ownedNode+"/states/power", `{"target":"power on"}`)
	const body = `{"error_message":"{\"faultcode\":\"Client\",\"faultstring\":\"Access was denied to the following resource: baremetal:node:set_power_state\",\"debuginfo\":null}"}`
	if refused.status != 403 || refused.body != body {
		t.Errorf("%d %s", refused.status, refused.body)
	}
	gone, unknown := s.as("third_party_admin", "GET", "/v1/nodes/"+ownedNode, ""), s.as("third_party_admin", "GET", "/v1/nodes/5bd95ee6-0000-4000-8000-000000000000", "")
	if strings.ReplaceAll(gone.body, ownedNode, "x") != strings.ReplaceAll(unknown.body, "5bd95ee6-0000-4000-8000-000000000000", "x") || gone.status != 404 || unknown.status != 404 {
		t.Errorf("a node that is not there, and one that the caller does not see:\n%d %s\n%d %s", unknown.status, unknown.body, gone.status, gone.body)
	}
	s.as("domain_admin", "GET", "/v1/nodes", "").want(t, 403, "Access was denied to the following resource: baremetal:node:list_all")
	s.as("domain_admin", "POST", "/v1/nodes", `{"driver":"fake-hardware"}`).want(t, 403, "baremetal:node:create")
	if got := s.as("nobody", "GET", "/v1/nodes", ""); got.status != 401 {
		t.Errorf("without a login: %d", got.status)
	}
	if got := s.as("", "GET", "/v1", ""); got.status != 200 {
		t.Errorf("what needs no login asks for a role: %d %s", got.status, got.body)
	}
}

func TestALesseeDoesNotReadWhatIsTheOwners(t *testing.T) {
	s := newSecured(t)
	redacted := map[string]string{"last_error": `"** Value Redacted - Requires baremetal:node:get:last_error permission. **"`,
		"reservation":          `"** Redacted - requires baremetal:node:get:reservation permission. **"`,
		"driver_internal_info": `{"content":"** Redacted - Requires baremetal:node:get:driver_internal_info permission. **"}`,
		"driver_info":          `{"content":"** Redacted - requires baremetal:node:get:driver_info permission. **"}`}
	plain := map[string]string{"last_error": `"meow"`, "reservation": `"lolcats"`, "driver_internal_info": `{"private_state":"secret value"}`,
		"driver_info": `{"fake_password":"******","foo":"bar"}`}
	for who, fields := range map[string]map[string]string{"lessee_admin": redacted, "owner_reader": plain, "system_reader": plain, "system_admin": plain} {
		for _, path := range []string{"/v1/nodes/" + leasedNode, "/v1/nodes/detail"} {
			body := s.as(who, "GET", path, "").body
			for name, want := range fields {
				if !strings.Contains(body, `"`+name+`":`+want) {
					t.Errorf("%s GET %s: no %s of %s in %s", who, path, name, want, body)
				}
			}
		}
	}
	states := s.as("lessee_admin", "GET", "/v1/nodes/"+leasedNode+"/states", "").body
	if strings.Contains(states, "meow") {
		t.Errorf("the states show the error: %s", states)
	}
}

// A page that begins behind a foreign node would tell how that sorts.
func TestAForeignMarkerIsNotThere(t *testing.T) {
	s := newSecured(t)
	for path, code := range map[string]int{"nodes?marker=" + nobodys: 404, "nodes?marker=" + ownedNode: 200,
		"ports?marker=" + nobodysPort: 404, "ports?marker=" + ownedPort: 200} {
		s.as("owner_reader", "GET", "/v1/"+path, "").want(t, code, "")
		s.as("system_reader", "GET", "/v1/"+path, "").want(t, 200, "")
	}
}
