package ipmi

// fruData is the FRU inventory of the machine.
type fruData struct{}

// fruCommands are the FRU inventory commands of Storage (section 34).
func fruCommands() map[uint16]command { return nil }

func (b *BMC) loadFRU() error { return nil }
