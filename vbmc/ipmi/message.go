package ipmi

// messages are the global enables and message flags.
type messages struct{}

// messageCommands are global enables, message flags, Get and Send Message (22.1 to
// 22.9).
func messageCommands() map[uint16]command { return nil }
