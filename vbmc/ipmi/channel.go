package ipmi

// channelCommands are Set and Get Channel Access (22.22, 22.23).
func channelCommands() map[uint16]command { return nil }
