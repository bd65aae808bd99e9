package ipmi

// sysInfo are the System Info Parameters (22.14).
type sysInfo struct{}

// sysInfoCommands are Set and Get System Info Parameters (22.14a, b).
func sysInfoCommands() map[uint16]command { return nil }

func (b *BMC) loadSysInfo() error { return nil }
