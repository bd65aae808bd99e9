package ipmi

// sdrCommands are the SDR repository commands of Storage (section 33).
func sdrCommands() map[uint16]command { return nil }
