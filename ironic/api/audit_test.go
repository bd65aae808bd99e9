package api_test

import (
	"log/slog"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/ironic/api/apitest"
)

func asLessee(project string) func(*ironic.Node) error {
	return func(n *ironic.Node) error { n.Lessee = project; return nil }
}

func inUse(n *ironic.Node) error { n.ProvisionState = "active"; return nil }

func anyOf(*ironic.Allocation, *ironic.Node) error { return nil }

// lines are those of the audit log, without what changes from run to run.
func (s *secured) lines() []string {
	text := regexp.MustCompile(`time=\S+ |req-[0-9a-f-]{36}`).ReplaceAllString(s.audit.String(), "")
	return strings.Split(strings.TrimSpace(text), "\n")
}

func TestWhoChangedWhatIsLogged(t *testing.T) {
	s := newSecured(t)
	s.as("owner_admin", "GET", "/v1/nodes", "")
	s.as("owner_admin", "PUT", "/v1/nodes/"+ownedNode+"/states/power", `{"target":"power on"}`)
	s.as("owner_reader", "DELETE", "/v1/nodes/"+ownedNode, "")
	s.as("third_party_admin", "PATCH", "/v1/nodes/"+ownedNode, `[{"op":"add","path":"/driver_info/ipmi_password","value":"hunter2"}]`)
	s.as("system_admin", "PATCH", "/v1/nodes/"+ownedNode, `[{"op":"add","path":"/driver_info/ipmi_password","value":"hunter2"}]`)
	s.as("system_admin", "POST", "/v1/nodes", `{"driver":"fake-hardware","uuid":"5bd95ee6-0000-4000-8000-000000000001"}`)
	s.as("stranger", "POST", "/v1/nodes?token=hunter2", `{}`)
	s.as("", "POST", "/v1/heartbeat/"+ownedNode, `{"callback_url":"x","agent_token":"hunter2"}`)
	who := func(name, project, system string) string {
		return "user=" + name + " user_id=id-of-" + name + ` project="" project_id=` + project + " system=" + system + " address=192.0.2.1"
	}
	want := []string{
		`level=INFO msg=audit request_id= action=update outcome=success status=202 method=PUT path=/v1/nodes/` + ownedNode + `/states/power node=` + ownedNode + ` created="" ` + who("owner_admin", ownerProject, "false"),
		`level=INFO msg=audit request_id= action=delete outcome=failure status=403 method=DELETE path=/v1/nodes/` + ownedNode + ` node=` + ownedNode + ` created="" ` + who("owner_reader", ownerProject, "false"),
		`level=INFO msg=audit request_id= action=update outcome=failure status=404 method=PATCH path=/v1/nodes/` + ownedNode + ` node="" created="" ` + who("third_party_admin", otherProject, "false"),
		`level=INFO msg=audit request_id= action=update outcome=success status=200 method=PATCH path=/v1/nodes/` + ownedNode + ` node=` + ownedNode + ` created="" ` + who("system_admin", `""`, "true"),
		`level=INFO msg=audit request_id= action=create outcome=success status=201 method=POST path=/v1/nodes node="" created=5bd95ee6-0000-4000-8000-000000000001 ` + who("system_admin", `""`, "true"),
		`level=INFO msg=audit request_id= action=create outcome=failure status=401 method=POST path=/v1/nodes node="" created="" user="" user_id="" project="" project_id="" system=false address=192.0.2.1`,
	}
	got := s.lines()
	if len(got) != len(want)+1 {
		t.Fatalf("%d lines:\n%s", len(got), s.audit)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("line %d\n got %s\nwant %s", i+1, got[i], want[i])
		}
	}
	if !strings.Contains(got[len(want)], "path=/v1/heartbeat/"+ownedNode+" ") {
		t.Errorf("the ramdisk's call: %s", got[len(want)])
	}
	if strings.Contains(s.audit.String(), "hunter2") {
		t.Errorf("the log shows a secret:\n%s", s.audit)
	}
	if id := regexp.MustCompile(`request_id=req-[0-9a-f-]{36} `); !id.MatchString(s.audit.String()) {
		t.Errorf("no request ids:\n%s", s.audit)
	}
}

func TestTheAuditLogHasItsLimits(t *testing.T) {
	store := apitest.NewStore()
	furnish(t, store)
	var b strings.Builder
	cfg := config(store)
	cfg.Audit, cfg.AuditIgnore = slog.New(slog.NewTextHandler(&b, nil)), []string{"PUT"}
	h := held(t, api.New(cfg))
	send := func(method, path string) {
		r := httptest.NewRequest(method, path, strings.NewReader("{}"))
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	send("PUT", "/v1/nodes/"+ownedNode+"/maintenance")
	if b.Len() != 0 {
		t.Errorf("an ignored method is logged: %s", &b)
	}
	send("POST", "/v1/"+strings.Repeat("x", 5000))
	if b.Len() == 0 || b.Len() > 1000 {
		t.Errorf("a long path makes %d bytes", b.Len())
	}
	b.Reset()
	send("POST", "/v1/nodes%0Alevel=INFO%20msg=audit")
	if strings.Count(b.String(), "\n") != 1 {
		t.Errorf("a path forges lines: %s", &b)
	}
}
