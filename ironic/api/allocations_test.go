package api_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/baremetal/v1/allocations"
	"github.com/gophercloud/gophercloud/v2/pagination"

	"trefoil/internal/errs"
	"trefoil/ironic"
)

// ready is a node that an allocation may have.
func (r *rig) ready(name string) *ironic.Node {
	return r.add(ironic.Node{Name: name, ResourceClass: "baremetal", ProvisionState: "available", PowerState: ironic.PowerOff})
}

func (r *rig) allocation(ident string) *ironic.Allocation {
	r.Helper()
	a, err := r.store.Allocation(context.Background(), ident)
	if err != nil {
		r.Fatal(err)
	}
	return a
}

func TestGophercloudAllocates(t *testing.T) {
	r, ctx := newRig(t), context.Background()
	n := r.ready("node-0")
	c := client(r)
	a := must[*allocations.Allocation](t)(allocations.Create(ctx, c, allocations.CreateOpts{Name: "web-1", ResourceClass: "baremetal",
		CandidateNodes: []string{"node-0"}, Extra: map[string]string{"why": "test"}}).Extract())
	if a.State != string(allocations.Allocating) || a.NodeUUID != "" || !slices.Equal(a.CandidateNodes, []string{n.UUID}) {
		t.Errorf("created %+v", a)
	}
	a = must[*allocations.Allocation](t)(allocations.Get(ctx, c, "web-1").Extract())
	if a.State != allocations.Active || a.NodeUUID != n.UUID || a.Extra["why"] != "test" || a.UpdatedAt.IsZero() || r.node("node-0").InstanceUUID != a.UUID {
		t.Errorf("got %+v", a)
	}
	failed := must[*allocations.Allocation](t)(allocations.Create(ctx, c, allocations.CreateOpts{ResourceClass: "big"}).Extract())
	page := must[pagination.Page](t)(allocations.List(c, allocations.ListOpts{State: allocations.AllocationState(allocations.Error)}).AllPages(ctx))
	list := must[[]allocations.Allocation](t)(allocations.ExtractAllocations(page))
	if len(list) != 1 || list[0].UUID != failed.UUID || !strings.Contains(list[0].LastError, "no available nodes match the resource class big.") {
		t.Errorf("listed %+v", list)
	}
	if err := allocations.Delete(ctx, c, a.UUID).ExtractErr(); err != nil {
		t.Fatal(err)
	}
	if _, err := allocations.Get(ctx, c, a.UUID).Extract(); !gophercloud.ResponseCodeIs(err, http.StatusNotFound) {
		t.Errorf("after deletion: %v", err)
	}
	if n := r.node("node-0"); n.InstanceUUID != "" || n.AllocationUUID != "" {
		t.Errorf("the node was not freed: %+v", n)
	}
}

func TestAllocationsBeginAtTheirVersion(t *testing.T) {
	r := newRig(t)
	r.ready("node-0")
	const post = `{"resource_class":"baremetal","name":"a"}`
	r.do("POST", "/v1/allocations", "1.52", post).want(t, 201, "")
	owned := `{"resource_class":"baremetal","owner":"me"}`
	for _, c := range []struct {
		method, path, version, body string
		status                      int
		fault                       string
	}{
		{"GET", "/v1/allocations", "1.51", "", 404, ""},
		{"GET", "/v1/allocations/a", "1.51", "", 404, ""},
		{"POST", "/v1/allocations", "1.51", post, 405, ""},
		{"DELETE", "/v1/allocations/a", "1.51", "", 405, ""},
		{"GET", "/v1/nodes/node-0/allocation", "1.51", "", 404, ""},
		{"DELETE", "/v1/nodes/node-0/allocation", "1.51", "", 404, ""},
		{"PATCH", "/v1/allocations/a", "1.56", `[]`, 405, ""},
		{"PATCH", "/v1/allocations/a", "1.57", `[]`, 200, ""},
		{"POST", "/v1/allocations", "1.57", `{"node":"node-0"}`, 400, "Cannot set node when creating an allocation in this API version"},
		{"POST", "/v1/allocations", "1.59", owned, 406, ""},
		{"GET", "/v1/allocations?owner=me", "1.59", "", 406, ""},
		{"GET", "/v1/allocations?fields=owner", "1.59", "", 406, ""},
		{"GET", "/v1/allocations/a?fields=owner", "1.59", "", 406, ""},
		{"POST", "/v1/allocations", "1.60", owned, 201, ""},
		{"DELETE", "/v1/allocations", "1.60", "", 400, "Missing mandatory parameter: allocation_ident"},
		{"PUT", "/v1/allocations/a", "1.60", "{}", 405, ""},
	} {
		t.Run(c.method+" "+c.path+" "+c.version, func(t *testing.T) {
			r.do(c.method, c.path, c.version, c.body).want(t, c.status, c.fault)
		})
	}
	for version, shown := range map[string]bool{"1.59": false, "1.60": true} {
		if _, ok := r.do("GET", "/v1/allocations/a", version, "").object(t)["owner"]; ok != shown {
			t.Errorf("%s shows the owner: %v", version, ok)
		}
	}
}

func TestWrongAllocationsAreRefused(t *testing.T) {
	r := newRig(t)
	r.ready("node-0")
	r.ready("node-1")
	r.do("POST", "/v1/allocations", "1.60", `{"resource_class":"baremetal","name":"taken","candidate_nodes":["node-0"]}`).want(t, 201, "")
	for body, c := range map[string]struct {
		status int
		fault  string
	}{
		`[]`:                                     {400, "JSON object"},
		`{}`:                                     {400, "The resource_class field is mandatory when not backfilling"},
		`{"resource_class":null}`:                {400, "mandatory"},
		`{"resource_class":1}`:                   {400, "is not of type 'string', 'null'"},
		`{"resource_class":"b","node_uuid":"x"}`: {400, "Additional properties are not allowed ('node_uuid' was unexpected)"},
		`{"resource_class":"b","state":"active"}`:                                       {400, "'state' was unexpected"},
		`{"resource_class":"b","name":"a b"}`:                                           {400, "Cannot create allocation with invalid name 'a b'"},
		`{"resource_class":"b","name":"381a413c-62f5-4e1a-bc59-aee48c6adf0e"}`:          {400, "invalid name"},
		`{"resource_class":"b","uuid":"x"}`:                                             {400, "Expected a UUID"},
		`{"resource_class":"b","extra":[]}`:                                             {400, "'object', 'null'"},
		`{"resource_class":"b","traits":"CUSTOM_X"}`:                                    {400, "'array', 'null'"},
		`{"resource_class":"b","traits":["bad"]}`:                                       {400, "Schema error for allocation: 'bad' is not valid"},
		`{"resource_class":"b","candidate_nodes":[1]}`:                                  {400, "is not of type 'string'"},
		`{"resource_class":"b","candidate_nodes":["node-0","who"]}`:                     {400, "Nodes cannot be found: who"},
		`{"resource_class":"b","node":{}}`:                                              {400, "'string', 'null'"},
		`{"node":"who"}`:                                                                {400, "Node who could not be found."},
		`{"resource_class":"` + strings.Repeat("b", 81) + `"}`:                          {400, "longer than 80"},
		`{"resource_class":"b","traits":[` + strings.Repeat(`"HW_X",`, 50) + `"HW_X"]}`: {400, "more than 50 traits"},
		`{"resource_class":"b","name":"taken"}`:                                         {409, "An allocation with name taken already exists."},
		`{"node":"node-1"}`:                                                             {409, `Node must be in the "active" state, but the current state is "available"`},
	} {
		t.Run(body[:min(60, len(body))], func(t *testing.T) {
			r.do("POST", "/v1/allocations", "1.60", body).want(t, c.status, c.fault)
		})
	}
	if all, _ := r.store.Allocations(context.Background(), ironic.AllocationFilter{}); len(all) != 1 {
		t.Errorf("refused requests left %d allocations", len(all)-1)
	}
}

func TestNullsOfAnAllocationAreDefaults(t *testing.T) {
	r := newRig(t)
	r.do("POST", "/v1/allocations", "1.60", `{"resource_class":"b","name":null,"traits":null,"candidate_nodes":null,"extra":null,"node":null,"owner":null,"uuid":null}`).want(t, 201, "")
	m := r.do("GET", "/v1/allocations", "1.60", "").object(t)["allocations"].([]any)[0].(map[string]any)
	if m["name"] != nil || m["owner"] != nil || m["traits"] == nil || m["candidate_nodes"] == nil || m["extra"] == nil {
		t.Errorf("%v", m)
	}
}

func TestAllocationListsAreFilteredAndPaged(t *testing.T) {
	r := newRig(t)
	n := r.ready("node-0")
	r.ready("node-1")
	for _, body := range []string{`{"name":"a","resource_class":"baremetal","candidate_nodes":["node-0"]}`, `{"name":"b","resource_class":"big"}`,
		`{"name":"c","resource_class":"baremetal","owner":"me"}`} {
		r.do("POST", "/v1/allocations", "1.60", body).want(t, 201, "")
	}
	for query, want := range map[string]string{"": "a b c", "?resource_class=baremetal": "a c", "?state=error": "b c", "?owner=me": "c",
		"?node=node-0": "a", "?node=" + n.UUID: "a", "?node=node-1": "", "?sort_key=name&sort_dir=desc": "c b a",
		"?limit=2": "a b", "?limit=2&marker=" + r.allocation("b").UUID: "c", "?sort_key=state": "a b c"} {
		var names []string
		for _, m := range r.do("GET", "/v1/allocations"+query, "1.60", "").object(t)["allocations"].([]any) {
			names = append(names, m.(map[string]any)["name"].(string))
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%q lists %q, want %q", query, got, want)
		}
	}
	page := r.do("GET", "/v1/allocations?fields=name,state&limit=1", "1.60", "").object(t)
	if m := page["allocations"].([]any)[0].(map[string]any); len(m) != 3 || m["links"] == nil || m["state"] != "active" {
		t.Errorf("fields: %v", m)
	}
	if next, _ := page["next"].(string); !strings.HasSuffix(next, "/v1/allocations?sort_key=id&sort_dir=asc&fields=name,state&limit=1&marker="+r.allocation("a").UUID) {
		t.Errorf("next is %q", next)
	}
	for query, status := range map[string]int{"?node=who": 400, "?detail=true": 400, "?color=red": 400, "?sort_key=extra": 400, "?sort_key=traits": 400,
		"?fields=color": 400, "?limit=0": 400, "?marker=who": 400} {
		r.do("GET", "/v1/allocations"+query, "1.60", "").want(t, status, "")
	}
}

func TestAllocationsArePatched(t *testing.T) {
	r := newRig(t)
	for _, name := range []string{"a", "other"} {
		r.do("POST", "/v1/allocations", "1.60", `{"resource_class":"b","name":"`+name+`","extra":{"k":1,"old":true}}`).want(t, 201, "")
	}
	m := r.do("PATCH", "/v1/allocations/a", "1.60", `[{"op":"replace","path":"/name","value":"new"},{"op":"add","path":"/extra/k","value":"v"},
		{"op":"remove","path":"/extra/old"}]`).object(t)
	if extra := m["extra"].(map[string]any); m["name"] != "new" || extra["k"] != "v" || len(extra) != 1 || m["updated_at"] == nil {
		t.Errorf("%v", m)
	}
	for body, c := range map[string]struct {
		status int
		fault  string
	}{
		`[{"op":"replace","path":"/state","value":"active"}]`: {400, "Cannot patch /state. Only the following can be updated: extra, name"},
		`[{"op":"remove","path":"/uuid"}]`:                    {400, "Cannot patch /uuid"},
		`[{"op":"replace","path":"/owner","value":"me"}]`:     {400, "Cannot patch /owner"},
		`[{"op":"replace","path":"/name","value":"a b"}]`:     {400, "Cannot update allocation with invalid name 'a b'"},
		`[{"op":"remove","path":"/extra/none"}]`:              {400, "Couldn't apply patch"},
		`[{"op":"replace","path":"/name","value":"other"}]`:   {409, "An allocation with name other already exists."},
	} {
		r.do("PATCH", "/v1/allocations/new", "1.60", body).want(t, c.status, c.fault)
	}
	r.do("PATCH", "/v1/allocations/a", "1.60", `[]`).want(t, 404, "Allocation a could not be found.")
	uuid := r.allocation("new").UUID
	r.do("PATCH", "/v1/allocations/new", "1.60", `[{"op":"remove","path":"/name"}]`).want(t, 200, "")
	if a := r.allocation(uuid); a.Name != "" || a.Extra["k"] != "v" {
		t.Errorf("%+v", a)
	}
}

func TestTheAllocationOfANode(t *testing.T) {
	r := newRig(t)
	r.ready("node-0")
	r.do("GET", "/v1/nodes/who/allocation", "1.60", "").want(t, 404, "Node who could not be found.")
	r.do("GET", "/v1/nodes/node-0/allocation", "1.60", "").want(t, 404, "Allocation for node node-0 was not found")
	r.do("DELETE", "/v1/nodes/node-0/allocation", "1.60", "").want(t, 404, "Allocation for node node-0 was not found")
	r.do("POST", "/v1/allocations", "1.60", `{"resource_class":"baremetal","name":"a"}`).want(t, 201, "")
	uuid := r.allocation("a").UUID
	if m := r.do("GET", "/v1/nodes/node-0/allocation?fields=uuid,state", "1.60", "").object(t); m["uuid"] != uuid || m["state"] != "active" || len(m) != 3 {
		t.Errorf("%v", m)
	}
	if m := r.do("GET", "/v1/nodes/node-0", "1.60", "").object(t); m["allocation_uuid"] != uuid || m["instance_uuid"] != uuid {
		t.Errorf("the node shows allocation %v, instance %v", m["allocation_uuid"], m["instance_uuid"])
	}
	r.conductor.Fail = func(method string) error {
		return errs.New(errs.Locked, "Node node-0 is locked by host localhost, please retry after the current operation is completed.")
	}
	r.do("DELETE", "/v1/nodes/node-0/allocation", "1.60", "").want(t, 409, "is locked by host")
	r.conductor.Fail = nil
	r.do("DELETE", "/v1/nodes/node-0/allocation", "1.60", "").want(t, 204, "")
	if n := r.node("node-0"); n.AllocationUUID != "" || n.InstanceUUID != "" {
		t.Errorf("%+v", n)
	}
}

func TestBackfillingTakesClassAndUUIDFromTheNode(t *testing.T) {
	r := newRig(t)
	const instance = "182740b8-c4b2-4952-b3f0-c423af88a5bc"
	n := r.add(ironic.Node{Name: "node-0", ResourceClass: "big", ProvisionState: "active", InstanceUUID: instance})
	a := r.do("POST", "/v1/allocations", "1.58", `{"node":"node-0","name":"a"}`)
	a.want(t, 201, "")
	if m := a.object(t); m["uuid"] != instance || m["node_uuid"] != n.UUID || m["state"] != "active" || m["resource_class"] != "big" ||
		!strings.HasSuffix(a.header.Get("Location"), "/v1/allocations/"+instance) {
		t.Errorf("%v at %q", m, a.header.Get("Location"))
	}
}

// Taking the instance from a node is taking its allocation, too: where that is
// not allowed it is refused.
func TestPatchingTheInstanceAwayEndsTheAllocation(t *testing.T) {
	r := newRig(t)
	r.ready("node-0")
	r.do("POST", "/v1/allocations", "1.60", `{"resource_class":"baremetal","name":"a"}`).want(t, 201, "")
	set := func(state string) {
		if _, err := r.store.UpdateNode(context.Background(), "node-0", func(n *ironic.Node) error { n.ProvisionState = state; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	const patch = `[{"op":"remove","path":"/instance_uuid"}]`
	set("active")
	r.do("PATCH", "/v1/nodes/node-0", "1.60", patch).want(t, 409, "with an allocation can not have instance_uuid removed unless")
	r.allocation("a")
	set("available")
	r.do("PATCH", "/v1/nodes/node-0", "1.60", patch).want(t, 200, "")
	if n := r.node("node-0"); n.AllocationUUID != "" {
		t.Errorf("%+v", n)
	}
	r.do("GET", "/v1/allocations/a", "1.60", "").want(t, 404, "Allocation a could not be found.")
}
