// Package wire is the pure codec of IPMI over LAN: RMCP, ASF presence ping, the
// session headers of IPMI 1.5 and 2.0 (RMCP+), RAKP payloads, IPMI messages and
// the cryptography between them. It reads and writes bytes only: no sockets, no
// clock, no sessions.
//
// Source: IPMI v2.0 rev 1.1 section 13 (the section of each type is named there);
// ASF 2.0 section 3.2.4.
package wire

import (
	"encoding/binary"
	"errors"
)

// Errors of parsing. A server drops such packets without an answer.
var (
	ErrShort     = errors.New("packet is too short")
	ErrLength    = errors.New("length field and packet disagree")
	ErrVersion   = errors.New("not RMCP version 1.0")
	ErrClass     = errors.New("RMCP class is neither ASF nor IPMI")
	ErrChecksum  = errors.New("IPMI message checksum is wrong")
	ErrDirection = errors.New("IPMI message is a response where a request was expected, or the other way round")
	ErrAuthCode  = errors.New("integrity check value is wrong")
	ErrCrypt     = errors.New("payload does not decrypt")
	ErrPayload   = errors.New("payload is not of the expected form")
)

// Class is the message class of an RMCP header (13.1.3).
type Class byte

// The classes a BMC speaks.
const (
	ClassASF  Class = 6
	ClassIPMI Class = 7
)

const (
	rmcpVersion = 6
	rmcpNoAck   = 0xff
	rmcpLen     = 4
	asfIANA     = 4542
	asfPong     = 0x40
	asfPing     = 0x80
	nextHeader  = 0x07
)

// AuthType is the first byte of a session header; RMCPPlus marks IPMI 2.0.
type AuthType byte

// The authentication types this codec tells apart (13.6).
const (
	AuthNone AuthType = 0
	RMCPPlus AuthType = 6
)

// PayloadType is the content of an RMCP+ packet (13.27.3).
type PayloadType byte

// Payload types.
const (
	PayloadIPMI         PayloadType = 0x00
	PayloadSOL          PayloadType = 0x01
	PayloadOpenRequest  PayloadType = 0x10
	PayloadOpenResponse PayloadType = 0x11
	PayloadRAKP1        PayloadType = 0x12
	PayloadRAKP2        PayloadType = 0x13
	PayloadRAKP3        PayloadType = 0x14
	PayloadRAKP4        PayloadType = 0x15
)

// ParseRMCP splits a datagram into its class and the rest. An RMCP ACK (bit 7 of
// the class) is ErrClass: a BMC has nothing to say to it.
func ParseRMCP(b []byte) (Class, []byte, error) {
	if len(b) < rmcpLen {
		return 0, nil, ErrShort
	}
	if b[0] != rmcpVersion {
		return 0, nil, ErrVersion
	}
	switch c := Class(b[3]); c {
	case ClassASF, ClassIPMI:
		return c, b[rmcpLen:], nil
	}
	return 0, nil, ErrClass
}

func appendRMCP(b []byte, c Class) []byte { return append(b, rmcpVersion, 0, rmcpNoAck, byte(c)) }

// ParsePing returns the tag of an ASF presence ping.
func ParsePing(b []byte) (tag byte, err error) {
	if len(b) < 8 {
		return 0, ErrShort
	}
	if binary.BigEndian.Uint32(b) != asfIANA || b[4] != asfPing {
		return 0, ErrPayload
	}
	return b[5], nil
}

// BuildPong answers a presence ping: IPMI is supported (ASF 2.0 3.2.4.3).
func BuildPong(tag byte) []byte {
	b := appendRMCP(nil, ClassASF)
	b = binary.BigEndian.AppendUint32(b, asfIANA)
	b = append(b, asfPong, tag, 0, 16)
	b = binary.BigEndian.AppendUint32(b, asfIANA)
	b = append(b, 0, 0, 0, 0)          // OEM defined
	b = append(b, 0x81, 0)             // IPMI, ASF 1.0; no interactions
	return append(b, 0, 0, 0, 0, 0, 0) // reserved
}

// V15 is a packet of IPMI 1.5 (13.6). With AuthNone it has no code.
type V15 struct {
	Auth      AuthType
	Sequence  uint32
	SessionID uint32
	Payload   []byte
}

// V20 is a packet of IPMI 2.0 (13.6), not yet authenticated or decrypted.
type V20 struct {
	Type          PayloadType
	Encrypted     bool
	Authenticated bool
	SessionID     uint32
	Sequence      uint32
	Payload       []byte // as on the wire: encrypted if Encrypted
	raw           []byte // the whole packet, for the integrity check
}

// IsV20 tells which session header follows.
func IsV20(b []byte) bool { return len(b) > 0 && AuthType(b[0]) == RMCPPlus }

// ParseV15 reads an IPMI 1.5 session header.
func ParseV15(b []byte) (V15, error) {
	if len(b) < 10 {
		return V15{}, ErrShort
	}
	p := V15{Auth: AuthType(b[0]), Sequence: binary.LittleEndian.Uint32(b[1:]), SessionID: binary.LittleEndian.Uint32(b[5:])}
	b = b[9:]
	if p.Auth != AuthNone {
		if len(b) < 17 {
			return V15{}, ErrShort
		}
		b = b[16:]
	}
	n := int(b[0])
	// One pad byte may follow: some packet lengths are forbidden by old chips (13.6).
	if len(b)-1 < n || len(b)-1 > n+1 {
		return V15{}, ErrLength
	}
	p.Payload = b[1 : 1+n]
	return p, nil
}

// Append writes the packet with its RMCP header; only AuthNone can be written.
func (p V15) Append(b []byte) []byte {
	b = appendRMCP(b, ClassIPMI)
	b = append(b, byte(AuthNone))
	b = binary.LittleEndian.AppendUint32(b, p.Sequence)
	b = binary.LittleEndian.AppendUint32(b, p.SessionID)
	b = append(b, byte(len(p.Payload)))
	return append(b, p.Payload...)
}

// ParseV20 reads an RMCP+ session header. b begins at the authentication type.
func ParseV20(b []byte) (V20, error) {
	if len(b) < 12 {
		return V20{}, ErrShort
	}
	p := V20{Type: PayloadType(b[1] & 0x3f), Encrypted: b[1]&0x80 != 0, Authenticated: b[1]&0x40 != 0}
	if p.Type == 2 { // OEM explicit has another header; no BMC of ours speaks it
		return V20{}, ErrPayload
	}
	p.SessionID = binary.LittleEndian.Uint32(b[2:])
	p.Sequence = binary.LittleEndian.Uint32(b[6:])
	n := int(binary.LittleEndian.Uint16(b[10:]))
	rest := b[12:]
	if len(rest) < n {
		return V20{}, ErrLength
	}
	p.Payload = rest[:n]
	if !p.Authenticated {
		return p, nil
	}
	p.raw = b
	return p, nil
}

// trailer splits an authenticated packet into what is signed and the code: pad
// bytes, pad length and next header 07h stand between payload and code (13.6).
// Clients pad differently, so the pad length on the wire is what counts.
func (p V20) trailer(codeLen int) (signed, code []byte, err error) {
	end := len(p.raw) - codeLen
	if end < 12+len(p.Payload)+2 {
		return nil, nil, ErrLength
	}
	signed, code = p.raw[:end], p.raw[end:]
	if signed[end-1] != nextHeader || 12+len(p.Payload)+int(signed[end-2])+2 != end {
		return nil, nil, ErrLength
	}
	return signed, code, nil
}

// appendHeader writes RMCP and session header for a payload of n bytes.
func (p V20) appendHeader(b []byte, n int) []byte {
	b = appendRMCP(b, ClassIPMI)
	t := byte(p.Type)
	if p.Encrypted {
		t |= 0x80
	}
	if p.Authenticated {
		t |= 0x40
	}
	b = append(b, byte(RMCPPlus), t)
	b = binary.LittleEndian.AppendUint32(b, p.SessionID)
	b = binary.LittleEndian.AppendUint32(b, p.Sequence)
	return binary.LittleEndian.AppendUint16(b, uint16(n))
}

// AppendPlain writes a packet without encryption and integrity: RAKP payloads
// and messages outside a session.
func (p V20) AppendPlain(b []byte) []byte {
	p.Encrypted, p.Authenticated = false, false
	if b == nil {
		b = make([]byte, 0, rmcpLen+12+len(p.Payload))
	}
	return append(p.appendHeader(b, len(p.Payload)), p.Payload...)
}
