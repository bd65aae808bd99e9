package inspectapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"trefoil/ironic"
	"trefoil/ironic/api/apitest"
	inspectapi "trefoil/ironic/inspect/api"
)

// counted counts the nodes that lists read.
type counted struct {
	ironic.Store
	read int
}

func (c *counted) Nodes(ctx context.Context, f ironic.NodeFilter) ([]*ironic.Node, error) {
	list, err := c.Store.Nodes(ctx, f)
	c.read += len(list)
	return list, err
}

// A page costs what is on it, however many nodes there are, and pages make up the list.
func TestPagesOfIntrospectionsReadTheirNodesOnly(t *testing.T) {
	r := &rig{T: t, store: apitest.NewStore()}
	var want []string
	for i := range 20 {
		state := []string{"manageable", "inspect failed"}[i%2]
		n := r.add(fmt.Sprintf("n%d", i), state, i%5 != 0, true, "")
		if i%5 != 0 {
			want = append([]string{n.UUID}, want...) // the latest first
		}
	}
	store := &counted{Store: r.store}
	server := httptest.NewServer(inspectapi.New(inspectapi.Config{Store: store, Conductor: apitest.NewConductor(r.store)}))
	t.Cleanup(server.Close)
	var got []string
	for url := server.URL + "/v1/introspection?limit=3"; url != ""; {
		store.read = 0
		page := listed(t, url)
		if store.read > 4 {
			t.Errorf("%d nodes were read for a page of 3", store.read)
		}
		for _, one := range page.Introspection {
			got = append(got, one.UUID)
		}
		if url = ""; page.Links != nil {
			url = page.Links[0].Href
		}
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	// What a filter leaves out is passed over until the page is full.
	if page := listed(t, server.URL+"/v1/introspection?limit=7&state=error"); len(page.Introspection) != 7 || page.Links == nil {
		t.Errorf("%d errors, next %v", len(page.Introspection), page.Links)
	}
	for _, marker := range []string{"n1", "00000000-0000-4000-8000-000000000001", want[0] + "&state=starting"} {
		resp, err := http.Get(server.URL + "/v1/introspection?marker=" + marker)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("marker %s: %s; there is no such introspection in the list", marker, resp.Status)
		}
	}
}

type introspections struct {
	Introspection []struct{ UUID string }
	Links         []struct{ Href string } `json:"introspection_links"`
}

func listed(t *testing.T, url string) (page introspections) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&page); err != nil || resp.StatusCode != 200 {
		t.Fatalf("%s: %s, %v", url, resp.Status, err)
	}
	return page
}
