package api_test

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"trefoil/ironic"
)

const (
	connectorsURL = "/v1/volume/connectors"
	targetsURL    = "/v1/volume/targets"
)

// volumeRig has the nodes a, which is off, and b, which is on.
func volumeRig(t *testing.T) (r *rig, a, b *ironic.Node) {
	t.Helper()
	r = newRig(t)
	return r, r.add(ironic.Node{Name: "a", ProvisionState: "available", PowerState: ironic.PowerOff}),
		r.add(ironic.Node{Name: "b", ProvisionState: "active", PowerState: ironic.PowerOn})
}

func connectorBody(n *ironic.Node, id, more string) string {
	return `{"node_uuid":"` + n.UUID + `","type":"iqn","connector_id":"` + id + `"` + more + `}`
}

func targetBody(n *ironic.Node, index int, more string) string {
	return `{"node_uuid":"` + n.UUID + `","volume_type":"iscsi","volume_id":"vol-1","boot_index":` + strconv.Itoa(index) + more + `}`
}

// postVolume stores a row and gives its uuid.
func (r *rig) postVolume(url, body string) string {
	r.Helper()
	a := r.do("POST", url, "1.32", body)
	a.want(r.T, 201, "")
	id := a.object(r.T)["uuid"].(string)
	if got := a.header.Get("Location"); got != r.url+url+"/"+id {
		r.Errorf("Location %s", got)
	}
	return id
}

// volumeUUIDs are those of a list, in its order.
func (r *rig) volumeUUIDs(path, member string) []string {
	r.Helper()
	a := r.do("GET", path, "1.78", "")
	a.want(r.T, 200, "")
	out := []string{}
	for _, item := range a.object(r.T)[member].([]any) {
		out = append(out, item.(map[string]any)["uuid"].(string))
	}
	return out
}

func TestVolumeConnectorLife(t *testing.T) {
	r, a, b := volumeRig(t)
	id := r.postVolume(connectorsURL, connectorBody(a, "iqn.2026-11.org:a", `,"extra":{"rack":"1"}`))
	got := r.do("GET", connectorsURL+"/"+id, "1.32", "").object(t)
	want := []string{"connector_id", "created_at", "extra", "links", "node_uuid", "type", "updated_at", "uuid"}
	if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, want) {
		t.Errorf("fields %v, want %v", names, want)
	}
	self := got["links"].([]any)[0].(map[string]any)["href"]
	if got["type"] != "iqn" || got["node_uuid"] != a.UUID || got["updated_at"] != nil || self != r.url+connectorsURL+"/"+id {
		t.Errorf("connector %v", got)
	}
	if got := r.do("GET", connectorsURL+"/"+id+"?fields=type", "1.32", "").object(t); len(got) != 2 || got["type"] != "iqn" {
		t.Errorf("with fields=type: %v", got)
	}
	patched := r.do("PATCH", connectorsURL+"/"+id, "1.32", `[{"op":"replace","path":"/type","value":"ip"},
		{"op":"replace","path":"/connector_id","value":"192.0.2.7"},{"op":"remove","path":"/extra/rack"},{"op":"add","path":"/extra/row","value":3}]`)
	patched.want(t, 200, "")
	got = patched.object(t)
	if extra := got["extra"].(map[string]any); got["type"] != "ip" || got["connector_id"] != "192.0.2.7" || len(extra) != 1 || extra["row"] != 3.0 || got["updated_at"] == nil {
		t.Errorf("patched %v", got)
	}
	other := r.postVolume(connectorsURL, connectorBody(b, "iqn.b", `,"uuid":"182740B8-C4B2-4952-B3F0-C423AF88A5BC"`))
	if other != "182740b8-c4b2-4952-b3f0-c423af88a5bc" {
		t.Errorf("uuid %s", other)
	}
	r.do("DELETE", connectorsURL+"/"+id, "1.32", "").want(t, 204, "")
	r.do("GET", connectorsURL+"/"+id, "1.32", "").want(t, 404, "Volume connector "+id+" could not be found.")
	r.do("DELETE", connectorsURL+"/"+id, "1.32", "").want(t, 404, "Volume connector "+id)
	r.do("PATCH", connectorsURL+"/"+id, "1.32", `[]`).want(t, 404, "Volume connector "+id)
}

func TestVolumeTargetLife(t *testing.T) {
	r, a, _ := volumeRig(t)
	id := r.postVolume(targetsURL, targetBody(a, 0, `,"properties":{"target_iqn":"iqn.x","target_lun":1}`))
	got := r.do("GET", targetsURL+"/"+id, "1.32", "").object(t)
	want := []string{"boot_index", "created_at", "extra", "links", "node_uuid", "properties", "updated_at", "uuid", "volume_id", "volume_type"}
	if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, want) {
		t.Errorf("fields %v, want %v", names, want)
	}
	if p := got["properties"].(map[string]any); got["boot_index"] != 0.0 || got["volume_id"] != "vol-1" || p["target_lun"] != 1.0 {
		t.Errorf("target %v", got)
	}
	patched := r.do("PATCH", targetsURL+"/"+id, "1.32", `[{"op":"add","path":"/boot_index","value":2},
		{"op":"add","path":"/properties/target_lun","value":3},{"op":"remove","path":"/properties/target_iqn"}]`)
	patched.want(t, 200, "")
	got = patched.object(t)
	if p := got["properties"].(map[string]any); got["boot_index"] != 2.0 || len(p) != 1 || p["target_lun"] != 3.0 {
		t.Errorf("patched %v", got)
	}
	r.do("DELETE", targetsURL+"/"+id, "1.32", "").want(t, 204, "")
	r.do("GET", targetsURL+"/"+id, "1.32", "").want(t, 404, "Volume target "+id+" could not be found.")
}

func TestVolumeLists(t *testing.T) {
	r, a, b := volumeRig(t)
	var ids []string
	for i := range 3 {
		ids = append(ids, r.postVolume(targetsURL, targetBody(a, 10-i, "")))
	}
	ids = append(ids, r.postVolume(targetsURL, targetBody(b, 9, "")))
	connector := r.postVolume(connectorsURL, connectorBody(b, "iqn.b", ""))
	for path, want := range map[string][]string{
		targetsURL:                          ids,
		targetsURL + "?sort_key=boot_index": {ids[2], ids[1], ids[3], ids[0]},
		targetsURL + "?sort_key=boot_index&sort_dir=desc":     {ids[0], ids[3], ids[1], ids[2]},
		targetsURL + "?node=a":                                ids[:3],
		targetsURL + "?node=" + b.UUID:                        ids[3:],
		targetsURL + "?limit=2&marker=" + ids[0]:              ids[1:3],
		targetsURL + "?fields=uuid,volume_id":                 ids,
		"/v1/nodes/a/volume/targets":                          ids[:3],
		"/v1/nodes/" + b.UUID + "/volume/targets?detail=True": ids[3:],
		"/v1/nodes/a/volume/targets?node=b":                   ids[:3],
	} {
		if got := r.volumeUUIDs(path, "targets"); !slices.Equal(got, want) {
			t.Errorf("%s gives %v, want %v", path, got, want)
		}
	}
	for path, want := range map[string]int{connectorsURL: 1, "/v1/nodes/a/volume/connectors": 0, "/v1/nodes/b/volume/connectors": 1} {
		if got := r.volumeUUIDs(path, "connectors"); len(got) != want || want > 0 && got[0] != connector {
			t.Errorf("%s gives %v", path, got)
		}
	}
	for path, want := range map[string]string{
		targetsURL:                        "boot_index links node_uuid uuid volume_id volume_type",
		targetsURL + "?detail=True":       "boot_index created_at extra links node_uuid properties updated_at uuid volume_id volume_type",
		targetsURL + "?fields=boot_index": "boot_index links",
		connectorsURL:                     "connector_id links node_uuid type uuid",
		connectorsURL + "?detail=True":    "connector_id created_at extra links node_uuid type updated_at uuid",
	} {
		member := "targets"
		if strings.HasPrefix(path, connectorsURL) {
			member = "connectors"
		}
		// Ironic has had ?detail here since there are volumes, not from 1.43 on.
		first := r.do("GET", path, "1.32", "").object(t)[member].([]any)[0].(map[string]any)
		if got := strings.Join(slices.Sorted(maps.Keys(first)), " "); got != want {
			t.Errorf("%s has %s, want %s", path, got, want)
		}
	}
	for path, next := range map[string]string{
		targetsURL + "?limit=2&node=a&detail=True":       targetsURL + "?sort_key=id&sort_dir=asc&node=a&detail=True&limit=2&marker=" + ids[1],
		"/v1/nodes/a/volume/targets?limit=1&fields=uuid": "/v1/nodes/" + a.UUID + "/volume/targets?sort_key=id&sort_dir=asc&fields=uuid&limit=1&marker=" + ids[0],
	} {
		if got := r.do("GET", path, "1.78", "").object(t)["next"]; got != r.url+next {
			t.Errorf("%s goes on at %v, want %s", path, got, next)
		}
	}
}

func TestVolumeLinks(t *testing.T) {
	r, a, _ := volumeRig(t)
	first := func(links any) any { return links.([]any)[0].(map[string]any)["href"] }
	for path, base := range map[string]string{"/v1/volume": "/v1/volume/", "/v1/nodes/a/volume": "/v1/nodes/" + a.UUID + "/volume/"} {
		got := r.do("GET", path, "1.32", "").object(t)
		if first(got["links"]) != r.url+base || first(got["connectors"]) != r.url+base+"connectors" || first(got["targets"]) != r.url+base+"targets" {
			t.Errorf("%s gives %v", path, got)
		}
		r.do("GET", path, "1.31", "").want(t, 404, "")
	}
	if got := r.do("GET", "/v1/nodes/a", "1.32", "").object(t)["volume"]; first(got) != r.url+"/v1/nodes/"+a.UUID+"/volume" {
		t.Errorf("the node points at %v", got)
	}
	if got, has := r.do("GET", "/v1/nodes/a", "1.31", "").object(t)["volume"]; has {
		t.Errorf("at 1.31 the node points at %v", got)
	}
	for version, want := range map[string]bool{"1.31": false, "1.32": true} {
		if _, has := r.do("GET", "/v1", version, "").object(t)["volume"]; has != want {
			t.Errorf("volume among the collections at %s: %t", version, has)
		}
	}
}

// volumeRefusal is a request that is answered with status and, in the sentence, fault.
type volumeRefusal struct {
	method, path, version, body string
	status                      int
	fault                       string
}

func (r *rig) refuseVolumes(list []volumeRefusal) {
	r.Helper()
	for _, tc := range list {
		got := r.do(tc.method, tc.path, tc.version, tc.body)
		if got.status != tc.status || !strings.Contains(got.fault(), tc.fault) {
			r.Errorf("%s %s %s: %d %q, want %d with %q", tc.method, tc.path, tc.body, got.status, got.fault(), tc.status, tc.fault)
		}
	}
}

const volumeNobody = "182740b8-c4b2-4952-b3f0-c423af88a5bc"

func TestVolumesThatAreNotStored(t *testing.T) {
	r, a, _ := volumeRig(t)
	connector := r.postVolume(connectorsURL, connectorBody(a, "iqn.a", ""))
	r.postVolume(targetsURL, targetBody(a, 0, ""))
	iscsi := func(index string) string {
		return `{"node_uuid":"` + a.UUID + `","volume_type":"iscsi","volume_id":"v"` + index + `}`
	}
	r.refuseVolumes([]volumeRefusal{
		{"POST", targetsURL, "1.31", targetBody(a, 3, ""), 404, ""},
		{"POST", connectorsURL, "1.32", connectorBody(a, "iqn.a", ""), 409, "A volume connector with type iqn and connector ID iqn.a already exists."},
		{"POST", connectorsURL, "1.32", connectorBody(a, "iqn.b", `,"uuid":"`+connector+`"`), 409, "A volume connector with UUID " + connector + " already exists."},
		{"POST", targetsURL, "1.32", targetBody(a, 0, ""), 409, "A volume target with boot index '0' for the same node already exists."},
		{"POST", connectorsURL, "1.32", connectorBody(&ironic.Node{UUID: volumeNobody}, "x", ""), 400, "Node " + volumeNobody + " could not be found."},
		{"POST", connectorsURL, "1.32", `{"node_uuid":"a","type":"ip","connector_id":"x"}`, 400, "Expected a UUID for node_uuid"},
		{"POST", connectorsURL, "1.32", `{"node_uuid":"` + a.UUID + `","type":"ip"}`, 400, "'connector_id' is a required property"},
		{"POST", connectorsURL, "1.32", `{"node_uuid":"` + a.UUID + `","type":null,"connector_id":"x"}`, 400, "'type' is a required property"},
		{"POST", connectorsURL, "1.32", connectorBody(a, strings.Repeat("x", 256), ""), 400, "longer than 255"},
		{"POST", connectorsURL, "1.32", connectorBody(a, "x", `,"properties":{}`), 400, "'properties' was unexpected"},
		{"POST", connectorsURL, "1.32", `{"type":"ip","connector_id":"x"}`, 400, "'node_uuid' is a required property"},
		{"POST", targetsURL, "1.32", iscsi(``), 400, "'boot_index' is a required property"},
		{"POST", targetsURL, "1.32", iscsi(`,"boot_index":"0"`), 400, "not of type 'integer'"},
		{"POST", targetsURL, "1.32", iscsi(`,"boot_index":1.5`), 400, "not of type 'integer'"},
		{"POST", targetsURL, "1.32", iscsi(`,"boot_index":null`), 400, "not of type 'integer'"},
		{"POST", targetsURL, "1.32", iscsi(`,"boot_index":true`), 400, "not of type 'integer'"},
		{"POST", targetsURL, "1.32", iscsi(`,"boot_index":1e12`), 400, "not of type 'integer'"},
		{"POST", targetsURL, "1.32", targetBody(a, 3, `,"properties":"x"`), 400, "not of type 'object'"},
	})
	if left := len(r.volumeUUIDs(targetsURL, "targets")) + len(r.volumeUUIDs(connectorsURL, "connectors")); left != 2 {
		t.Errorf("%d rows after refusals, want 2", left)
	}
}

func TestVolumesThatAreNotChanged(t *testing.T) {
	r, a, _ := volumeRig(t)
	oneConnector := connectorsURL + "/" + r.postVolume(connectorsURL, connectorBody(a, "iqn.a", ""))
	oneTarget := targetsURL + "/" + r.postVolume(targetsURL, targetBody(a, 0, ""))
	r.postVolume(targetsURL, targetBody(a, 1, ""))
	r.refuseVolumes([]volumeRefusal{
		{"PATCH", oneTarget, "1.32", `[{"op":"replace","path":"/boot_index","value":1}]`, 409, "boot index '1'"},
		{"PATCH", oneTarget, "1.32", `[{"op":"remove","path":"/boot_index"}]`, 400, "not of type 'integer'"},
		{"PATCH", oneTarget, "1.32", `[{"op":"remove","path":"/volume_id"}]`, 400, "'volume_id' is a required property"},
		{"PATCH", oneConnector, "1.32", `[{"op":"replace","path":"/uuid","value":"x"}]`, 400, "Only the following can be updated: connector_id, extra, node_uuid, type"},
		{"PATCH", oneConnector, "1.32", `[{"op":"remove","path":"/node_uuid"}]`, 400, "'node_uuid' is a required property"},
		{"PATCH", oneConnector, "1.32", `[{"op":"replace","path":"/node_uuid","value":"` + volumeNobody + `"}]`, 400, "Node " + volumeNobody},
		{"PATCH", oneConnector, "1.32", `[{"op":"remove","path":"/extra/none"}]`, 400, "Couldn't apply patch"},
	})
	for _, path := range []string{oneConnector, oneTarget} {
		if got := r.do("GET", path, "1.32", "").object(t)["updated_at"]; got != nil {
			t.Errorf("%s changed at %v", path, got)
		}
	}
}

func TestVolumeRequestsThatAreRefused(t *testing.T) {
	r, a, _ := volumeRig(t)
	connector := r.postVolume(connectorsURL, connectorBody(a, "iqn.a", ""))
	target := r.postVolume(targetsURL, targetBody(a, 0, ""))
	r.refuseVolumes([]volumeRefusal{
		{"GET", connectorsURL, "1.31", "", 404, ""},
		{"GET", "/v1/nodes/a/volume/targets", "1.31", "", 404, ""},
		{"GET", connectorsURL + "/iqn.a", "1.32", "", 400, "Expected a UUID but received iqn.a."},
		{"GET", targetsURL + "/" + connector, "1.32", "", 404, "Volume target " + connector},
		{"DELETE", targetsURL, "1.32", "", 400, "Missing mandatory parameter: target_uuid"},
		{"PATCH", connectorsURL, "1.32", "[]", 400, "Missing mandatory parameter: connector_uuid"},
		{"GET", targetsURL + "?node=nobody", "1.32", "", 404, "Node nobody could not be found."},
		{"GET", "/v1/nodes/nobody/volume", "1.32", "", 404, "Node nobody"},
		{"GET", "/v1/nodes/nobody/volume/targets", "1.32", "", 404, "Node nobody"},
		{"GET", targetsURL + "?volume_type=iscsi", "1.32", "", 400, "Unexpected arguments: volume_type"},
		{"GET", targetsURL + "?sort_key=properties", "1.32", "", 400, "sorting"},
		{"GET", targetsURL + "?marker=" + volumeNobody, "1.32", "", 404, "marker"},
		{"GET", targetsURL + "?limit=0", "1.32", "", 400, "Limit must be positive"},
		{"GET", targetsURL + "?detail=True&fields=uuid", "1.32", "", 400, "'detail'"},
		{"GET", connectorsURL + "?fields=volume_id", "1.32", "", 400, "volume_id"},
		{"POST", "/v1/nodes/a/volume/connectors", "1.32", connectorBody(a, "z", ""), 400, "Malformed request URI."},
		{"GET", "/v1/nodes/a/volume/targets/" + target, "1.32", "", 400, "Malformed request URI."},
		{"DELETE", "/v1/nodes/a/volume/targets/" + target, "1.32", "", 400, "Malformed request URI."},
		{"PUT", targetsURL + "/" + target, "1.32", "{}", 405, ""},
	})
	if left := len(r.volumeUUIDs(targetsURL, "targets")) + len(r.volumeUUIDs(connectorsURL, "connectors")); left != 2 {
		t.Errorf("%d rows after refusals, want 2", left)
	}
}

func TestVolumesOfAMachineThatRunsStay(t *testing.T) {
	r, a, b := volumeRig(t)
	enrolled := r.add(ironic.Node{Name: "new", ProvisionState: "enroll", PowerState: ironic.PowerOn})
	locked := r.add(ironic.Node{Name: "held", ProvisionState: "available", PowerState: ironic.PowerOff})
	for noun, url := range map[string]string{"connector": connectorsURL, "target": targetsURL} {
		post := func(n *ironic.Node) string {
			if noun == "connector" {
				return url + "/" + r.postVolume(url, connectorBody(n, "iqn."+n.Name, ""))
			}
			return url + "/" + r.postVolume(url, targetBody(n, 0, ""))
		}
		extra := func(path string) answer {
			return r.do("PATCH", path, "1.32", `[{"op":"add","path":"/extra/a","value":1}]`)
		}
		running := post(b)
		extra(running).want(t, 400, `"volume `+noun+` update" can not be performed on node "`+b.UUID+`" while it is in state "power on"`)
		r.do("DELETE", running, "1.32", "").want(t, 400, `"volume `+noun+` deletion" can not be performed`)

		fresh := post(enrolled) // which may be deleted with all that it has
		extra(fresh).want(t, 400, `in state "power on"`)
		r.do("DELETE", fresh, "1.32", "").want(t, 204, "")

		off := post(a)
		move := func(to *ironic.Node) answer {
			return r.do("PATCH", off, "1.32", `[{"op":"replace","path":"/node_uuid","value":"`+to.UUID+`"}]`)
		}
		move(b).want(t, 400, `in state "power on"`)
		move(enrolled).want(t, 400, `in state "power on"`)
		move(locked).want(t, 200, "")

		if _, err := r.store.Reserve(t.Context(), locked.UUID, "host-1", "work"); err != nil {
			t.Fatal(err)
		}
		extra(off).want(t, 409, "Node "+locked.UUID+" is locked by host host-1 (work, held for ")
		r.do("DELETE", off, "1.32", "").want(t, 409, "is locked by host host-1 (work, held for ")
		if err := r.store.Release(t.Context(), locked.UUID, "host-1"); err != nil {
			t.Fatal(err)
		}
		extra(off).want(t, 200, "")
		r.do("DELETE", off, "1.32", "").want(t, 204, "")
	}
}

func TestSecretsOfATargetAreKeptAndNotShown(t *testing.T) {
	r, a, _ := volumeRig(t)
	created := r.do("POST", targetsURL, "1.32", targetBody(a, 0, `,"properties":{"auth_username":"me","auth_password":"hunter2","inner":{"secret":"hunter2"}}`))
	created.want(t, 201, "")
	id := created.object(t)["uuid"].(string)
	one := targetsURL + "/" + id
	answers := map[string]answer{"POST": created, "GET": r.do("GET", one, "1.32", ""), "list": r.do("GET", targetsURL+"?detail=True", "1.43", ""),
		"fields": r.do("GET", targetsURL+"?fields=properties", "1.43", ""),
		"PATCH":  r.do("PATCH", one, "1.32", `[{"op":"add","path":"/properties/target_lun","value":1}]`),
		// what was shown comes back, and something else that is wrong
		"refusal": r.do("PATCH", one, "1.32", `[{"op":"add","path":"/properties/auth_password","value":"hunter2"},{"op":"remove","path":"/properties/none"}]`),
		"bad":     r.do("PATCH", one, "1.32", `[{"op":"add","path":"/properties/a/b","value":{"auth_password":"hunter2"}}]`)}
	for what, got := range answers {
		if strings.Contains(got.body, "hunter2") {
			t.Errorf("%s shows the password: %s", what, got.body)
		}
	}
	if got := r.do("GET", one, "1.32", "").object(t)["properties"].(map[string]any); got["auth_password"] != "******" || got["auth_username"] != "me" {
		t.Errorf("properties %v", got)
	}
	r.do("PATCH", one, "1.32", `[{"op":"replace","path":"/properties","value":{"auth_password":"******","target_lun":2}}]`).want(t, 200, "")
	v, err := r.store.VolumeTargets().Get(t.Context(), id)
	if err != nil || v.Properties["auth_password"] != "hunter2" || v.Properties["target_lun"] != 2.0 || len(v.Properties) != 2 {
		t.Errorf("stored %v %v", v, err)
	}
	if strings.Contains(r.logged.String(), "hunter2") {
		t.Error("the log has the password")
	}
}

func TestVolumesGoWithTheirNode(t *testing.T) {
	r, a, _ := volumeRig(t)
	r.postVolume(connectorsURL, connectorBody(a, "iqn.a", ""))
	r.postVolume(targetsURL, targetBody(a, 0, ""))
	r.do("DELETE", "/v1/nodes/a", "1.32", "").want(t, 204, "")
	if left := len(r.volumeUUIDs(targetsURL, "targets")) + len(r.volumeUUIDs(connectorsURL, "connectors")); left != 0 {
		t.Errorf("%d rows of a node that is gone", left)
	}
}
