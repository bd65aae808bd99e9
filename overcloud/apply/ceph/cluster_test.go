package ceph

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trefoil/overcloud/resource"
)

// monitors are a cluster that understands the commands of this package.
type monitors struct {
	t      *testing.T
	auth   []map[string]any
	config []map[string]any
	rules  []map[string]any
	pools  []map[string]any
	hosts  map[string]int // machine → OSDs
	mons   []map[string]any
	did    []string

	forgets string // an option that does not come to stay
}

func (m *monitors) tree() any {
	nodes, id := []any{}, 0
	for _, h := range []string{"s0", "s1", "s2", "s3"} {
		children := []int{}
		for range m.hosts[h] {
			children = append(children, id)
			nodes = append(nodes, map[string]any{"id": id, "name": fmt.Sprintf("osd.%d", id), "type": "osd", "status": "up", "reweight": 1})
			id++
		}
		nodes = append(nodes, map[string]any{"name": h, "type": "host", "children": children})
	}
	return map[string]any{"nodes": nodes}
}

func (m *monitors) run(c Command) (string, error) {
	var out []any
	for line := range strings.Lines(c.Stdin) {
		if line == "\n" {
			continue // the next wave
		}
		var q question
		if err := json.Unmarshal([]byte(line), &q); err != nil {
			m.t.Fatal(err)
		}
		out = append(out, m.one(q))
	}
	return answers(m.t, out...), nil
}

func (m *monitors) one(q question) any {
	c := q.Command
	switch c["prefix"] {
	case "auth ls":
		return map[string]any{"auth_dump": m.auth}
	case "config dump":
		return m.config
	case "osd crush rule dump":
		return m.rules
	case "osd dump":
		return map[string]any{"pools": m.pools}
	case "osd tree":
		return m.tree()
	case "status":
		return map[string]any{"health": map[string]any{"status": "HEALTH_OK"}, "mgrmap": map[string]any{"available": true}}
	case "mon dump":
		return map[string]any{"mons": m.mons, "quorum": []int{0, 2}}
	}
	m.did = append(m.did, strings.TrimSpace(fmt.Sprint(c["prefix"], " ", c["name"], c["pool"], " ", c["var"])))
	switch c["prefix"] {
	case "auth import":
		e, err := parseKeyring(q.Input)
		if err != nil {
			m.t.Error(err)
		}
		m.auth = append(m.auth, map[string]any{"entity": e[0].Name, "key": e[0].Key, "caps": e[0].Caps})
	case "config set":
		if c["name"] == m.forgets {
			break
		}
		value := c["value"]
		if c["name"] == "bluestore_cache_trim_interval" { // of the type double
			value = "2.000000"
		}
		m.config = append(m.config, map[string]any{"section": c["who"], "name": c["name"], "value": value})
	case "osd crush rule create-replicated":
		m.rules = append(m.rules, map[string]any{"rule_id": len(m.rules), "rule_name": c["name"]})
	case "osd pool create":
		m.pools = append(m.pools, map[string]any{"pool_name": c["pool"], "size": c["size"], "crush_rule": len(m.rules) - 1, "application_metadata": map[string]any{}})
	default:
		m.change(c)
	}
	return map[string]any{}
}

func (m *monitors) change(c map[string]any) {
	for _, p := range m.pools {
		switch {
		case p["pool_name"] != c["pool"]:
		case c["prefix"] == "osd pool application enable":
			p["application_metadata"] = map[string]any{"rbd": map[string]any{}}
		case c["var"] == "size":
			var n int
			fmt.Sscan(fmt.Sprint(c["val"]), &n)
			p["size"] = n
		case c["var"] == "crush_rule":
			for _, r := range m.rules {
				if r["rule_name"] == c["val"] {
					p["crush_rule"] = r["rule_id"]
				}
			}
		}
	}
}

func newCluster(t *testing.T, hosts map[string]int) (*machine, *monitors) {
	n := newMachine(t)
	n.put("/keys/client.keyring", "[client.openstack]\nkey = K\ncaps mon = \"profile rbd\"\n[mon.]\nkey = M\n")
	m := &monitors{t: t, hosts: hosts, rules: []map[string]any{{"rule_id": 0, "rule_name": hostRule}}, auth: []map[string]any{}, config: []map[string]any{}, pools: []map[string]any{}}
	n.run = m.run
	return n, m
}

func cluster(size int) *resource.CephCluster {
	return &resource.CephCluster{Keyrings: "/keys", Pools: []string{"images", "vms"}, Size: size, PGNum: 8, Config: map[string]string{"osd/osd_memory_target": "1000000000", "osd/bluestore_cache_trim_interval": "2"}}
}

func makeCluster(t *testing.T, n *machine, want *resource.CephCluster) error {
	t.Helper()
	c, err := n.LookAtCluster(t.Context(), want)
	if err != nil {
		return err
	}
	return c.Make(t.Context())
}

func TestPoolsKeysAndCopiesAreMadeOnce(t *testing.T) {
	n, m := newCluster(t, map[string]int{"s0": 3})
	m.pools = append(m.pools, map[string]any{"pool_name": devicePool, "size": 1, "crush_rule": 0, "application_metadata": map[string]any{}})
	if err := makeCluster(t, n, cluster(0)); err != nil {
		t.Fatal(err)
	}
	for _, p := range m.pools { // one machine with three disks: three copies, on different disks
		if fmt.Sprint(p["size"], p["crush_rule"]) != "3 1" {
			t.Errorf("pool %v", p)
		}
	}
	if len(n.ran) != 3 {
		t.Errorf("%d conversations; expected a look, what is to do, and the number of the rule", len(n.ran))
	}
	if c, err := n.LookAtCluster(t.Context(), cluster(0)); err != nil || !c.AsWanted() {
		t.Errorf("error %v; expected nothing to do", err)
	}
	if got := fmt.Sprint(m.config); !strings.Contains(got, "map[name:osd_memory_target section:osd value:1000000000]") || !strings.Contains(got, "map[name:osd_pool_default_size section:global value:3]") {
		t.Errorf("settings %s", got)
	}
	if got := fmt.Sprint(m.auth); strings.Contains(got, "mon.") {
		t.Errorf("the monitors' own key is imported: %s", got)
	}
	// More machines: the copies go to different machines, nothing else changes.
	m.hosts, m.did = map[string]int{"s0": 3, "s1": 1, "s2": 1, "s3": 1}, nil
	if err := makeCluster(t, n, cluster(0)); err != nil {
		t.Fatal(err)
	}
	for _, did := range m.did {
		if !strings.HasSuffix(did, "crush_rule") && !strings.Contains(did, "osd_pool_default_crush_rule") {
			t.Errorf("did %s", did)
		}
	}
	if len(m.did) != 4 {
		t.Errorf("did %q", m.did)
	}
}

// What does not come to stay is named, and its value is not.
func TestWhatStaysUndoneIsNamed(t *testing.T) {
	n, m := newCluster(t, map[string]int{"s0": 3})
	want := cluster(0)
	want.Config["osd/osd_max_backfills"] = "secret"
	m.forgets = "osd_max_backfills"
	err := makeCluster(t, n, want)
	if err == nil || !strings.Contains(err.Error(), "still to do: config set osd osd_max_backfills") || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
}

func TestCopiesThatCannotBeAreRefused(t *testing.T) {
	for _, tc := range []struct {
		hosts map[string]int
		size  int
		want  string
	}{
		{map[string]int{"s0": 1}, 0, "1 OSDs on 1 machines: there would be no second copy"},
		{map[string]int{}, 0, "0 OSDs on 0 machines"},
		{map[string]int{"s0": 1, "s1": 1}, 3, "CephPoolDefaultSize is 3, and the Ceph cluster has 2 OSDs on 2 machines"},
		{map[string]int{"s0": 1}, 1, ""},
		{map[string]int{"s0": 1, "s1": 1}, 0, ""},
	} {
		n, _ := newCluster(t, tc.hosts)
		err := makeCluster(t, n, cluster(tc.size))
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%v, size %d: error %v; expected %q", tc.hosts, tc.size, err, tc.want)
		}
	}
}

func TestHealthSaysWhatIsMissing(t *testing.T) {
	var s status
	var tr tree
	if err := json.Unmarshal([]byte(`{"health": {"status": "HEALTH_WARN", "checks": {"OSD_DOWN": {"summary": {"message": "1 osds down"}}}},
		"mgrmap": {"available": false}, "pgmap": {"pgs_by_state": [{"state_name": "active+clean", "count": 8}, {"state_name": "active+undersized", "count": 3}]}}`), &s); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(`{"nodes": [{"name": "s0", "type": "host", "children": [0, 1]}, {"name": "osd.0", "type": "osd", "status": "down", "reweight": 1},
		{"name": "osd.1", "type": "osd", "status": "up", "reweight": 0}, {"name": "s1", "type": "host", "children": []}]}`), &tr); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(missing(s, tr, []string{"s0", "s1.localdomain"}), "; ")
	want := "no manager (ceph-mgr) is available; no OSD of s1.localdomain; osd.0 is down; osd.1 is out; 3 placement groups are active+undersized; HEALTH_WARN; OSD_DOWN: 1 osds down"
	if got != want {
		t.Errorf("%s\nexpected %s", got, want)
	}
	s = status{}
	s.Health.Status, s.MgrMap.Available = "HEALTH_OK", true
	if got := missing(s, tree{}, nil); len(got) != 0 {
		t.Errorf("a healthy cluster lacks %q", got)
	}
}

// A monitor that an earlier release left in the map is told with what to type; one that works
// and one that the plan knows are not.
func TestHealthTellsOfMonitorsThatNobodyHas(t *testing.T) {
	n, m := newCluster(t, map[string]int{"s0": 1})
	for i, name := range []string{"c0", "c1", "own", "c9"} {
		m.mons = append(m.mons, map[string]any{"rank": i, "name": name})
	}
	for planned, want := range map[string]string{
		"c0 c1": "monitor c9 is in Ceph's map, out of the quorum and of no machine of the plan: sudo ceph mon rm c9, on a machine with a monitor, takes it out",
		"":      "",
	} {
		if got, err := n.Missing(t.Context(), []string{"s0"}, strings.Fields(planned)); err != nil || strings.Join(got, "; ") != want {
			t.Errorf("%q: %q %v", planned, got, err)
		}
	}
}

func TestDaemonTellsItsStateThroughItsSocket(t *testing.T) {
	root, err := os.MkdirTemp("", "c") // the name of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	if err := os.MkdirAll(filepath.Join(root, "run/ceph"), 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(root, "run/ceph/ceph-osd.3.asok"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for _, reply := range []string{`{"whoami": 3, "state": "booting"}`, "ERROR: (38) Function not implemented\n", `{"whoami": 3, "state": "active"}`} {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b := make([]byte, 200)
			k, _ := c.Read(b)
			if string(b[:k]) != "{\"prefix\": \"status\", \"format\": \"json\"}\x00" {
				t.Errorf("asked %q", b[:k])
			}
			fmt.Fprintf(c, "\x00\x00\x00%c%s", len(reply), reply)
			c.Close()
		}
	}()
	if err := InService(t.Context(), root, "osd.3"); err == nil || !strings.Contains(err.Error(), `osd.3 is "booting", not active`) {
		t.Errorf("error %v", err)
	}
	if err := InService(t.Context(), root, "osd.3"); err == nil || !strings.Contains(err.Error(), `osd.3 answers status with "ERROR: (38) Function not implemented"`) {
		t.Errorf("error %v", err)
	}
	if err := InService(t.Context(), root, "osd.3"); err != nil {
		t.Error(err)
	}
}
