package resource

import "strings"

// Key names a resource for events and for RestartOn: its type, a colon, and
// what is unique within the type, e.g. "file:/etc/hosts", "unit:mariadb".
// An invalid resource gives its type alone.
func (r Resource) Key() string {
	name := ""
	switch {
	case r.File != nil:
		name = r.File.Path
	case r.Directory != nil:
		name = r.Directory.Path
	case r.Link != nil:
		name = r.Link.Path
	case r.Sysctl != nil:
		name = r.Sysctl.Key
	case r.KernelModule != nil:
		name = r.KernelModule.Name
	case r.Unit != nil:
		name = r.Unit.Name
	case r.MySQLDatabase != nil:
		name = r.MySQLDatabase.Name
	case r.MySQLUser != nil:
		name = r.MySQLUser.Name
	case r.KeystoneBootstrap != nil:
		name = "admin"
	case r.OVSBridge != nil:
		name = r.OVSBridge.Name
	case r.OVSPort != nil:
		name = r.OVSPort.Name
	case r.Exec != nil:
		name = r.Exec.Name
	case r.Wait != nil:
		name = r.Wait.Name
	case r.Disks != nil:
		name = "data"
	case r.Packages != nil:
		name = r.Service
	case r.NetworkConfig != nil:
		name = "node"
	case r.CephMon != nil:
		name = r.CephMon.ID
	case r.CephOSD != nil, r.CephCluster != nil, r.CephHealth != nil:
		name = "ceph"
	case r.LibvirtSecret != nil:
		name = r.LibvirtSecret.UUID
	case r.Probe != nil:
		name = r.Probe.Name
	}
	return r.Type + ":" + name
}

// Matches tells whether a key is meant by a pattern of RestartOn.
func Matches(pattern, key string) bool {
	if p, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(key, p)
	}
	return pattern == key
}
