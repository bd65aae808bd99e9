package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"trefoil/ironic"
)

// hint is what an error body says besides Ironic's own sentence.
func (a answer) hint() string {
	var outer struct {
		ErrorMessage string `json:"error_message"`
	}
	var inner struct{ Hint string }
	if json.Unmarshal([]byte(a.body), &outer) != nil || json.Unmarshal([]byte(outer.ErrorMessage), &inner) != nil {
		return "no error body: " + a.body
	}
	return inner.Hint
}

// Ironic's sentences are parsed by clients and stay; the hint says which version it takes.
func TestTooOldARequestIsToldWhichVersionItNeeds(t *testing.T) {
	r := newRig(t)
	r.add(ironic.Node{Name: "n"})
	const plain = "Request not acceptable."
	for _, c := range []struct {
		method, path, version, body string
		status                      int
		fault, hint                 string
	}{
		{"GET", "/v1/nodes?fields=uuid,shard", "1.78", "", 406, plain,
			"the field shard needs API version 1.82, and the request is one of 1.78: send X-OpenStack-Ironic-API-Version: 1.82, or a newer one up to 1.110"},
		{"GET", "/v1/nodes?sort_key=owner", "1.49", "", 406, plain, "the sort_key owner needs API version 1.50"},
		{"GET", "/v1/nodes?shard=a", "", "", 406, plain, "the filter shard needs API version 1.82, and the request is one of 1.1:"},
		{"GET", "/v1/nodes?fields=uuid", "1.7", "", 406, plain, "the parameter fields needs API version 1.8,"},
		{"POST", "/v1/nodes", "1.49", `{"driver":"fake-hardware","owner":"me"}`, 406, plain, "the field owner needs API version 1.50"},
		{"PATCH", "/v1/nodes/n", "1.49", `[{"op":"add","path":"/owner","value":"me"}]`, 406, plain, "the field owner needs API version 1.50"},
		{"PUT", "/v1/nodes/n/states/provision", "1.3", `{"target":"manage"}`, 406, plain, "the target manage in this state needs API version 1.4"},
		{"PUT", "/v1/nodes/n/states/provision", "1.68", `{"target":"active","deploy_steps":[]}`, 406, plain, "the field deploy_steps needs API version 1.69"},
		{"PUT", "/v1/nodes/n/states/power", "1.26", `{"target":"soft power off"}`, 406, plain, "the power target soft power off needs API version 1.27"},
		{"GET", "/v1/shards", "1.81", "", 404, "", "this path needs API version 1.82, and the request is one of 1.81"},
		{"GET", "/v1/nodes/n/vmedia", "1.92", "", 404, "", "listing virtual media needs API version 1.93"},
		{"PATCH", "/v1/allocations/x", "1.56", "[]", 405, "", "PATCH of an allocation needs API version 1.57"},
		{"GET", "/v1/nodes", "1.999", "", 406, "Version 1.999 was requested but the minor version is not supported by this service. The supported version range is: [1.1, 1.110].", ""},
		{"GET", "/v1/nodes", "1.0", "", 406, "Version 1.0 was requested but the minor version is not supported by this service. The supported version range is: [1.1, 1.110].", ""},
		{"GET", "/v1/nodes", "2.1", "", 406, "Mutually exclusive versions requested. Version 2.1 requested but not supported by this service. The supported version range is: [1.1, 1.110].", ""},
		{"GET", "/v1/nodes", "new", "", 406, "Invalid value for X-OpenStack-Ironic-API-Version header", "expected latest, or a version from 1.1 to 1.110"},
	} {
		a := r.do(c.method, c.path, c.version, c.body)
		if a.status != c.status || a.fault() != c.fault || !strings.HasPrefix(a.hint(), c.hint) || c.hint == "" && a.hint() != "" {
			t.Errorf("%s %s of %s: %d %s", c.method, c.path, c.version, a.status, a.body)
		}
	}
}

func TestWrongNamesAreToldWhatThereIs(t *testing.T) {
	r := newRig(t)
	r.add(ironic.Node{Name: "n"})
	const unexpected = "Additional properties are not allowed"
	for _, c := range []struct{ method, path, body, fault, hint string }{
		{"GET", "/v1/nodes?sort_key=nmae", "", `The sort_key value "nmae" is an invalid field for sorting`, `did you mean "name"?`},
		{"GET", "/v1/nodes?sort_key=bogus", "", `The sort_key value "bogus" is an invalid field for sorting`, "expected one of uuid, "},
		{"GET", "/v1/nodes?provision_state=activ", "", `Provision state "activ" is not valid`, `did you mean "active"?`},
		{"GET", "/v1/nodes?onwer=x", "", "Unexpected arguments: onwer", `did you mean "owner"?`},
		{"GET", "/v1/ports?nodes=x", "", "Unexpected arguments: nodes", "node"},
		{"GET", "/v1/chassis?name=x", "", "Unexpected arguments: name", "expected one of limit, marker, sort_key"},
		{"GET", "/v1/allocations?class=x", "", "Unexpected arguments: class", "resource_class, state, node, owner"},
		{"GET", "/v1/volume/targets?nod=x", "", "Unexpected arguments: nod", `did you mean "node"?`},
		{"GET", "/v1/drivers/fake-hardware?fields=nam", "", `Field(s) "nam" are not valid.`, `did you mean "name"?`},
		{"GET", "/v1/nodes/n/firmware?fields=version", "", `Field(s) "version" are not valid.`, "expected one of component, initial_version"},
		{"POST", "/v1/nodes", `{"driver":"fake-hardware","propertys":{}}`, unexpected, `did you mean "properties"?`},
		{"PUT", "/v1/nodes/n/states/provision", `{"target":"dance"}`, `The requested action "dance" can not be performed`, "expected one of manage"},
		{"PUT", "/v1/nodes/n/states/provision", `{"target":"manage","reason":1}`, unexpected, "expected one of clean_steps, configdrive"},
		{"PUT", "/v1/nodes/n/states/power", `{"target":"power of"}`, `The requested action "power of" can not be performed`, `expected one of power off, power on, rebooting, soft power off, soft rebooting; did you mean "power off"?`},
		{"PUT", "/v1/nodes/n/states/raid", `{"logical_disk":[]}`, unexpected, `did you mean "logical_disks"?`},
		{"PUT", "/v1/nodes/n/states/raid", `{"logical_disks":[{"raid_levl":"1"}]}`, unexpected, `did you mean "raid_level"?`},
		{"PUT", "/v1/nodes/n/traits", `{"traits":["bad"]}`, "Schema error for body: 'bad' is not valid under any of the given schemas. Possible root cause: 'bad' does not match '^CUSTOM_[A-Z0-9_]+$'", "a trait is one of CUSTOM_, COMPUTE_, HW_, MISC_, OWNER_, STORAGE_ and then A-Z, 0-9 and _"},
		{"PUT", "/v1/nodes/n/traits", `{"traits":[5]}`, "Schema error for body: 5 is not of type 'string' (field traits)", ""},
		{"PUT", "/v1/nodes/n/traits", `{}`, "or all node traits may be replaced via PUT /v1/nodes/<node identifier>/traits", ""},
		{"PUT", "/v1/nodes/n/traits", `{"traits":null}`, "Schema error for body: null is not of type 'array' (field traits)", ""},
		{"POST", "/v1/allocations", `{"resource_class":"a","trait":["HW_X"]}`, unexpected, `traits, candidate_nodes, node; did you mean "traits"?`},
		{"PUT", "/v1/nodes/n/states/raid", `{"logical_disks":[{"raid_level":"7","size_gb":1}]}`, "Schema error for raid: '7' is not one of ['JBOD', '0', '1', '2', '5', '6', '1+0', '5+0', '6+0']", "logical_disks[0]: raid_level"},
		{"PUT", "/v1/nodes/n/states/raid", `{"logical_disks":[{"raid_level":5,"size_gb":1}]}`, "Schema error for raid: 5 is not of type 'string' (field raid_level)", "logical_disks[0]: raid_level is a text, one of ['JBOD', '0',"},
		{"PUT", "/v1/nodes/n/states/raid", `{"logical_disks":[{"raid_level":"5","size_gb":1},{"size_gb":1}]}`, "Schema error for raid: 'raid_level' is a required property", "see logical_disks[1]"},
		{"PUT", "/v1/nodes/n/states/raid", `{"logical_disks":[{"raid_level":"5"}]}`, "Schema error for raid: 'size_gb' is a required property", ""},
		{"PUT", "/v1/nodes/n/states/raid", `{"logical_disks":["x"]}`, "is not of type 'object'", ""},
		{"PUT", "/v1/nodes/n/states/provision", `{"target":"active"}`, `The requested action "active" can not be performed on node`, "expected one of manage"},
		{"PUT", "/v1/nodes/n/states/power", `{"target":"power on","timeout":-1}`, "Schema error for body: -1 is less than the minimum of 1 (field timeout)", ""},
		{"PUT", "/v1/nodes/n/states/power", `{"target":"soft power off","timeout":86401}`, "Schema error for body: 86401 is greater than the maximum of 86400 (field timeout)", "a day at most"},
		{"GET", "/v1/nodes?instance_uuid=zz", "", "Expected UUID for instance_uuid: zz", ""},
		{"POST", "/v1/nodes", `{"driver":"fake-hardware","resource_class":"` + strings.Repeat("x", 81) + `"}`, "Schema error for node: resource_class is longer than 80 characters", ""},
		{"POST", "/v1/nodes", `{"driver":"fake-hardware","description":"` + strings.Repeat("x", 4097) + `"}`, "Schema error for node: description is longer than 4096 characters", ""},
		{"PATCH", "/v1/nodes/n", `[{"op":"add","path":"/resource_class","value":"` + strings.Repeat("x", 81) + `"}]`, "resource_class is longer than 80 characters", ""},
		{"PATCH", "/v1/nodes/n", `[{"op":"add","path":"/description","value":"` + strings.Repeat("x", 4097) + `"}]`, "Cannot update node with description exceeding 4096 characters", ""},
	} {
		a := r.do(c.method, c.path, "1.110", c.body)
		if a.status != http.StatusBadRequest || !strings.Contains(a.fault(), c.fault) || !strings.Contains(a.hint(), c.hint) {
			t.Errorf("%s %s %s: %d %s", c.method, c.path, c.body, a.status, a.body)
		}
	}
}
