package ipmi

// solCommands are the SOL configuration commands of Transport (section 26).
func solCommands() map[uint16]command { return nil }
