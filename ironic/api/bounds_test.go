package api_test

import (
	"fmt"
	"strings"
	"testing"

	"trefoil/ironic"
)

// manyOperations is a patch of n operations that add members to extra.
func manyOperations(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,{"op":"add","path":"/extra/k%d","value":"%d"}`, i, i)
	}
	return "[" + strings.TrimPrefix(b.String(), ",") + "]"
}

func TestAPatchHasSoManyOperations(t *testing.T) {
	r := newRig(t)
	r.add(ironic.Node{Name: "n", Extra: map[string]any{"big": strings.Repeat("x", 1<<20)}})
	r.do("PATCH", "/v1/nodes/n", "1.82", manyOperations(1001)).want(t, 400, "it has 1001 operations; at most 1000 are taken")
	r.do("PATCH", "/v1/nodes/n", "1.82", manyOperations(1000)).want(t, 200, "")
	if got := r.node("n").Extra; len(got) != 1001 || got["k999"] != "999" {
		t.Errorf("%d members", len(got))
	}
}

// All operations are applied at once; which one cannot be is said all the same, and nothing is kept of the others.
func TestTheOperationThatFailsIsNamed(t *testing.T) {
	r := newRig(t)
	r.add(ironic.Node{Name: "n", Extra: map[string]any{"a": "b"}})
	for bad, want := range map[string]string{
		`{"op":"remove","path":"/extra/none"}`:                                  "can't remove a non-existent object 'none'",
		`{"op":"replace","path":"/extra/k900/x","value":1}`:                     "can't replace a non-existent object 'x'",
		`{"op":"add","path":"/extra/none/x/y","value":1}`:                       "Reason: the path does not exist",
		`{"op":"remove","path":"/extra/k0"},{"op":"remove","path":"/extra/k0"}`: "'path': '/extra/k0'}'. Reason: can't remove a non-existent object 'k0'",
	} {
		ops := manyOperations(400)
		body := strings.TrimSuffix(ops, "]") + "," + bad + "," + strings.TrimPrefix(ops, "[")
		r.do("PATCH", "/v1/nodes/n", "1.82", body).want(t, 400, want)
		if got := r.node("n").Extra; len(got) != 1 {
			t.Errorf("%s: %d members are kept", bad, len(got))
		}
	}
	long := r.do("PATCH", "/v1/nodes/n", "1.82", `[{"op":"replace","path":"/extra/none/x","value":"`+strings.Repeat("x", 1<<20)+`"}]`)
	if long.want(t, 400, "Couldn't apply patch"); len(long.body) > 10_000 {
		t.Errorf("the refusal has %d bytes", len(long.body))
	}
}

func TestWholeNumbersThatWouldChangeAreRefused(t *testing.T) {
	r := newRig(t)
	r.add(ironic.Node{Name: "n"})
	const digits = "12345678901234567890"
	for _, a := range []answer{
		r.do("PATCH", "/v1/nodes/n", "1.82", `[{"op":"add","path":"/driver_info/ipmi_password","value":`+digits+`}]`),
		r.do("PATCH", "/v1/nodes/n", "1.82", `[{"op":"add","path":"/extra/a","value":[-9007199254740993]}]`),
		r.do("POST", "/v1/nodes", "1.82", `{"driver":"fake-hardware","properties":{"a":`+digits+`}}`),
	} {
		a.want(t, 400, "would not be kept as it is")
		if strings.Contains(a.body, digits) || !strings.Contains(a.body, "in quotes") {
			t.Errorf("%s", a.body)
		}
	}
	r.do("PATCH", "/v1/nodes/n", "1.82", `[{"op":"add","path":"/driver_info/ipmi_password","value":"`+digits+`"},{"op":"add","path":"/extra/a","value":9007199254740992}]`).want(t, 200, "")
	if got := r.do("GET", "/v1/nodes/n", "1.82", ""); r.node("n").DriverInfo["ipmi_password"] != digits || !strings.Contains(got.body, `"a":9007199254740992`) {
		t.Errorf("%s", got.body)
	}
}

func TestListsAreAskedForSoMuch(t *testing.T) {
	r := newRig(t)
	r.add(ironic.Node{Name: "n", ResourceClass: "c"})
	names := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "f%d,", i)
		}
		return strings.TrimSuffix(b.String(), ",")
	}
	r.do("GET", "/v1/nodes?fields="+names(501), "1.82", "").want(t, 400, "has 501 names; at most 500 are taken")
	if a := r.do("GET", "/v1/nodes?fields="+names(500), "1.82", ""); a.status != 400 || len(a.body) > 10_000 {
		t.Errorf("%d, %d bytes", a.status, len(a.body))
	}
	candidates := `["` + strings.ReplaceAll(names(10_001), ",", `","`) + `"]`
	r.do("POST", "/v1/allocations", "1.82", `{"resource_class":"c","candidate_nodes":`+candidates+`}`).want(t, 400, "has 10001 candidate nodes; at most 10000 are taken")
	long := r.do("POST", "/v1/nodes", "1.82", `{"driver":"fake-hardware","`+strings.Repeat("driver", 500_000)+`":1}`)
	if long.want(t, 400, "was unexpected"); len(long.body) > 10_000 {
		t.Errorf("the refusal has %d bytes", len(long.body))
	}
}

func TestAnInstanceIsOneInWhateverCase(t *testing.T) {
	r := newRig(t)
	r.add(ironic.Node{Name: "a"})
	r.add(ironic.Node{Name: "b"})
	const id = "abcdefab-c4b2-4952-b3f0-c423af88a5bc"
	set := func(node, id string) answer {
		return r.do("PATCH", "/v1/nodes/"+node, "1.82", `[{"op":"add","path":"/instance_uuid","value":"`+id+`"}]`)
	}
	set("a", strings.ToUpper(id)).want(t, 200, "")
	set("b", id).want(t, 409, "")
	set("b", strings.ToUpper(id)).want(t, 409, "")
	if list := r.do("GET", "/v1/nodes?instance_uuid="+strings.ToUpper(id), "1.82", ""); r.node("a").InstanceUUID != id || !strings.Contains(list.body, id) {
		t.Errorf("%s, %s", r.node("a").InstanceUUID, list.body)
	}
}

func TestNamesAreNoPlacesOfPaths(t *testing.T) {
	r := newRig(t)
	for _, name := range []string{".", ".."} {
		if a := r.do("POST", "/v1/nodes", "1.82", `{"driver":"fake-hardware","name":"`+name+`"}`); a.status != 400 {
			t.Errorf("%s: %d", name, a.status)
		}
	}
	r.do("POST", "/v1/nodes", "1.82", `{"driver":"fake-hardware","name":"a..b"}`).want(t, 201, "")
}
