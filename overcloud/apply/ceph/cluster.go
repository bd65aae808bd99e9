package ceph

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"trefoil/internal/errs"
	"trefoil/overcloud/resource"
)

const (
	maxAutomatic = 3 // copies, unless a size is given
	hostRule     = "replicated_rule"
	osdRule      = "replicated_osd" // copies on different disks, maybe of one machine
	rbdUse       = "rbd"
	// devicePool is made by the managers, whenever they come to it.
	devicePool = "device_health_metrics"
)

// known is what the monitors keep.
type known struct {
	auth struct {
		Dump []entity `json:"auth_dump"`
	}
	config []struct {
		Section string `json:"section"`
		Name    string `json:"name"`
		Value   string `json:"value"`
	}
	rules []struct {
		ID   int    `json:"rule_id"`
		Name string `json:"rule_name"`
	}
	osd struct {
		Pools []pool `json:"pools"`
	}
	tree tree
}

type pool struct {
	Name string                    `json:"pool_name"`
	Size int                       `json:"size"`
	Rule int                       `json:"crush_rule"`
	Uses map[string]map[string]any `json:"application_metadata"`
}

// Cluster is what the monitors keep, and what is wanted.
type Cluster struct {
	n        *Node
	want     *resource.CephCluster
	entities []entity
	todo     [][]question
}

// LookAtCluster asks the monitors what there is.
func (n *Node) LookAtCluster(ctx context.Context, want *resource.CephCluster) (*Cluster, error) {
	keys, err := n.keyrings(want.Keyrings)
	if err != nil {
		return nil, err
	}
	c := &Cluster{n: n, want: want}
	if c.entities, err = parseKeyring(keys); err != nil {
		return nil, fmt.Errorf("%s: %w", want.Keyrings, err)
	}
	return c, c.round(ctx)
}

// AsWanted tells whether nothing is to be done.
func (c *Cluster) AsWanted() bool { return len(slices.Concat(c.todo...)) == 0 }

// rounds is how often the cluster is put right and looked at again: a rule that
// has just been made gets its number, a manager makes its pool in between.
const rounds = 4

// Make makes keys, options, rules and pools as wanted.
func (c *Cluster) Make(ctx context.Context) error {
	for range rounds {
		if c.AsWanted() {
			return nil
		}
		err := c.round(ctx)
		if errs.Is(err, errs.Unavailable) { // what was not answered in time may have been done
			c.todo = nil
			err = c.round(ctx)
		}
		if err != nil {
			return err
		}
	}
	if c.AsWanted() {
		return nil
	}
	var left []string
	for _, q := range slices.Concat(c.todo...) {
		left = append(left, q.String())
	}
	return errs.New(errs.Internal, "the Ceph cluster is not as wanted after %d rounds, still to do: %s", rounds, strings.Join(left, ", ")).
		WithHint("does something else change them at the same time?")
}

// round does what is to be done and looks at the cluster, in one conversation.
func (c *Cluster) round(ctx context.Context) error {
	look := []question{ask("auth ls"), ask("config dump"), ask("osd crush rule dump"), ask("osd dump"), ask("osd tree")}
	got, err := c.n.talk(ctx, adminName, adminKeyring, append(c.todo, look)...)
	if err != nil {
		return err
	}
	got = got[len(got)-len(look):]
	var k known
	for i, into := range []any{&k.auth, &k.config, &k.rules, &k.osd, &k.tree} {
		if err := got[i].read(into); err != nil {
			return err
		}
	}
	c.todo, err = k.lacking(c.want, c.entities)
	return err
}

// lacking is what makes the cluster as wanted, in the order that it must be asked.
func (k known) lacking(want *resource.CephCluster, entities []entity) ([][]question, error) {
	size, rule, err := k.copies(want)
	if err != nil {
		return nil, err
	}
	first, settings := k.keys(entities), map[string]string{"osd_pool_default_size": strconv.Itoa(size)}
	id, ok := k.rule(rule)
	if ok {
		settings["osd_pool_default_crush_rule"] = strconv.Itoa(id)
	} else {
		first = append(first, ask("osd crush rule create-replicated", "name", rule, "root", "default", "type", map[string]string{osdRule: "osd", hostRule: "host"}[rule]))
	}
	if size == 1 {
		settings["mon_warn_on_pool_no_redundancy"] = "false" // it was asked for
	}
	maps.Copy(settings, want.Config)
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		first = append(first, k.setting(name, settings[name])...)
	}
	var pools, uses []question
	for _, name := range append(slices.Clone(want.Pools), devicePool) {
		made, use := k.pool(name, size, id, rule, want.PGNum)
		pools, uses = append(pools, made...), append(uses, use...)
	}
	return [][]question{first, pools, uses}, nil
}

// keys are the imports of entities that the cluster knows otherwise or not at
// all. The monitors' own key is theirs alone.
func (k known) keys(want []entity) []question {
	var out []question
	for _, e := range want {
		if e.Name == "mon." || slices.ContainsFunc(k.auth.Dump, func(have entity) bool {
			return have.Name == e.Name && have.Key == e.Key && maps.Equal(have.Caps, e.Caps)
		}) {
			continue
		}
		q := ask("auth import")
		q.Input = e.section()
		for _, kind := range slices.Sorted(maps.Keys(e.Caps)) {
			q.Input += fmt.Sprintf("\tcaps %s = %q\n", kind, e.Caps[kind])
		}
		out = append(out, q)
	}
	return out
}

// copies chooses how many there are, and whether on machines or only on disks that differ.
func (k known) copies(want *resource.CephCluster) (size int, rule string, err error) {
	hosts, osds := len(k.tree.hosts()), k.tree.osds()
	size = want.Size
	if size == 0 {
		size = min(maxAutomatic, hosts)
		if hosts == 1 {
			size = min(maxAutomatic, osds)
		}
		if size < 2 {
			return 0, "", errs.New(errs.Invalid, "the Ceph cluster has %d OSDs on %d machines: there would be no second copy of the data", osds, hosts).
				WithHint("add data disks or storage machines, or set CephPoolDefaultSize: 1 to do without")
		}
	}
	if size > osds {
		return 0, "", errs.New(errs.Invalid, "CephPoolDefaultSize is %d, and the Ceph cluster has %d OSDs on %d machines", size, osds, hosts).
			WithHint("add data disks or storage machines, or lower CephPoolDefaultSize")
	}
	if hosts >= size {
		return size, hostRule, nil
	}
	return size, osdRule, nil
}

func (k known) rule(name string) (id int, ok bool) {
	for _, r := range k.rules {
		if r.Name == name {
			return r.ID, true
		}
	}
	return -1, false
}

// setting gives an option, of all daemons unless its name says of which, a value.
func (k known) setting(name, value string) []question {
	who := "global"
	if kind, rest, ok := strings.Cut(name, "/"); ok && slices.Contains([]string{"global", "mon", "mgr", "osd", "client"}, kind) {
		who, name = kind, rest
	}
	for _, c := range k.config {
		if c.Section == who && c.Name == name && (c.Value == value || sameNumber(c.Value, value)) {
			return nil
		}
	}
	return []question{ask("config set", "who", who, "name", name, "value", value)}
}

// sameNumber tells whether two texts are one number: the monitors keep 2 as 2.000000.
func sameNumber(a, b string) bool {
	x, err := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	return err == nil && err2 == nil && x == y
}

// pool makes a pool, or gives one that is there the size and the rule; then
// it says what the pool is used for. ruleID is below zero where there is no rule yet.
func (k known) pool(name string, size, ruleID int, rule string, pgs int) (pools, uses []question) {
	i := slices.IndexFunc(k.osd.Pools, func(p pool) bool { return p.Name == name })
	if i < 0 {
		if name == devicePool {
			return nil, nil
		}
		return []question{ask("osd pool create", "pool", name, "pg_num", pgs, "pgp_num", pgs, "pool_type", "replicated", "rule", rule, "size", size)},
			[]question{ask("osd pool application enable", "pool", name, "app", rbdUse)}
	}
	p := k.osd.Pools[i]
	if p.Rule != ruleID {
		pools = append(pools, ask("osd pool set", "pool", name, "var", "crush_rule", "val", rule))
	}
	if p.Size != size {
		q := ask("osd pool set", "pool", name, "var", "size", "val", strconv.Itoa(size))
		if size == 1 {
			q.Command["yes_i_really_mean_it"] = true
		}
		pools = append(pools, q)
	}
	if _, used := p.Uses[rbdUse]; !used && name != devicePool {
		uses = append(uses, ask("osd pool application enable", "pool", name, "app", rbdUse))
	}
	return pools, uses
}
