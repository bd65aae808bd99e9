package ipmi

// eventCommands are the event commands of Sensor/Event (section 29).
func eventCommands() map[uint16]command { return nil }
