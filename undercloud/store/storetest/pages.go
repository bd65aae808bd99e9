package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"

	"github.com/google/uuid"
)

// many stores nodes of which several are equal in each sort key, and some have nothing there.
func many(t *testing.T, s ironic.Store) []*ironic.Node {
	t.Helper()
	yes, no := true, false
	begin := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	for i := range 17 {
		n := node("")
		// Neither the order of creation nor the reverse is any key's.
		k := (i * 7) % 17
		if k%4 != 0 {
			n.Name, n.InstanceUUID = fmt.Sprintf("n%02d", k), fmt.Sprintf("%08d-0000-4000-8000-000000000000", k)
		}
		word := []string{"", "a", "B", "ä", "b"}[k%5]
		n.Driver, n.ResourceClass, n.Owner, n.Lessee, n.Description = "d"+word, word, word, word, word
		n.ConductorGroup, n.Shard, n.InstanceName, n.Conductor = word, word, word, word
		n.PowerState, n.TargetPowerState, n.TargetProvisionState, n.Fault, n.LastError = word, word, word, word, word
		n.Reservation, n.BootMode, n.Health, n.MaintenanceReason, n.ProtectedReason, n.RetiredReason = word, word, word, word, word, word
		n.ProvisionState = []string{"enroll", "available", "active"}[k%3]
		n.Maintenance, n.Protected, n.Retired, n.ConsoleEnabled, n.DisablePowerOff = k%2 == 0, k%3 == 0, k%4 == 0, k%5 == 0, k%6 == 0
		n.AutomatedClean, n.SecureBoot = []*bool{nil, &yes, &no}[k%3], []*bool{&no, nil, &yes}[k%3]
		n.Interfaces = map[string]string{}
		for j, name := range ironic.InterfaceNames() {
			if (k+j)%3 != 0 {
				n.Interfaces[name] = word + name
			}
		}
		if k%3 != 0 {
			// Fractions of a second of all lengths, and none: as text, 12:00:00Z is behind 12:00:00.5Z.
			at := begin.Add(time.Duration(k%6) * 250 * time.Millisecond)
			n.ProvisionUpdatedAt, n.InspectionStartedAt, n.InspectionFinishedAt = &at, &at, &at
		}
		must(t, s.CreateNode(t.Context(), n, port(fmt.Sprintf("52:54:00:00:01:%02x", k))))
		if k%5 == 0 {
			_, err := s.UpdateNode(t.Context(), n.UUID, func(*ironic.Node) error { return nil })
			must(t, err)
		}
	}
	all, err := s.Nodes(t.Context(), ironic.NodeFilter{})
	must(t, err)
	return all
}

func pagesOfNodes(t *testing.T, s ironic.Store) {
	all := many(t, s)
	rack := &ironic.Chassis{UUID: uuid.NewString()}
	must(t, s.CreateChassis(t.Context(), rack))
	for i, n := range all { // what a node names must be there first
		_, err := s.UpdateNode(t.Context(), n.UUID, func(n *ironic.Node) error {
			if i%3 == 0 {
				n.ChassisUUID, n.ParentNode = rack.UUID, all[i/2].UUID
			}
			return nil
		})
		must(t, err)
	}
	all, err := s.Nodes(t.Context(), ironic.NodeFilter{})
	must(t, err)
	keys := ironic.NodeSortKeys()
	keys[""] = func(*ironic.Node) string { return "" }
	ident := func(n *ironic.Node) (int64, string) { return n.ID, n.UUID }
	yes := true
	for key, of := range keys {
		for _, f := range []ironic.NodeFilter{{}, {Maintenance: &yes}} {
			want := slices.DeleteFunc(slices.Clone(all), func(n *ironic.Node) bool { return f.Maintenance != nil && !n.Maintenance })
			checkPages(t, key, want, of, ident, func(p ironic.Page) ([]*ironic.Node, error) {
				f.Page = p
				return s.Nodes(t.Context(), f)
			})
		}
	}
}

func pagesOfPorts(t *testing.T, s ironic.Store) {
	many(t, s)
	list, err := s.Ports(t.Context(), ironic.PortFilter{})
	must(t, err)
	groups := map[string]string{}
	for i, p := range list {
		word := []string{"", "a", "B", "ä", "b"}[i*3%5]
		group := ""
		if i%4 == 1 {
			g := &ironic.Portgroup{UUID: uuid.NewString(), NodeUUID: p.NodeUUID}
			must(t, s.CreatePortgroup(t.Context(), g))
			groups[p.UUID], group = g.UUID, g.UUID
		}
		_, err := s.UpdatePort(t.Context(), p.UUID, func(p *ironic.Port) error {
			p.PhysicalNetwork, p.Description, p.Vendor, p.Category, p.PortgroupUUID = word, word, word, word, group
			p.IsSmartNIC, p.PXEEnabled = i%2 == 0, i%3 == 0
			if i%4 != 0 {
				p.Name = fmt.Sprintf("p%02d", i*5%17)
			}
			return nil
		})
		must(t, err)
	}
	list, err = s.Ports(t.Context(), ironic.PortFilter{})
	must(t, err)
	keys := ironic.PortSortKeys()
	keys[""] = func(*ironic.Port) string { return "" }
	for key, of := range keys {
		checkPages(t, key, list, of, func(p *ironic.Port) (int64, string) { return p.ID, p.UUID }, func(p ironic.Page) ([]*ironic.Port, error) {
			return s.Ports(t.Context(), ironic.PortFilter{Page: p})
		})
	}
}

// checkPages holds pages of several sizes, in both directions, against a plain sort of all rows.
func checkPages[R any](t *testing.T, key string, all []R, of func(R) string, ident func(R) (int64, string), fetch func(ironic.Page) ([]R, error)) {
	t.Helper()
	want := slices.SortedFunc(slices.Values(all), func(a, b R) int {
		i, _ := ident(a)
		j, _ := ident(b)
		return cmp.Or(strings.Compare(of(a), of(b)), cmp.Compare(i, j))
	})
	for _, desc := range []bool{false, true} {
		if desc {
			slices.Reverse(want)
		}
		for _, limit := range []int{1, 3, len(all), 0} {
			page := ironic.Page{Limit: limit, SortKey: key, Desc: desc}
			var got []string
			for range len(all) + 1 {
				rows, err := fetch(page)
				if err != nil {
					t.Fatalf("sorted by %q: %v", key, err)
				}
				if limit > 0 && len(rows) > limit {
					t.Fatalf("sorted by %q: %d rows, limit %d", key, len(rows), limit)
				}
				for _, r := range rows {
					_, uuid := ident(r)
					got = append(got, uuid)
				}
				if limit == 0 || len(rows) < limit {
					break
				}
				page.Marker = got[len(got)-1]
			}
			var ordered []string
			for _, r := range want {
				_, uuid := ident(r)
				ordered = append(ordered, uuid)
			}
			if !slices.Equal(got, ordered) {
				t.Fatalf("sorted by %q, descending %v, pages of %d:\n got %v\nwant %v", key, desc, limit, got, ordered)
			}
		}
	}
}

// wrongPages: a marker need not pass the filter, but must be there.
func wrongPages(t *testing.T, s ironic.Store) {
	all := many(t, s)
	i := slices.IndexFunc(all, func(n *ironic.Node) bool { return n.ProvisionState == "available" })
	got, err := s.Nodes(t.Context(), ironic.NodeFilter{ProvisionState: "active", Page: ironic.Page{Marker: all[i].UUID}})
	must(t, err)
	want := 0
	for _, n := range all[i:] {
		if n.ProvisionState == "active" {
			want++
		}
	}
	if len(got) != want || want == 0 {
		t.Errorf("%d nodes behind a marker of another state, want %d", len(got), want)
	}
	who := uuid.NewString()
	_, err = s.Nodes(t.Context(), ironic.NodeFilter{Page: ironic.Page{Marker: who}})
	code(t, err, errs.NotFound, "Node "+who+" could not be found.")
	_, err = s.Ports(t.Context(), ironic.PortFilter{Page: ironic.Page{Marker: who, SortKey: "address"}})
	code(t, err, errs.NotFound, "Port "+who+" could not be found.")
	_, err = s.Nodes(t.Context(), ironic.NodeFilter{Page: ironic.Page{SortKey: "id; DROP TABLE nodes"}})
	code(t, err, errs.Invalid)
	_, err = s.Ports(t.Context(), ironic.PortFilter{Page: ironic.Page{SortKey: "extra"}})
	code(t, err, errs.Invalid)
}

// introspectionsBehind: pages that begin behind a place make up the list, whoever is deleted or introspected again meanwhile.
func introspectionsBehind(t *testing.T, s ironic.Store) {
	many(t, s)
	f := ironic.NodeFilter{Introspected: true, Page: ironic.Page{SortKey: "inspection_started_at", Desc: true}}
	all, err := s.Nodes(t.Context(), f)
	must(t, err)
	var want, got []string
	for _, n := range all {
		want = append(want, n.UUID)
	}
	f.Introspected, f.Limit = false, 2
	for page := all[:0]; len(got) == 0 || len(page) > 0; {
		page, err = s.Nodes(t.Context(), f)
		must(t, err)
		for i, n := range page {
			got = append(got, n.UUID)
			f.BegunBefore = &ironic.Begun{At: *n.InspectionStartedAt, ID: n.ID}
			if i == 1 && len(got)%4 == 0 {
				must(t, s.DeleteNode(t.Context(), n.UUID))
			} else if i == 1 {
				_, err := s.UpdateNode(t.Context(), n.UUID, func(n *ironic.Node) error {
					later := n.InspectionStartedAt.Add(time.Hour)
					n.InspectionStartedAt = &later
					return nil
				})
				must(t, err)
			}
		}
	}
	if !slices.Equal(got, want) || len(want) == 0 || len(want) == 17 {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func walk(t *testing.T, s ironic.Store) {
	for i := range 450 {
		n := node(fmt.Sprintf("n%03d", i))
		n.Maintenance = i%9 == 0
		must(t, s.CreateNode(t.Context(), n))
	}
	no := false
	var names []string
	must(t, ironic.Walk(t.Context(), s, ironic.NodeFilter{Maintenance: &no}, func(n *ironic.Node) error {
		if len(names) == 199 { // the last of a part goes while it is looked at
			must(t, s.DeleteNode(context.WithoutCancel(t.Context()), n.UUID))
		}
		names = append(names, n.Name)
		return nil
	}))
	if len(names) != 400 || !slices.IsSorted(names) || len(slices.Compact(names)) != 400 {
		t.Errorf("%d names", len(names))
	}
	stop := errors.New("enough")
	seen := 0
	if err := ironic.Walk(t.Context(), s, ironic.NodeFilter{}, func(*ironic.Node) error { seen++; return stop }); !errors.Is(err, stop) || seen != 1 {
		t.Errorf("%d nodes, %v", seen, err)
	}
}

func shards(t *testing.T, s ironic.Store) {
	many(t, s)
	got, err := s.CountShards(t.Context())
	must(t, err)
	if !maps.Equal(got, map[string]int{"": 4, "a": 4, "B": 3, "ä": 3, "b": 3}) {
		t.Errorf("%v", got)
	}
}
