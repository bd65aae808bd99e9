package network_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/internal/golden"
	"trefoil/overcloud/network"
)

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestParseReadsBothForms(t *testing.T) {
	for _, name := range []string{"right", "old"} {
		nets, err := network.Parse(name+".yaml", read(t, name+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		out, err := json.MarshalIndent(nets, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		golden.Check(t, name+".json", string(out)+"\n")
	}
}

func TestParseTellsAllThatIsWrong(t *testing.T) {
	_, err := network.Parse("wrong.yaml", read(t, "wrong.yaml"))
	if !errs.Is(err, errs.Invalid) {
		t.Fatalf("got %v", err)
	}
	golden.Check(t, "wrong.txt", err.Error()+"\n")
	_, err = network.ParseVIPs("vips.yaml", read(t, "vips.yaml"))
	if !errs.Is(err, errs.Invalid) {
		t.Fatalf("got %v", err)
	}
	golden.Check(t, "vips.txt", err.Error()+"\n")
}

func TestEmptyFilesHaveNothing(t *testing.T) {
	for _, text := range []string{"", "# only a comment\n", "[]\n", "---\n"} {
		if nets, err := network.Parse("n", []byte(text)); err != nil || len(nets) != 0 {
			t.Errorf("%q: %v, %v", text, nets, err)
		}
		if vips, err := network.ParseVIPs("v", []byte(text)); err != nil || len(vips) != 0 {
			t.Errorf("%q: %v, %v", text, vips, err)
		}
	}
}

func TestVIPsAreHeldAgainstNetworks(t *testing.T) {
	nets, err := network.Parse("right.yaml", read(t, "right.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"- network: ctlplane":                                                           "",
		"- {network: internal_api, ip_address: 172.16.2.5}":                             "",
		"- {network: internal_api, ip_address: 'fd00:0:0:2000::99'}":                    "",
		"- {network: internal_api, subnet: internal_api_leaf1}":                         "",
		"- network: tenant":                                                             "",
		"- network: internal_api":                                                       "v:1: Network internal_api has multiple subnets, please add a subnet or an ip_address for the vip on this network.",
		"- {network: internal_api, ip_address: 10.0.0.1}":                               "v:1: virtual IP 10.0.0.1 is in no subnet of network internal_api",
		"- {network: internal_api, ip_address: 172.16.2.5, subnet: internal_api_leaf1}": "v:1: virtual IP 172.16.2.5 is in no subnet of network internal_api",
		"- {network: internal_api, subnet: internal_api_leaf2}":                         `v:1: Subnet internal_api_leaf2 for Virtual IP not found on network internal_api; did you mean "internal_api_leaf1"?`,
		"- network: spare":                                                              "v:1: network spare is not enabled and can have no virtual IP",
		"- network: internal_apy":                                                       `v:1: Network internal_apy for Virtual IP not found; did you mean "internal_api"?`,
	} {
		vips, err := network.ParseVIPs("v", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		switch err := network.CheckVIPs(vips, nets); {
		case want == "" && err != nil:
			t.Errorf("%s: %v", text, err)
		case want != "" && (err == nil || !strings.HasSuffix(err.Error(), want)):
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}

func TestCheckProvision(t *testing.T) {
	old, _ := network.Parse("old.yaml", read(t, "old.yaml"))
	if err := network.CheckProvision("old.yaml", old); err == nil || !strings.Contains(err.Error(), "old.yaml:2: network Storage has the older form") {
		t.Errorf("got %v", err)
	}
	nets, err := network.Parse("n", []byte("- {name: A, subnets: {a: {ip_subnet: 10.0.0.0/24, gateway_ip: 10.0.0.5, allocation_pools: [{start: 10.0.0.4, end: 10.0.0.9}]}}}\n- name: B\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := "n:1: network A, subnet a: the gateway 10.0.0.5 is inside the allocation pool 10.0.0.4-10.0.0.9 and would be given out\nn:2: network B has no subnets"
	if err := network.CheckProvision("n", nets); err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
	right, _ := network.Parse("right.yaml", read(t, "right.yaml"))
	if err := network.CheckProvision("right.yaml", right); err != nil {
		t.Error(err)
	}
}

// FuzzParse: whatever the bytes, an answer comes, and what is taken is taken again.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"right.yaml", "old.yaml", "wrong.yaml", "vips.yaml"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("- &a [*a]\n- &b {<<: *b, name: x}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		nets, err := network.Parse("f", data)
		if err != nil && len(nets) > 0 {
			t.Error("networks and an error")
		}
		_ = network.CheckProvision("f", nets)
		if vips, err := network.ParseVIPs("f", data); err == nil {
			_ = network.CheckVIPs(vips, nets)
		}
	})
}
