package resource

// Key names a resource in events and in a unit's restart_on: its type, a colon
// and what is unique in it, e.g. "file:/etc/hosts", "unit:mariadb".
func (r Resource) Key() string { return r.Type + ":" + r.name() }

func (r Resource) name() string {
	switch {
	case r.File != nil:
		return r.File.Path
	case r.Directory != nil:
		return r.Directory.Path
	case r.Link != nil:
		return r.Link.Path
	case r.Sysctl != nil:
		return r.Sysctl.Key
	case r.KernelModule != nil:
		return r.KernelModule.Name
	case r.Unit != nil:
		return r.Unit.Name
	case r.MySQLDatabase != nil:
		return r.MySQLDatabase.Name
	case r.MySQLUser != nil:
		return r.MySQLUser.Name
	case r.OVSBridge != nil:
		return r.OVSBridge.Name
	case r.OVSPort != nil:
		return r.OVSPort.Name
	case r.Exec != nil:
		return r.Exec.Name
	case r.Wait != nil:
		return r.Wait.Name
	case r.Disks != nil:
		return "data"
	}
	return ""
}
