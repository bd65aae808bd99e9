package plan_test

import (
	"slices"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/overcloud/plan"
)

// cached is memcached's template with something more in its role_data.
func cached(more string) map[string]string {
	return map[string]string{"deployment/memcached/memcached.yaml": service + "      service_name: memcached\n      needs: []\n" + more}
}

// haproxyOf is HAProxy's configuration on the first of three controllers.
func haproxyOf(t *testing.T, files map[string]string) string {
	t.Helper()
	o, nodes := controllers(t, 3)
	p, err := plan.Build(t.Context(), overlay(t, files), o)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := p.Configure(nodes)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range cfg["overcloud-controller-0"][0].Resources {
		if r.File != nil && r.File.Path == "/etc/haproxy/haproxy.cfg" {
			return r.File.Content
		}
	}
	t.Fatal("no haproxy.cfg")
	return ""
}

// TestAServiceOfOnesOwnIsBehindTheAddress: its template says so, and HAProxy's need not be touched.
func TestAServiceOfOnesOwnIsBehindTheAddress(t *testing.T) {
	got := haproxyOf(t, cached("      haproxy: {port: 11211, timeout: 5m}\n      step_config: {step_1: [{file: {path: /etc/where, content: '%{memcached_vip} %{rabbitmq_vip} %{mysql_vip}'}}]}\n"))
	want := "listen memcached\n  bind 192.168.24.5:11211\n  option tcplog\n  balance source\n  timeout client 5m\n  timeout server 5m\n  server overcloud-controller-0 192.168.255.15:11211 check\n  server overcloud-controller-1"
	address, _, _ := strings.Cut(strings.SplitAfterN(got, "listen stats\n  bind ", 2)[1], ":")
	if want = strings.Replace(want, "192.168.24.5", address, 1); !strings.Contains(got, want) {
		t.Errorf("HAProxy is told\n%s", got)
	}
	if without := haproxyOf(t, nil); strings.Contains(without, "listen memcached") || !strings.Contains(without, "option httpchk GET /v3/") {
		t.Errorf("as it is:\n%s", without)
	}
}

// TestImagesOnADiskAreAskedForAtOneMachine: the others have not got them, and answer 404.
func TestImagesOnADiskAreAskedForAtOneMachine(t *testing.T) {
	for storage, want := range map[int]int{0: 2, 1: 0} {
		o, nodes := controllers(t, 3)
		o.Counts["CephStorage"] = storage
		if storage == 0 {
			nodes = slices.DeleteFunc(nodes, func(n plan.Node) bool { return n.Role == "CephStorage" })
		}
		text := fileOf(t, o, nodes, "overcloud-controller-1", "/etc/haproxy/haproxy.cfg")
		_, rest, _ := strings.Cut(text, "listen glance_api\n")
		section, _, _ := strings.Cut(rest, "listen ")
		if got := strings.Count(section, " check backup\n"); got != want || strings.Count(section, "  server ") != 3 {
			t.Errorf("%d machines for storage: %d of the others wait:\n%s", storage, got, section)
		}
	}
}

// TestServiceIsAskedWhereItAnswers: at the virtual address only what HAProxy knows of.
func TestServiceIsAskedWhereItAnswers(t *testing.T) {
	o, nodes := controllers(t, 3)
	p, err := plan.Build(t.Context(), overlay(t, cached("      step_config: {step_1: [{file: {path: /etc/where, content: '%{keystone_vip} %{mysql_vip} %{rabbitmq_vip} %{memcached_vip}'}}]}\n")), o)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := p.Configure(nodes)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range cfg["overcloud-controller-2"][0].Resources {
		if r.File != nil && r.File.Path == "/etc/where" {
			if v := p.VirtualAddress(); r.File.Content != v+" "+v+" 192.168.255.15 192.168.255.15" {
				t.Errorf("asked at %s", r.File.Content)
			}
			return
		}
	}
	t.Error("no file")
}

func TestFrontendThatCannotBeIsNamed(t *testing.T) {
	for text, want := range map[string]string{
		"{port: 0}":               "port must be a number from 1 to 65535",
		"{path: /}":               "port must be a number from 1 to 65535",
		"{port: many}":            "haproxy must be a map of port",
		"{port: 80, pth: /}":      "unknown field",
		"{port: 81, path: 'x y'}": "path must begin with /",
		"{port: 5000}":            "services keystone and memcached both want port 5000",
		"[5000]":                  "haproxy must be a map of port",
	} {
		o, _ := controllers(t, 3)
		if _, err := plan.Build(t.Context(), overlay(t, cached("      haproxy: "+text+"\n")), o); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
