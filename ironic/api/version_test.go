package api_test

import (
	"net/http"
	"testing"

	"trefoil/ironic"
)

// ask sends GET with headers as given and returns the answer.
func (r *rig) ask(path string, header http.Header) answer {
	r.Helper()
	req, err := http.NewRequest("GET", r.url+path, nil)
	if err != nil {
		r.Fatal(err)
	}
	req.Header = header
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.Fatal(err)
	}
	defer resp.Body.Close()
	return answer{status: resp.StatusCode, header: resp.Header}
}

func TestTheHeaderOfAllOfOpenStackCountsFrom83On(t *testing.T) {
	r := newRig(t)
	for _, tc := range []struct {
		own      string
		singular []string
		chosen   string
		status   int
	}{
		{"", []string{"baremetal 1.90"}, "1.90", 200},
		{"", []string{"baremetal 1.50"}, "1.1", 200}, // as Ironic did when there was no other
		{"", []string{"baremetal latest"}, "1.110", 200},
		{"", []string{"compute 2.96, baremetal 1.83"}, "1.83", 200},
		{"", []string{"compute 2.96", "baremetal 1.83"}, "1.83", 200},
		{"", []string{"compute 2.96"}, "1.1", 200},
		{"", []string{"baremetal"}, "1.1", 200},
		{"", []string{"baremetal 1.999"}, "", 406},
		{"1.34", []string{"baremetal 1.90"}, "1.34", 200},
	} {
		h := http.Header{"Openstack-Api-Version": tc.singular}
		if tc.own != "" {
			h.Set(headerVersion, tc.own)
		}
		a := r.ask("/v1/nodes", h)
		if got := a.header.Get(headerVersion); a.status != tc.status || got != tc.chosen {
			t.Errorf("%q and %q: status %d, version %q, want %d %q", tc.own, tc.singular, a.status, got, tc.status, tc.chosen)
		}
	}
}

func TestRefusalsCarryTheRequestIDFrom107On(t *testing.T) {
	r := newRig(t)
	r.add(ironic.Node{Name: "n"})
	for version, want := range map[string]bool{"1.106": false, "1.107": true, "": false, "1.999": false} {
		a := r.do("GET", "/v1/nodes/nobody", version, "")
		if got := a.header.Get("X-Openstack-Request-Id") != ""; got != want {
			t.Errorf("%q: X-Openstack-Request-Id is there: %t", version, got)
		}
		if a.header.Get("Openstack-Request-Id") == "" {
			t.Errorf("%q: no Openstack-Request-Id", version)
		}
		if r.do("GET", "/v1/nodes/n", "1.107", "").header.Get("X-Openstack-Request-Id") == "" {
			t.Errorf("%q: no X-Openstack-Request-Id on success", version)
		}
	}
}
