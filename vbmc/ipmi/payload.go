package ipmi

// payloadCommands are the RMCP+ payload commands of App (section 24).
func payloadCommands() map[uint16]command { return nil }
