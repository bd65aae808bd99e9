package ipmi

// dcmiState is the power limit, the asset tag and the management controller's name.
type dcmiState struct{}

// dcmiCommands are the commands of DCMI 1.5 (group extension DCh).
func dcmiCommands() map[uint16]command { return nil }

func (b *BMC) loadDCMI() error { return nil }
