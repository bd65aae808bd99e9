package ceph

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"
)

// status is the part of "ceph status" that is looked at.
type status struct {
	Health struct {
		Status string `json:"status"`
		Checks map[string]struct {
			Summary struct {
				Message string `json:"message"`
			} `json:"summary"`
		} `json:"checks"`
	} `json:"health"`
	MgrMap struct {
		Available bool `json:"available"`
	} `json:"mgrmap"`
	PGMap struct {
		ByState []struct {
			Name  string `json:"state_name"`
			Count int    `json:"count"`
		} `json:"pgs_by_state"`
	} `json:"pgmap"`
}

// tree is the part of "ceph osd tree" that is looked at.
type tree struct {
	Nodes []struct {
		ID       int     `json:"id"`
		Name     string  `json:"name"`
		Type     string  `json:"type"`
		Status   string  `json:"status"`
		Reweight float64 `json:"reweight"` // 0: it is out
		Children []int   `json:"children"`
	} `json:"nodes"`
}

// monmap is the part of "ceph mon dump" that is looked at.
type monmap struct {
	Mons []struct {
		Rank int    `json:"rank"`
		Name string `json:"name"`
	} `json:"mons"`
	Quorum []int `json:"quorum"` // ranks
}

// strays are monitors that no machine of the plan has and that are out of the quorum: those of
// machines that left without being taken out. One that works is somebody's own.
func (m monmap) strays(planned []string) []string {
	var out []string
	for _, mon := range m.Mons {
		if len(planned) > 0 && !slices.Contains(planned, mon.Name) && !slices.Contains(m.Quorum, mon.Rank) {
			out = append(out, fmt.Sprintf("monitor %s is in Ceph's map, out of the quorum and of no machine of the plan: sudo ceph mon rm %s, on a machine with a monitor, takes it out", mon.Name, mon.Name))
		}
	}
	return out
}

// hosts are the OSDs of each machine.
func (t tree) hosts() map[string][]int {
	out := map[string][]int{}
	for _, n := range t.Nodes {
		if n.Type == "host" && len(n.Children) > 0 {
			out[n.Name] = n.Children
		}
	}
	return out
}

// osds counts all that have been placed on a machine.
func (t tree) osds() (sum int) {
	for _, list := range t.hosts() {
		sum += len(list)
	}
	return sum
}

// Missing says what is not yet as it should be, in words; nothing means that
// the cluster is healthy. hosts are the machines that must have OSDs, monitors those that
// the plan knows.
func (n *Node) Missing(ctx context.Context, hosts, monitors []string) ([]string, error) {
	got, err := n.talk(ctx, adminName, adminKeyring, []question{ask("status"), ask("osd tree"), ask("mon dump")})
	if err != nil {
		return nil, err
	}
	var s status
	var t tree
	var m monmap
	if err := got[0].read(&s); err != nil {
		return nil, err
	}
	if err := got[1].read(&t); err != nil {
		return nil, err
	}
	if err := got[2].read(&m); err != nil {
		return nil, err
	}
	return append(m.strays(monitors), missing(s, t, hosts)...), nil
}

func missing(s status, t tree, hosts []string) []string {
	var out []string
	if !s.MgrMap.Available {
		out = append(out, "no manager (ceph-mgr) is available")
	}
	have := t.hosts()
	for _, h := range hosts {
		short, _, _ := strings.Cut(h, ".")
		if len(have[short]) == 0 {
			out = append(out, "no OSD of "+h)
		}
	}
	for _, node := range t.Nodes {
		switch {
		case node.Type != "osd":
		case node.Status != "up":
			out = append(out, node.Name+" is "+node.Status)
		case node.Reweight == 0:
			out = append(out, node.Name+" is out")
		}
	}
	for _, pg := range s.PGMap.ByState {
		if states := strings.Split(pg.Name, "+"); !slices.Contains(states, "active") || !slices.Contains(states, "clean") {
			out = append(out, fmt.Sprintf("%d placement groups are %s", pg.Count, pg.Name))
		}
	}
	if s.Health.Status == "HEALTH_OK" {
		return out
	}
	var checks []string
	for name, c := range s.Health.Checks {
		checks = append(checks, name+": "+c.Summary.Message)
	}
	sort.Strings(checks)
	return append(out, append([]string{s.Health.Status}, checks...)...)
}
