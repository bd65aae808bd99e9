package inspectapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

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
	server := httptest.NewServer(held(t, inspectapi.Config{Store: store, Conductor: apitest.NewConductor(r.store)}))
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
	// A marker of another state is a place, too: between two pages what waited may have finished.
	if page := listed(t, server.URL+"/v1/introspection?state=finished&marker="+want[1]); len(page.Introspection) == 0 {
		t.Error("nothing behind a marker whose state the filter leaves out")
	}
}

// Whoever follows the links loses no place, whatever becomes of the last of a page before the next one is asked for.
func TestLinksOfPagesGoOnBehindWhatIsGone(t *testing.T) {
	r := newRig(t)
	var want []string
	for i := range 9 {
		want = append([]string{r.add(fmt.Sprintf("n%d", i), "manageable", true, true, "").UUID}, want...)
	}
	change := func(uuid string, f func(*ironic.Node)) error {
		_, err := r.store.UpdateNode(t.Context(), uuid, func(n *ironic.Node) error { f(n); return nil })
		return err
	}
	meanwhile := []func(last string) error{
		func(last string) error { return r.store.DeleteNode(t.Context(), last) },
		func(last string) error {
			return change(last, func(n *ironic.Node) { again := began.Add(24 * time.Hour); n.InspectionStartedAt = &again })
		},
		func(last string) error { return change(last, func(n *ironic.Node) { n.InspectionStartedAt = nil }) },
		func(last string) error {
			return change(last, func(n *ironic.Node) { n.ProvisionState = "inspect wait" })
		},
	}
	var got []string
	for url := r.url + "/v1/introspection?limit=2&state=finished"; url != ""; {
		page := listed(t, url)
		for _, one := range page.Introspection {
			got = append(got, one.UUID)
		}
		if url = ""; page.Links != nil {
			url = page.Links[0].Href
			if !strings.Contains(url, "marker="+got[len(got)-1]) {
				t.Errorf("%s lacks the marker, which is what a person reads", url)
			}
			if err := meanwhile[len(got)/2-1](got[len(got)-1]); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// A marker that the client made itself is the inspector's: what is not there is refused, with what to do.
func TestWrongMarkersAreRefused(t *testing.T) {
	r := newRig(t)
	never := r.add("never", "manageable", false, false, "")
	for query, want := range map[string]struct {
		status int
		text   string
	}{
		"marker=never": {400, "Marker not UUID-like: never"},
		"marker=" + never.UUID: {404, "Node not found for marker: " + never.UUID + "; it was deleted, or never introspected. " +
			"Begin the list anew, or follow introspection_links"},
		"marker=00000000-0000-4000-8000-999999999999": {404, "Node not found for marker: 00000000-0000-4000-8000-999999999999"},
		"place=2026-11-21":                            {400, "place=2026-11-21 is not out of a link of ours"},
		"place=x_1":                                   {400, "place=x_1 is not"},
		"place=2026-11-21T01:02:03_1x":                {400, "is not out of a link"},
	} {
		if status, body := r.do("GET", "/v1/introspection?"+query, "", ""); status != want.status || !strings.Contains(body, want.text) {
			t.Errorf("%s: %d %s", query, status, body)
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
