package resource

import (
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strings"
)

// CephMon makes the store of a Ceph monitor, once. The daemon is a unit of its
// own. Members and Addresses are lists joined by commas, in the same order, as
// %{ceph_mon_node_names} gives them.
type CephMon struct {
	ID        string `json:"id" yaml:"id"` // the node's name
	FSID      string `json:"fsid" yaml:"fsid"`
	Members   string `json:"members" yaml:"members"`
	Addresses string `json:"addresses" yaml:"addresses"`
	Keyrings  string `json:"keyrings" yaml:"keyrings"` // directory; its *.keyring files are what the cluster knows at first
}

// CephOSD makes an OSD of every data disk of the node, starts it, and waits
// until the monitors have taken it in. A disk that carries an OSD of the same
// cluster is kept; one with other data is refused unless Zap is set.
type CephOSD struct {
	FSID      string   `json:"fsid" yaml:"fsid"`
	Keyring   string   `json:"keyring" yaml:"keyring"`                     // file with the key of client.bootstrap-osd
	Devices   []string `json:"devices,omitempty" yaml:"devices,omitempty"` // empty: every disk that nothing is mounted from
	MinSizeGB int      `json:"min_size_gb" yaml:"min_size_gb"`             // smaller disks are left alone
	Zap       bool     `json:"zap,omitempty" yaml:"zap,omitempty"`         // overwrite what is on a disk
	Timeout   int      `json:"timeout,omitempty" yaml:"timeout,omitempty"` // seconds for the OSDs to become active, default 300
}

// CephCluster sees to what the monitors keep: the clients' keys and
// capabilities, the pools, how many copies they have and on what. Size 0 means
// as many copies as machines with OSDs, at most 3; with one machine as it has OSDs.
type CephCluster struct {
	Keyrings string   `json:"keyrings" yaml:"keyrings"` // as in CephMon
	Pools    []string `json:"pools" yaml:"pools"`
	Size     int      `json:"size" yaml:"size"`
	PGNum    int      `json:"pg_num" yaml:"pg_num"` // placement groups of a new pool

	// Revision changes when the keyrings or the machines do, so that the step is taken again.
	Revision string `json:"revision,omitempty" yaml:"revision,omitempty"`
	// Config are Ceph's options that the monitors keep and tell the daemons at
	// once, by name, or by kind of daemon and name: osd/osd_memory_target.
	Config map[string]string `json:"config,omitempty" yaml:"config,omitempty"`
}

// CephHealth waits until a manager is there, every machine of OSDHosts (joined
// by commas) has OSDs that are all up and in, and the cluster says HEALTH_OK. Monitors
// (likewise) are those that the plan knows: of others that are no part of the quorum it tells
// how they leave Ceph's map.
type CephHealth struct {
	OSDHosts string `json:"osd_hosts" yaml:"osd_hosts"`
	Monitors string `json:"monitors,omitempty" yaml:"monitors,omitempty"` // empty: nothing is said of them
	Timeout  int    `json:"timeout,omitempty" yaml:"timeout,omitempty"`   // seconds, default 300
}

// LibvirtSecret gives libvirt the key in KeyFile (Ceph's base64 text) under UUID,
// for virtual machines with disks of Ceph.
type LibvirtSecret struct {
	UUID    string `json:"uuid" yaml:"uuid"`
	Usage   string `json:"usage" yaml:"usage"` // for people: client.openstack secret
	KeyFile string `json:"key_file" yaml:"key_file"`
}

var (
	uuidText   = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	cephID     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$`)
	cephOption = regexp.MustCompile(`^((global|mon|mgr|osd|client)/)?[a-z][a-z0-9_/]*$`)
	cephDaemon = regexp.MustCompile(`^(mon\.[A-Za-z0-9][A-Za-z0-9_.-]{0,127}|osd\.[0-9]{1,6})$`)
)

// SplitList takes a list apart that was joined by commas; nothing gives nothing.
func SplitList(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}

func (c *checker) ceph(r Resource) {
	switch {
	case r.CephMon != nil:
		c.cephMon(r.CephMon)
	case r.CephOSD != nil:
		o := r.CephOSD
		c.want(uuidText.MatchString(o.FSID), "ceph_osd.fsid: %q is not a UUID in lower case", o.FSID)
		c.path("ceph_osd.keyring", o.Keyring)
		c.want(o.MinSizeGB >= 0, "ceph_osd.min_size_gb: %d is below zero", o.MinSizeGB)
		c.want(o.Timeout >= 0, "ceph_osd.timeout: %d is below zero", o.Timeout)
		c.devices("ceph_osd.devices", o.Devices)
	case r.CephCluster != nil:
		k := r.CephCluster
		c.path("ceph_cluster.keyrings", k.Keyrings)
		c.want(k.Size >= 0 && k.Size <= 10, "ceph_cluster.size: %d is not 0 (automatic) to 10 copies", k.Size)
		c.want(k.PGNum >= 1 && k.PGNum <= 65536, "ceph_cluster.pg_num: %d is not one of 1 to 65536", k.PGNum)
		for i, p := range k.Pools {
			c.want(cephID.MatchString(p), "ceph_cluster.pools[%d]: %q is not a name of a pool", i, p)
		}
		for name := range k.Config {
			c.want(cephOption.MatchString(name), "ceph_cluster.config: %q is not like osd_max_backfills or osd/osd_max_backfills", name)
		}
	case r.CephHealth != nil:
		c.want(len(SplitList(r.CephHealth.OSDHosts)) > 0, "ceph_health.osd_hosts: no machine is named")
		c.want(r.CephHealth.Timeout >= 0, "ceph_health.timeout: %d is below zero", r.CephHealth.Timeout)
	case r.LibvirtSecret != nil:
		c.want(uuidText.MatchString(r.LibvirtSecret.UUID), "libvirt_secret.uuid: %q is not a UUID in lower case", r.LibvirtSecret.UUID)
		c.want(r.LibvirtSecret.Usage != "" && !strings.ContainsAny(r.LibvirtSecret.Usage, "<>&\n"), "libvirt_secret.usage: must be a line of plain text")
		c.path("libvirt_secret.key_file", r.LibvirtSecret.KeyFile)
	}
}

// devices are paths below /dev, each once: a disk that is listed twice would be written by two.
func (c *checker) devices(field string, list []string) {
	for i, p := range list {
		c.want(strings.HasPrefix(p, "/dev/") && path.Clean(p) == p, "%s[%d]: %q is not the path of a disk below /dev", field, i, p)
		c.want(!slices.Contains(list[:i], p), "%s[%d]: %q is listed twice", field, i, p)
	}
}

func (c *checker) cephMon(m *CephMon) {
	c.want(cephID.MatchString(m.ID), "ceph_mon.id: %q is not a name", m.ID)
	c.want(uuidText.MatchString(m.FSID), "ceph_mon.fsid: %q is not a UUID in lower case", m.FSID)
	c.path("ceph_mon.keyrings", m.Keyrings)
	names, addresses := SplitList(m.Members), SplitList(m.Addresses)
	c.want(len(names) > 0 && len(names) == len(addresses), "ceph_mon.members: %d names and %d addresses; expected one address a name", len(names), len(addresses))
	own := false
	for i, n := range names {
		c.want(cephID.MatchString(n), "ceph_mon.members[%d]: %q is not a name", i, n)
		own = own || n == m.ID
	}
	c.want(own, "ceph_mon.members: %q itself is not among them", m.ID)
	for i, a := range addresses {
		_, err := netip.ParseAddr(a)
		c.want(err == nil, "ceph_mon.addresses[%d]: %q is not an IP address", i, a)
	}
}
