package apply

import (
	"fmt"
	"strings"
	"testing"

	"trefoil/overcloud/resource"
)

func dnsmasq() *resource.Probe {
	return &resource.Probe{Name: "dnsmasq of networks", SQL: "SELECT id, name FROM networks", PIDFile: "/var/lib/neutron/dhcp/*/pid", Program: "dnsmasq",
		Missing: "network * has no dnsmasq on controller-0"}
}

// An agent whose heartbeats are fine may have given up a network: what counts is the process.
func TestProbeTellsOfRowsWithoutTheirProgram(t *testing.T) {
	n := newNode(t)
	n.sys.look = "a1\tprivate\nb2\tweb of mary\nc3\t\nd4\tgone\ne5\todd\n../f6\tout\n"
	for key, pid := range map[string]string{"a1": "101\n", "b2": "102", "d4": "104\n", "e5": "many\n"} {
		n.put("var/lib/neutron/dhcp/"+key+"/pid", pid)
	}
	n.put("var/lib/neutron/f6/pid", "101\n")
	n.put("proc/101/comm", "dnsmasq\n")
	n.put("proc/102/comm", "haproxy\n") // the number is somebody else's now
	health := func() string {
		t.Helper()
		got, err := n.Health(t.Context(), []resource.Check{{Service: "neutron_dhcp", Probes: []resource.Probe{*dnsmasq()}}})
		if err != nil || len(got) != 1 || got[0].OK != (got[0].Detail == "") {
			t.Fatal(got, err)
		}
		return got[0].Detail
	}
	var want []string
	for _, row := range []string{"web of mary (b2)", "c3", "gone (d4)", "odd (e5)", "out (../f6)"} {
		want = append(want, "network "+row+" has no dnsmasq on controller-0")
	}
	if got := health(); got != strings.Join(want, "; ") {
		t.Errorf("got  %s\nwant %s", got, strings.Join(want, "; "))
	}
	if n.sys.sql[0] != dnsmasq().SQL || len(n.sys.ran) != 1 {
		t.Errorf("asked %q, ran %q", n.sys.sql, n.sys.ran)
	}
	n.sys.look = "a1\tprivate\n"
	if got := health(); got != "" {
		t.Errorf("all are served: %s", got)
	}
	n.sys.look = ""
	for i := range 14 {
		n.sys.look += fmt.Sprintf("n%d\t\n", i)
	}
	if got := health(); strings.Count(got, "has no dnsmasq") != 10 || !strings.HasSuffix(got, "; and 4 more") {
		t.Errorf("many: %s", got)
	}
}

// What a user of the cloud broke keeps no deployment.
func TestStepsPassOverProbes(t *testing.T) {
	n := newNode(t)
	n.sys.look = "a1\tprivate\n"
	n.must("unchanged probe:dnsmasq of networks\ndone", resource.Resource{Type: "probe", Probe: dnsmasq()})
	if len(n.sys.ran) != 0 {
		t.Errorf("a step ran %q", n.sys.ran)
	}
}
