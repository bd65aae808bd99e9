// Package resource is the vocabulary of what a service template may ask of a
// node: a file, a service, a database, an OVS bridge … Service templates write
// resources in role_data.step_config, the plan carries them, os-apply-config
// makes them so. The package is pure: it decodes and checks, it changes nothing.
package resource

// Document is one step of one node: what os-apply-config gets on standard input.
type Document struct {
	Stack     string     `json:"stack"`
	Node      string     `json:"node"`
	Role      string     `json:"role"`
	Step      int        `json:"step"` // 1–5
	Hash      string     `json:"hash"` // of the resources; unchanged means nothing to do
	Resources []Resource `json:"resources"`
}

// Resource is one thing to make so. Exactly one of the pointers is set, the one
// that Type names. Resources are applied in order; each is idempotent.
type Resource struct {
	Type    string `json:"type" yaml:"type"`
	Service string `json:"service,omitempty" yaml:"-"` // the service template it came from

	File              *File              `json:"file,omitempty" yaml:"file,omitempty"`
	Directory         *Directory         `json:"directory,omitempty" yaml:"directory,omitempty"`
	Link              *Link              `json:"link,omitempty" yaml:"link,omitempty"`
	Sysctl            *Sysctl            `json:"sysctl,omitempty" yaml:"sysctl,omitempty"`
	KernelModule      *KernelModule      `json:"kernel_module,omitempty" yaml:"kernel_module,omitempty"`
	Unit              *Unit              `json:"unit,omitempty" yaml:"unit,omitempty"`
	MySQLDatabase     *MySQLDatabase     `json:"mysql_database,omitempty" yaml:"mysql_database,omitempty"`
	MySQLUser         *MySQLUser         `json:"mysql_user,omitempty" yaml:"mysql_user,omitempty"`
	KeystoneBootstrap *KeystoneBootstrap `json:"keystone_bootstrap,omitempty" yaml:"keystone_bootstrap,omitempty"`
	OVSBridge         *OVSBridge         `json:"ovs_bridge,omitempty" yaml:"ovs_bridge,omitempty"`
	OVSPort           *OVSPort           `json:"ovs_port,omitempty" yaml:"ovs_port,omitempty"`
	Exec              *Exec              `json:"exec,omitempty" yaml:"exec,omitempty"`
	Wait              *Wait              `json:"wait,omitempty" yaml:"wait,omitempty"`
	Disks             *Disks             `json:"disks,omitempty" yaml:"disks,omitempty"`
	Packages          *Packages          `json:"packages,omitempty" yaml:"packages,omitempty"`
	NetworkConfig     *NetworkConfig     `json:"network_config,omitempty" yaml:"network_config,omitempty"`
	CephMon           *CephMon           `json:"ceph_mon,omitempty" yaml:"ceph_mon,omitempty"`
	CephOSD           *CephOSD           `json:"ceph_osd,omitempty" yaml:"ceph_osd,omitempty"`
	CephCluster       *CephCluster       `json:"ceph_cluster,omitempty" yaml:"ceph_cluster,omitempty"`
	CephHealth        *CephHealth        `json:"ceph_health,omitempty" yaml:"ceph_health,omitempty"`
	LibvirtSecret     *LibvirtSecret     `json:"libvirt_secret,omitempty" yaml:"libvirt_secret,omitempty"`
	Probe             *Probe             `json:"probe,omitempty" yaml:"probe,omitempty"`
}

// File is a whole file, written atomically. Secret content never shows in output.
type File struct {
	Path    string `json:"path" yaml:"path"`
	Content string `json:"content" yaml:"content"`
	Mode    string `json:"mode,omitempty" yaml:"mode,omitempty"` // octal text, default 0644
	Owner   string `json:"owner,omitempty" yaml:"owner,omitempty"`
	Group   string `json:"group,omitempty" yaml:"group,omitempty"`
	Secret  bool   `json:"secret,omitempty" yaml:"secret,omitempty"`
}

// Directory with its parents; Mode, Owner and Group are those of the last one.
type Directory struct {
	Path  string `json:"path" yaml:"path"`
	Mode  string `json:"mode,omitempty" yaml:"mode,omitempty"` // default 0755
	Owner string `json:"owner,omitempty" yaml:"owner,omitempty"`
	Group string `json:"group,omitempty" yaml:"group,omitempty"`
}

// Link is a symbolic link; an empty Target means the link must not be there.
type Link struct {
	Path   string `json:"path" yaml:"path"`
	Target string `json:"target" yaml:"target"`
}

// Sysctl sets a kernel setting now and for the next boots.
type Sysctl struct {
	Key   string `json:"key" yaml:"key"`
	Value string `json:"value" yaml:"value"`
}

// KernelModule loads a module now and at the next boots.
type KernelModule struct {
	Name string `json:"name" yaml:"name"`
}

// Unit is a systemd unit. It is restarted (or reloaded) when a resource of the
// same step whose key is in RestartOn changed, e.g. "file:/etc/keystone/keystone.conf";
// a key that ends in "*" is a prefix.
type Unit struct {
	Name      string   `json:"name" yaml:"name"`                           // mariadb, openvswitch-switch
	State     string   `json:"state" yaml:"state"`                         // started (default) or stopped
	Enabled   *bool    `json:"enabled,omitempty" yaml:"enabled,omitempty"` // default true
	RestartOn []string `json:"restart_on,omitempty" yaml:"restart_on,omitempty"`
	Reload    bool     `json:"reload,omitempty" yaml:"reload,omitempty"`
	NoBlock   bool     `json:"no_block,omitempty" yaml:"no_block,omitempty"` // do not wait for the start job
}

// MySQLDatabase is made through the node's own server and root's socket login.
type MySQLDatabase struct {
	Name    string `json:"name" yaml:"name"`
	Charset string `json:"charset,omitempty" yaml:"charset,omitempty"` // default utf8mb3
}

// MySQLUser with all privileges on Databases, at each of Hosts.
type MySQLUser struct {
	Name      string   `json:"name" yaml:"name"`
	Password  string   `json:"password" yaml:"password"`
	Hosts     []string `json:"hosts,omitempty" yaml:"hosts,omitempty"` // default localhost and %
	Databases []string `json:"databases" yaml:"databases"`
}

// OVSBridge is an Open vSwitch bridge. FailMode, standalone or secure, is that of a new one;
// one that is there keeps its own, which Neutron's agent may have set since.
// Ports are plain interfaces to add.
type OVSBridge struct {
	Name     string   `json:"name" yaml:"name"`
	Ports    []string `json:"ports,omitempty" yaml:"ports,omitempty"`
	FailMode string   `json:"fail_mode,omitempty" yaml:"fail_mode,omitempty"`
}

// OVSPort is a port with an interface type (vxlan, patch, internal) and its options.
type OVSPort struct {
	Bridge  string            `json:"bridge" yaml:"bridge"`
	Name    string            `json:"name" yaml:"name"`
	Type    string            `json:"type" yaml:"type"`
	Options map[string]string `json:"options,omitempty" yaml:"options,omitempty"`
}

// Exec runs a program (no shell) where no declared resource will do. Creates or
// Unless must say when it need not run; Unless runs as root, Command as User.
// Timeout is in seconds, default 300.
type Exec struct {
	Name    string            `json:"name" yaml:"name"` // for people and RestartOn
	Command []string          `json:"command" yaml:"command"`
	User    string            `json:"user,omitempty" yaml:"user,omitempty"`
	Env     map[string]string `json:"env,omitempty" yaml:"env,omitempty"` // where secrets go: never on the command line
	Creates string            `json:"creates,omitempty" yaml:"creates,omitempty"`
	Unless  []string          `json:"unless,omitempty" yaml:"unless,omitempty"`
	Timeout int               `json:"timeout,omitempty" yaml:"timeout,omitempty"`
	Hint    string            `json:"hint,omitempty" yaml:"hint,omitempty"` // what to do when it fails
}

// Wait holds the step until something real answers. Exactly one of TCP, HTTP,
// Unix, SQL, Ceph is set. SQL is a query to the node's own MariaDB, as its root; it is
// answered when it returns no rows, and its rows are what is still missing. On time-out the
// last lines of Log or of Unit's journal are reported.
type Wait struct {
	Name    string `json:"name" yaml:"name"`
	TCP     string `json:"tcp,omitempty" yaml:"tcp,omitempty"`   // host:port
	HTTP    string `json:"http,omitempty" yaml:"http,omitempty"` // URL; any status below 500 unless Status is set
	Status  int    `json:"status,omitempty" yaml:"status,omitempty"`
	Unix    string `json:"unix,omitempty" yaml:"unix,omitempty"`
	SQL     string `json:"sql,omitempty" yaml:"sql,omitempty"`
	Ceph    string `json:"ceph,omitempty" yaml:"ceph,omitempty"` // a Ceph daemon of this node, mon.NAME or osd.NUMBER: in quorum, active
	Unit    string `json:"unit,omitempty" yaml:"unit,omitempty"`
	Log     string `json:"log,omitempty" yaml:"log,omitempty"`
	Timeout int    `json:"timeout,omitempty" yaml:"timeout,omitempty"` // seconds, default 300
}

// Disks checks that the node has data disks beside the one it runs from:
// at least Count of at least MinSizeGB, without partitions, filesystem or use. One of the
// size that holds something, and is not used, is refused too: it would be taken with them.
type Disks struct {
	Count     int      `json:"count" yaml:"count"`
	MinSizeGB int      `json:"min_size_gb" yaml:"min_size_gb"`
	Devices   []string `json:"devices,omitempty" yaml:"devices,omitempty"` // empty: all but those over a network
	Hint      string   `json:"hint,omitempty" yaml:"hint,omitempty"`       // what to do where they do not serve
}

// Packages checks that the image has what a service needs. Nothing is installed:
// images hold all packages. The plan puts one before the first step of each service.
type Packages struct {
	Names []string `json:"names" yaml:"names"` // Debian packages, or names that others provide
}

// Event is one line of what os-apply-config prints on standard output (JSON lines).
type Event struct {
	Event   string   `json:"event"`         // begun, start, unchanged, changed, failed, waiting, told, verified, done
	Key     string   `json:"key,omitempty"` // file:/etc/hosts, unit:mariadb …
	Step    int      `json:"step"`
	MS      int64    `json:"ms"`
	Error   string   `json:"error,omitempty"`
	Hint    string   `json:"hint,omitempty"`
	Tail    []string `json:"tail,omitempty"`    // last log lines of what failed
	Changed int      `json:"changed,omitempty"` // with done: how many changed
	Missing string   `json:"missing,omitempty"` // with waiting: what did not answer yet
	Told    string   `json:"told,omitempty"`    // with told: what a person is to know, and is no failure
	Usage   *Usage   `json:"usage,omitempty"`   // with begun, waiting, failed, done; nil: not told
}

// Usage is what a machine has used. Two of one boot tell what it used in between.
type Usage struct {
	Boot      string `json:"boot"`                 // changes with each start of the machine
	CPUMS     int64  `json:"cpu_ms"`               // user and system time of all processors since then, in milliseconds
	MemoryMiB int64  `json:"memory_mib,omitempty"` // in use now; 0: not told
}
