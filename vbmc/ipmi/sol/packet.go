// Package sol is the character transfer of Serial over LAN (IPMI v2.0 section 15):
// packets and the state of one end of an active SOL payload. It knows no socket, no
// clock and no session; both ends are alike but for the meaning of some status bits.
package sol

import "errors"

// ErrShort is a payload without the four bytes of header.
var ErrShort = errors.New("SOL packet is too short")

// NACK is the one bit that both ends set (table 15-2): not all characters were taken.
const NACK = 0x40

// Operations that the console asks for (table 15-2).
const (
	OpBreak         = 0x10
	OpPause         = 0x08 // CTS is taken away: the machine is to send nothing
	OpFlushInbound  = 0x02 // what was typed before this packet and is not yet at the machine
	OpFlushOutbound = 0x01
)

// Status bits that the BMC tells (table 15-2).
const (
	StatusUnavailable = 0x20 // of a NACK: there is no machine that reads; of an end: none to be had
	StatusDeactivated = 0x10
	StatusOverrun     = 0x08
)

const headerLen = 4

// Packet is one SOL payload (15.9).
type Packet struct {
	Seq   byte // 1 to 15; 0: nothing but an acknowledgement
	Ack   byte // sequence number that is acknowledged; 0: none
	Count byte // characters of it that were accepted
	Op    byte // operation or status
	Data  []byte
}

// Parse reads a decrypted SOL payload.
func Parse(b []byte) (Packet, error) {
	if len(b) < headerLen {
		return Packet{}, ErrShort
	}
	return Packet{Seq: b[0] & 0x0f, Ack: b[1] & 0x0f, Count: b[2], Op: b[3], Data: b[headerLen:]}, nil
}

// Append writes the packet.
func (p Packet) Append(b []byte) []byte {
	return append(append(b, p.Seq, p.Ack, p.Count, p.Op), p.Data...)
}

// next is the sequence number after n; 0 is not one.
func next(n byte) byte { return n%15 + 1 }

// ahead is how many steps b is after a in the circle of 15.
func ahead(a, b byte) int { return (int(b) - int(a) + 15) % 15 }
