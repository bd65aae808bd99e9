package api_test

import (
	"strings"
	"testing"

	"trefoil/ironic"
)

// free lets go of the nodes of the test data, so that their volumes can be changed.
func (s *secured) free() {
	s.Helper()
	for _, id := range []string{ownedNode, leasedNode, nobodys} {
		_, err := s.store.UpdateNode(s.Context(), id, func(n *ironic.Node) error { n.Reservation = ""; return nil })
		fine(s, err)
	}
}

func TestVolumesAreTheirNodes(t *testing.T) {
	s := newSecured(t)
	s.free()
	for _, kind := range []string{"connectors", "targets"} {
		all, one, other := "/v1/volume/"+kind, "/v1/volume/"+kind+"/"+leasedVolume, "/v1/volume/"+kind+"/"+nobodysVolume
		for who, n := range map[string]int{"owner_reader": 2, "lessee_reader": 1, "third_party_admin": 0, "system_reader": 3} {
			for path, want := range map[string]int{all: n, all + "?detail=true": n, "/v1/nodes/" + leasedNode + "/volume/" + kind: min(n, 1)} {
				got := s.as(who, "GET", path, "")
				if who == "third_party_admin" && strings.HasPrefix(path, "/v1/nodes/") {
					got.want(t, 404, "Node "+leasedNode+" could not be found.")
					continue
				}
				got.want(t, 200, "")
				if list := got.object(t)[kind].([]any); len(list) != want {
					t.Errorf("%s GET %s: %d in the list, want %d", who, path, len(list), want)
				}
			}
			s.as(who, "GET", "/v1/volume", "").want(t, 200, "")
		}
		const extra = `[{"op":"add","path":"/extra/a","value":1}]`
		for who, status := range map[string]int{"owner_reader": 403, "lessee_reader": 403, "lessee_member": 403, "owner_member": 200, "lessee_manager": 200, "third_party_admin": 404} {
			s.as(who, "PATCH", one, extra).want(t, status, "")
			s.as(who, "PATCH", other, extra).want(t, 404, "")
			s.as(who, "GET", other, "").want(t, 404, "could not be found.")
		}
		move := `[{"op":"replace","path":"/node_uuid","value":"` + nobodys + `"}]`
		s.as("owner_admin", "PATCH", one, move).want(t, 400, "could not be found")
		s.as("owner_member", "DELETE", one, "").want(t, 403, "baremetal:volume:delete")
		s.as("third_party_admin", "DELETE", one, "").want(t, 404, "")
		s.as("lessee_admin", "DELETE", one, "").want(t, 204, "")
	}
}

func TestWhoMayAddVolumes(t *testing.T) {
	s := newSecured(t)
	s.free()
	for kind, rest := range map[string]string{"connectors": `"type":"iqn","connector_id":"iqn.%"`, "targets": `"volume_type":"iscsi","volume_id":"%","boot_index":7`} {
		for who, status := range map[string]int{"owner_member": 403, "lessee_reader": 403, "third_party_admin": 403, "lessee_admin": 201} {
			body := `{"node_uuid":"` + leasedNode + `",` + strings.ReplaceAll(rest, "%", who) + `}`
			s.as(who, "POST", "/v1/volume/"+kind, body).want(t, status, "")
		}
		s.as("owner_admin", "POST", "/v1/volume/"+kind, `{"node_uuid":"`+nobodys+`",`+rest+`}`).want(t, 403, "baremetal:volume:create")
	}
}

// How a volume is reached is for those alone who have the policy.
func TestTargetPropertiesAreRedacted(t *testing.T) {
	s := newSecured(t)
	for who, sees := range map[string]bool{"owner_reader": false, "lessee_member": false, "lessee_admin": true, "owner_admin": true, "system_reader": true} {
		for _, path := range []string{"/v1/volume/targets/" + leasedVolume, "/v1/volume/targets?detail=true", "/v1/volume/targets?fields=properties"} {
			body := s.as(who, "GET", path, "").body
			if strings.Contains(body, "iqn.meow") != sees || strings.Contains(body, "** Value redacted: Requires permission baremetal:volume:view_target_properties access.") == sees {
				t.Errorf("%s GET %s: %s", who, path, body)
			}
		}
	}
}
