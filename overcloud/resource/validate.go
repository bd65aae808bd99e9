package resource

import (
	"fmt"
	"net"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/go-multierror"

	"trefoil/internal/errs"
)

var (
	unitName    = regexp.MustCompile(`^[A-Za-z0-9:_.@\\-]{1,250}$`)
	sqlName     = regexp.MustCompile(`^[A-Za-z0-9_]{1,64}$`)
	sqlUser     = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,80}$`)
	sqlHost     = regexp.MustCompile(`^[A-Za-z0-9_.%:/-]{1,255}$`)
	ovsName     = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,15}$`)
	userName    = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,31}$`)
	moduleName  = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	sysctlKey   = regexp.MustCompile(`^[A-Za-z0-9_*-]+([./][A-Za-z0-9_*-]+)+$`)
	optionName  = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	packageName = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]{1,127}$`) // Debian policy 5.6.1
	envName     = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// Validate checks a document without touching anything. All mistakes come in
// one error; each names the resource by its index, its service and its field.
// Secret values are not quoted.
func Validate(d *Document) error {
	var all *multierror.Error
	if d.Step < 1 || d.Step > 5 {
		all = multierror.Append(all, fmt.Errorf("step: %d is not one of 1 to 5", d.Step))
	}
	before := map[string][]string{} // by service: services of a step are applied beside each other
	seen := map[string]int{}
	for i, r := range d.Resources {
		for _, err := range check(r) {
			all = multierror.Append(all, locate(i, r, err))
		}
		if r.Unit != nil {
			for _, err := range restartOn(r.Unit, before[r.Service]) {
				all = multierror.Append(all, locate(i, r, err))
			}
		}
		key := r.Key()
		if j, dup := seen[key]; dup && r.Wait == nil && r.Unit == nil && !same(d.Resources[j], r) {
			all = multierror.Append(all, locate(i, r, fmt.Errorf("resources[%d] (service %q) says something else about the same thing", j, d.Resources[j].Service)))
		}
		seen[key] = i
		before[r.Service] = append(before[r.Service], key)
	}
	if all == nil {
		return nil
	}
	all.ErrorFormat = func(list []error) string {
		lines := make([]string, len(list))
		for i, e := range list {
			lines[i] = e.Error()
		}
		return strings.Join(lines, "\n")
	}
	return errs.New(errs.Invalid, "%s", all.Error()).WithHint("correct the service template that the resource comes from")
}

func same(a, b Resource) bool {
	a.Service, b.Service = "", ""
	return Sum([]Resource{a}) == Sum([]Resource{b})
}

func locate(i int, r Resource, err error) error {
	at := fmt.Sprintf("resources[%d]", i)
	if r.Service != "" {
		at += " (service " + r.Service + ")"
	}
	return fmt.Errorf("%s %s: %w", at, r.Key(), err)
}

// restartOn finds keys that can never match: no resource before the unit has them.
func restartOn(u *Unit, before []string) (out []error) {
	for i, p := range u.RestartOn {
		if !slices.ContainsFunc(before, func(k string) bool { return Matches(p, k) }) {
			out = append(out, fmt.Errorf("unit.restart_on[%d]: no resource %q of the same service stands before the unit in this step", i, p))
		}
	}
	return out
}

// fields maps the type to the part that must be set.
func (r Resource) fields() map[string]bool {
	return map[string]bool{
		"file": r.File != nil, "directory": r.Directory != nil, "link": r.Link != nil, "sysctl": r.Sysctl != nil,
		"kernel_module": r.KernelModule != nil, "unit": r.Unit != nil, "mysql_database": r.MySQLDatabase != nil,
		"mysql_user": r.MySQLUser != nil, "keystone_bootstrap": r.KeystoneBootstrap != nil,
		"ovs_bridge": r.OVSBridge != nil, "ovs_port": r.OVSPort != nil,
		"exec": r.Exec != nil, "wait": r.Wait != nil, "disks": r.Disks != nil,
		"packages": r.Packages != nil, "network_config": r.NetworkConfig != nil,
		"ceph_mon": r.CephMon != nil, "ceph_osd": r.CephOSD != nil, "ceph_cluster": r.CephCluster != nil,
		"ceph_health": r.CephHealth != nil, "libvirt_secret": r.LibvirtSecret != nil, "probe": r.Probe != nil,
	}
}

// checker collects the mistakes of one resource.
type checker struct{ errs []error }

func (c *checker) want(ok bool, format string, args ...any) {
	if !ok {
		c.errs = append(c.errs, fmt.Errorf(format, args...))
	}
}

func check(r Resource) []error {
	var c checker
	set, known := r.fields()[r.Type]
	if !known {
		c.want(false, "type: %q is not known", r.Type)
		return c.errs
	}
	for name, is := range r.fields() {
		c.want(!is || name == r.Type, "%s: set, but the type is %s", name, r.Type)
	}
	if !set {
		c.want(false, "%s: missing, although it is the type", r.Type)
		return c.errs
	}
	switch r.Type {
	case "file", "directory", "link":
		c.files(r)
	case "sysctl":
		c.want(sysctlKey.MatchString(r.Sysctl.Key), "sysctl.key: %q is not like net.ipv4.ip_forward", r.Sysctl.Key)
		c.want(!strings.ContainsAny(r.Sysctl.Value, "\n\x00") && r.Sysctl.Value != "", "sysctl.value: must be one line")
	case "kernel_module":
		c.want(moduleName.MatchString(r.KernelModule.Name), "kernel_module.name: %q is not a module name", r.KernelModule.Name)
	case "unit":
		c.want(unitName.MatchString(r.Unit.Name) && !strings.HasPrefix(r.Unit.Name, "-"), "unit.name: %q is not a unit name", r.Unit.Name)
		c.want(slices.Contains([]string{"", "started", "stopped"}, r.Unit.State), "unit.state: %q is neither started nor stopped", r.Unit.State)
	case "mysql_database", "mysql_user":
		c.mysql(r)
	case "keystone_bootstrap":
		c.keystone(r.KeystoneBootstrap)
	case "ovs_bridge", "ovs_port":
		c.ovs(r)
	case "exec":
		c.exec(r.Exec)
	case "wait":
		c.wait(r.Wait)
	case "probe":
		c.probe(r.Probe)
	case "disks":
		c.disks(r.Disks)
	case "network_config":
		c.network(r.NetworkConfig)
	case "packages":
		for i, name := range r.Packages.Names {
			c.want(packageName.MatchString(name), "packages.names[%d]: %q is not the name of a Debian package", i, name)
		}
	default:
		c.ceph(r)
	}
	return c.errs
}

func (c *checker) path(field, p string) {
	c.want(path.IsAbs(p) && path.Clean(p) == p && p != "/" && !strings.Contains(p, "\x00"), "%s: %q is not a clean absolute path", field, p)
}

func (c *checker) owner(field, mode, owner, group string) {
	if mode != "" {
		n, err := strconv.ParseUint(mode, 8, 12)
		c.want(err == nil && n <= 0o7777, "%s.mode: %q is not an octal mode like 0640", field, mode)
	}
	for _, o := range [][2]string{{"owner", owner}, {"group", group}} {
		c.want(o[1] == "" || userName.MatchString(o[1]), "%s.%s: %q is not a user or group name", field, o[0], o[1])
	}
}

func (c *checker) files(r Resource) {
	switch {
	case r.File != nil:
		c.path("file.path", r.File.Path)
		c.owner("file", r.File.Mode, r.File.Owner, r.File.Group)
	case r.Directory != nil:
		c.path("directory.path", r.Directory.Path)
		c.owner("directory", r.Directory.Mode, r.Directory.Owner, r.Directory.Group)
	case r.Link != nil:
		c.path("link.path", r.Link.Path)
		c.want(!strings.Contains(r.Link.Target, "\x00"), "link.target: holds a zero byte")
	}
}

func (c *checker) mysql(r Resource) {
	if d := r.MySQLDatabase; d != nil {
		c.want(sqlName.MatchString(d.Name), "mysql_database.name: %q is not made of letters, digits and _", d.Name)
		c.want(d.Charset == "" || sqlName.MatchString(d.Charset), "mysql_database.charset: %q is not a character set", d.Charset)
		return
	}
	u := r.MySQLUser
	c.want(sqlUser.MatchString(u.Name), "mysql_user.name: %q is not made of letters, digits, _ . and -", u.Name)
	c.want(u.Password != "", "mysql_user.password: must not be empty")
	for i, h := range u.Hosts {
		c.want(sqlHost.MatchString(h), "mysql_user.hosts[%d]: %q is not a host or pattern", i, h)
	}
	for i, d := range u.Databases {
		c.want(sqlName.MatchString(d), "mysql_user.databases[%d]: %q is not made of letters, digits and _", i, d)
	}
}

func (c *checker) ovs(r Resource) {
	if b := r.OVSBridge; b != nil {
		c.want(ovsName.MatchString(b.Name), "ovs_bridge.name: %q is not a device name of at most 15 characters", b.Name)
		c.want(slices.Contains([]string{"", "standalone", "secure"}, b.FailMode), "ovs_bridge.fail_mode: %q is neither standalone nor secure", b.FailMode)
		for i, p := range b.Ports {
			c.want(ovsName.MatchString(p), "ovs_bridge.ports[%d]: %q is not a device name", i, p)
		}
		return
	}
	p := r.OVSPort
	c.want(ovsName.MatchString(p.Bridge), "ovs_port.bridge: %q is not a device name", p.Bridge)
	c.want(ovsName.MatchString(p.Name), "ovs_port.name: %q is not a device name", p.Name)
	c.want(p.Type == "" || optionName.MatchString(p.Type), "ovs_port.type: %q is not an interface type", p.Type)
	for k, v := range p.Options {
		c.want(optionName.MatchString(k), "ovs_port.options: %q is not an option name", k)
		c.want(v != "" && !strings.ContainsAny(v, "\"\\\n"), "ovs_port.options.%s: must not be empty nor hold quotes", k)
	}
}

func (c *checker) exec(e *Exec) {
	c.want(e.Name != "", "exec.name: missing")
	c.want(len(e.Command) > 0 && e.Command[0] != "", "exec.command: missing")
	c.want(e.Creates != "" || len(e.Unless) > 0, "exec: neither creates nor unless is set, so it would run at every deploy")
	if e.Creates != "" {
		c.path("exec.creates", e.Creates)
	}
	c.want(e.User == "" || userName.MatchString(e.User), "exec.user: %q is not a user name", e.User)
	c.want(e.Timeout >= 0, "exec.timeout: %d is below zero", e.Timeout)
	for k := range e.Env {
		c.want(envName.MatchString(k), "exec.env: %q is not the name of an environment variable", k)
	}
}

func (c *checker) wait(w *Wait) {
	c.want(w.Name != "", "wait.name: missing")
	n := 0
	for _, s := range []string{w.TCP, w.HTTP, w.Unix, w.SQL, w.Ceph} {
		if s != "" {
			n++
		}
	}
	c.want(n == 1, "wait: %d of tcp, http, unix, sql and ceph are set; expected one", n)
	if w.TCP != "" {
		_, _, err := net.SplitHostPort(w.TCP)
		c.want(err == nil, "wait.tcp: %q is not host:port", w.TCP)
	}
	if w.HTTP != "" {
		u, err := url.Parse(w.HTTP)
		c.want(err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https"), "wait.http: %q is not an http URL", w.HTTP)
	}
	if w.Unix != "" {
		c.path("wait.unix", w.Unix)
	}
	c.want(w.Ceph == "" || cephDaemon.MatchString(w.Ceph), "wait.ceph: %q is not like mon.NAME or osd.0", w.Ceph)
	c.want(w.Status == 0 || w.Status >= 100 && w.Status <= 599, "wait.status: %d is not an HTTP status", w.Status)
	c.want(w.Timeout >= 0, "wait.timeout: %d is below zero", w.Timeout)
	c.want(w.Unit == "" || unitName.MatchString(w.Unit), "wait.unit: %q is not a unit name", w.Unit)
	if w.Log != "" {
		c.path("wait.log", w.Log)
	}
}

func (c *checker) disks(d *Disks) {
	c.want(d.Count >= 0, "disks.count: %d is below zero", d.Count)
	c.want(d.MinSizeGB >= 0, "disks.min_size_gb: %d is below zero", d.MinSizeGB)
	c.devices("disks.devices", d.Devices)
}
