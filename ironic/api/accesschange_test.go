package api_test

import (
	"context"
	"strings"
	"testing"

	"trefoil/ironic"
	"trefoil/ironic/api"
)

func TestWhoseANewNodeIs(t *testing.T) {
	for _, tc := range []struct {
		who, body string
		status    int
		owner     any
	}{
		{"owner_admin", `{"driver":"fake-hardware"}`, 201, ownerProject},
		{"owner_admin", `{"driver":"fake-hardware","owner":"` + ownerProject + `"}`, 201, ownerProject},
		{"owner_admin", `{"driver":"fake-hardware","owner":"` + otherProject + `"}`, 400, nil},
		{"owner_manager", `{"driver":"fake-hardware"}`, 403, nil},
		{"system_admin", `{"driver":"fake-hardware"}`, 201, nil},
		{"system_admin", `{"driver":"fake-hardware","owner":"` + otherProject + `"}`, 201, otherProject},
		{"system_member", `{"driver":"fake-hardware"}`, 403, nil},
	} {
		got := newSecured(t).as(tc.who, "POST", "/v1/nodes", tc.body)
		if got.status != tc.status {
			t.Errorf("%s %s: %d %s", tc.who, tc.body, got.status, got.body)
		} else if got.status == 201 && got.object(t)["owner"] != tc.owner {
			t.Errorf("%s %s: owner %v", tc.who, tc.body, got.object(t)["owner"])
		}
		if tc.status == 400 && got.fault() != "Cannot create a node as a project scoped admin with an owner other than your own project." {
			t.Errorf("%s: %s", tc.who, got.fault())
		}
	}
}

func TestWhoseANewAllocationIs(t *testing.T) {
	for _, tc := range []struct {
		who, owner string
		status     int
		want       any
	}{
		{"lessee_member", "", 201, lesseeProject},
		{"lessee_member", lesseeProject, 201, lesseeProject},
		{"lessee_member", ownerProject, 403, nil},
		{"lessee_reader", "", 403, nil},
		{"system_member", "", 201, nil},
		{"system_member", ownerProject, 201, ownerProject},
		{"domain_member", "", 403, nil},
	} {
		body := `{"resource_class":"x"}`
		if tc.owner != "" {
			body = `{"resource_class":"x","owner":"` + tc.owner + `"}`
		}
		got := newSecured(t).as(tc.who, "POST", "/v1/allocations", body)
		if got.status != tc.status {
			t.Errorf("%s %s: %d %s", tc.who, body, got.status, got.body)
		} else if got.status == 201 && got.object(t)["owner"] != tc.want {
			t.Errorf("%s %s: owner %v", tc.who, body, got.object(t)["owner"])
		}
		if tc.owner == ownerProject && tc.status == 403 {
			got.want(t, 403, "Policy baremetal:allocation:create_restricted is required for this capability.")
		}
	}
	s := newSecured(t)
	s.as("lessee_member", "GET", "/v1/allocations?owner="+ownerProject, "").want(t, 403, "baremetal:allocation:list_all")
	s.as("lessee_member", "GET", "/v1/allocations?node="+nobodys, "").want(t, 400, "Node "+nobodys+" could not be found.")
}

// Each field of a node has its own policy; what has none falls under that of the node.
func TestWhoMayChangeWhichField(t *testing.T) {
	patch := func(path, value string) string {
		return `[{"op":"replace","path":"` + path + `","value":` + value + `}]`
	}
	for _, tc := range []struct {
		who, body, policy string // policy: of the refusal; "": it is let in
	}{
		{"lessee_member", patch("/extra", `{}`), ""},
		{"lessee_member", patch("/description", `"x"`), ""},
		{"lessee_member", patch("/instance_info", `{}`), "update_instance_info"},
		{"lessee_manager", patch("/instance_info", `{}`), ""},
		{"lessee_admin", patch("/driver_info", `{}`), "update:driver_info"},
		{"lessee_admin", patch("/lessee", `null`), "update:lessee"},
		{"owner_member", patch("/lessee", `null`), ""},
		{"owner_admin", patch("/owner", `"x"`), "update:owner"},
		{"system_member", patch("/owner", `"x"`), ""},
		{"owner_member", patch("/power_interface", `"fake"`), "update:driver_interfaces"},
		{"owner_manager", patch("/power_interface", `"fake"`), ""},
		{"owner_member", patch("/driver", `"ipmi"`), "update:driver_interfaces"},
		{"owner_member", patch("/retired_reason", `null`), ""},
		{"lessee_member", patch("/retired_reason", `null`), "update:retired"},
		{"owner_admin", patch("/automated_clean", `false`), "disable_cleaning"},
		{"owner_admin", patch("/automated_clean", `"no"`), "disable_cleaning"},
		{"owner_member", patch("/automated_clean", `true`), ""},
		{"system_member", patch("/shard", `"x"`), "update:shard"},
		{"system_admin", patch("/shard", `"x"`), ""},
		{"owner_admin", `[{"op":"replace","path":"/extra","value":{}},{"op":"replace","path":"/owner","value":"x"}]`, "update:owner"},
		{"owner_reader", `[]`, "update"},
		{"service_headers_owner_project", patch("/driver_info", `{}`), ""},
		{"service_headers_owner_project", patch("/description", `"x"`), "update"},
	} {
		s := newSecured(t)
		_, err := s.store.DeleteAllocation(context.Background(), leasedAllocation, anyOf) // an allocated node's owner stays
		fine(t, err)
		got := s.as(tc.who, "PATCH", "/v1/nodes/"+leasedNode, tc.body)
		switch {
		case tc.policy == "" && got.status != 200:
			t.Errorf("%s %s: %d %s", tc.who, tc.body, got.status, got.body)
		case tc.policy != "" && (got.status != 403 || !strings.HasSuffix(got.fault(), ": baremetal:node:"+tc.policy)):
			t.Errorf("%s %s: %d %s", tc.who, tc.body, got.status, got.body)
		}
	}
}

func TestAPartStaysWithItsOwner(t *testing.T) {
	s := newSecured(t)
	move := func(to string) string { return `[{"op":"replace","path":"/node_uuid","value":"` + to + `"}]` }
	for path, within := range map[string]string{"/v1/ports/" + leasedPort: ownedNode, "/v1/portgroups/" + leasedGroup: ownedNode} {
		s.as("owner_admin", "PATCH", path, move(nobodys)).want(t, 400, "Node "+nobodys+" could not be found.")
		if got := s.as("owner_admin", "PATCH", path, move(within)); got.status != 200 {
			t.Errorf("%s to a node of the same owner: %d %s", path, got.status, got.body)
		}
	}
	_, err := s.store.UpdateNode(context.Background(), nobodys, asLessee(ownerProject))
	fine(t, err)
	s.as("owner_admin", "PATCH", "/v1/ports/"+ownedPort, move(nobodys)).want(t, 400, "Unable to apply the requested node_uuid '"+nobodys+"'. Requested value was invalid.")
	s.as("system_admin", "PATCH", "/v1/ports/"+ownedPort, move(nobodys)).want(t, 200, "")
}

func TestTheOwnerOfAMachineInUseStays(t *testing.T) {
	s := newSecured(t)
	_, err := s.store.UpdateNode(context.Background(), nobodys, inUse)
	fine(t, err)
	body := `[{"op":"replace","path":"/owner","value":"x"}]`
	s.as("system_member", "PATCH", "/v1/nodes/"+nobodys, body).want(t, 409, `Cannot update owner of node "`+nobodys+`" while it is in state "active".`)
	s.as("system_admin", "PATCH", "/v1/nodes/"+nobodys, body).want(t, 200, "")
}

// A lessee that somebody chose stays when the instance is deleted whose project leased the machine.
func TestALesseeThatIsChosenIsNotTheInstances(t *testing.T) {
	for patch, stays := range map[string]bool{
		`[{"op":"replace","path":"/lessee","value":"beta"}]`:  false,
		`[{"op":"replace","path":"/lessee","value":"alpha"}]`: false, // now it is somebody's choice
		`[{"op":"remove","path":"/lessee"}]`:                  false,
		`[{"op":"add","path":"/extra/lessee","value":"x"}]`:   true,
	} {
		r := newRig(t)
		n := r.add(ironic.Node{Name: "n", ProvisionState: "active", Lessee: "alpha", DriverInternalInfo: map[string]any{api.KeyAutomaticLessee: true, "else": "kept"}})
		r.do("PATCH", "/v1/nodes/n", "1.65", patch).want(t, 200, "")
		if info := r.node(n.UUID).DriverInternalInfo; (info[api.KeyAutomaticLessee] == true) != stays || info["else"] != "kept" {
			t.Errorf("%s: %v", patch, info)
		}
	}
}
