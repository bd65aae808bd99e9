package ipmi

import "trefoil/vbmc/domain"

// solState is Serial over LAN: its parameters and who has it.
type solState struct{}

// active reports whether a session has SOL. b.mu is held.
func (s *solState) active() bool { return false }

func (b *BMC) loadSOL() error { return nil }

// closeSOL closes the console. b.mu is not held.
func (b *BMC) closeSOL() {}

// solEvent takes an event of the machine; b.mu is not held.
func (b *BMC) solEvent(domain.Event) {}

// solPacket takes a decrypted SOL payload of an open session; what is sent goes out
// by sealAs and session.send. b.mu is held.
func (b *BMC) solPacket(s *session, body []byte) {}
