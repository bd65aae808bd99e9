package wire

import (
	"bytes"
	"crypto/hmac"
	"encoding/binary"
)

// Status is the RMCP+ status code of a session set-up payload (13.24, table 13-15).
type Status byte

// Status codes.
const (
	StatusOK               Status = 0x00
	StatusNoResources      Status = 0x01
	StatusBadSession       Status = 0x02
	StatusBadAuth          Status = 0x04
	StatusBadIntegrity     Status = 0x05
	StatusBadRole          Status = 0x09
	StatusUnauthorizedRole Status = 0x0a
	StatusBadNameLength    Status = 0x0c
	StatusUnauthorizedName Status = 0x0d
	StatusBadCheckValue    Status = 0x0f
	StatusBadCrypt         Status = 0x10
	StatusNoSuite          Status = 0x11
)

// OpenRequest is the Open Session Request (13.17). Each list holds the proposed
// algorithms of one kind; an empty list means "the BMC chooses".
type OpenRequest struct {
	Tag       byte
	Privilege byte // 0: the highest one
	ConsoleID uint32
	Auth      []byte
	Integrity []byte
	Crypt     []byte
}

// ParseOpenRequest reads an Open Session Request.
func ParseOpenRequest(b []byte) (OpenRequest, error) {
	if len(b) < 8 {
		return OpenRequest{}, ErrShort
	}
	r := OpenRequest{Tag: b[0], Privilege: b[1] & 0x0f, ConsoleID: binary.LittleEndian.Uint32(b[4:])}
	for rest := b[8:]; len(rest) > 0; rest = rest[8:] {
		if len(rest) < 8 {
			return OpenRequest{}, ErrLength
		}
		if rest[3] != 0 && rest[3] != 8 {
			return OpenRequest{}, ErrLength
		}
		var list *[]byte
		switch rest[0] {
		case 0:
			list = &r.Auth
		case 1:
			list = &r.Integrity
		case 2:
			list = &r.Crypt
		default:
			return OpenRequest{}, ErrPayload
		}
		if rest[3] == 8 {
			*list = append(*list, rest[4]&0x3f)
		}
	}
	return r, nil
}

// Choose picks the first of the server's suites that the proposal allows. When
// there is none the status says which kind of algorithm was at fault.
func (r OpenRequest) Choose(ours []Suite) (Suite, Status) {
	allows := func(list []byte, alg byte) bool {
		for _, a := range list {
			if a == alg {
				return true
			}
		}
		return len(list) == 0
	}
	var auth, integ, crypt bool
	for _, s := range ours {
		a, i, c := allows(r.Auth, s.Auth), allows(r.Integrity, s.Integrity), allows(r.Crypt, s.Crypt)
		if a && i && c {
			return s, StatusOK
		}
		auth, integ, crypt = auth || a, integ || i, crypt || c
	}
	switch {
	case !auth:
		return Suite{}, StatusBadAuth
	case !integ:
		return Suite{}, StatusBadIntegrity
	case !crypt:
		return Suite{}, StatusBadCrypt
	}
	return Suite{}, StatusNoSuite
}

// AppendResponse writes the Open Session Response (13.18) that accepts r.
func (r OpenRequest) AppendResponse(b []byte, privilege byte, managedID uint32, s Suite) []byte {
	b = append(b, r.Tag, byte(StatusOK), privilege, 0)
	b = binary.LittleEndian.AppendUint32(b, r.ConsoleID)
	b = binary.LittleEndian.AppendUint32(b, managedID)
	for kind, alg := range [...]byte{s.Auth, s.Integrity, s.Crypt} {
		b = append(b, byte(kind), 0, 0, 8, alg, 0, 0, 0)
	}
	return b
}

// AppendRefusal writes the short form that Open Session Response, RAKP 2 and
// RAKP 4 have when the status is not OK.
func AppendRefusal(b []byte, tag byte, st Status, consoleID uint32) []byte {
	b = append(b, tag, byte(st), 0, 0)
	return binary.LittleEndian.AppendUint32(b, consoleID)
}

// RAKP1 is the first message of the key exchange (13.20).
type RAKP1 struct {
	Tag       byte
	ManagedID uint32
	Random    [16]byte
	Role      byte // whole byte as sent: bits 3:0 privilege, bit 4 name-only lookup
	Name      []byte
}

// Privilege returns the requested maximum privilege level.
func (r RAKP1) Privilege() byte { return r.Role & 0x0f }

// ParseRAKP1 reads RAKP message 1. A name longer than 16 bytes is returned as it
// is; the caller refuses it with StatusBadNameLength.
func ParseRAKP1(b []byte) (RAKP1, error) {
	if len(b) < 28 {
		return RAKP1{}, ErrShort
	}
	r := RAKP1{Tag: b[0], ManagedID: binary.LittleEndian.Uint32(b[4:]), Role: b[24]}
	copy(r.Random[:], b[8:24])
	n := int(b[27])
	if len(b)-28 < n {
		return RAKP1{}, ErrLength
	}
	r.Name = b[28 : 28+n]
	return r, nil
}

// RAKP3 is the client's proof that it knows the key (13.22).
type RAKP3 struct {
	Tag       byte
	Status    Status
	ManagedID uint32
	Code      []byte
}

// ParseRAKP3 reads RAKP message 3.
func ParseRAKP3(b []byte) (RAKP3, error) {
	if len(b) < 8 {
		return RAKP3{}, ErrShort
	}
	return RAKP3{Tag: b[0], Status: Status(b[1]), ManagedID: binary.LittleEndian.Uint32(b[4:]), Code: b[8:]}, nil
}

// Exchange is what both sides know after RAKP 2; all check values and keys
// follow from it (13.28, 13.31). Names follow the specification: M is the remote
// console, C the managed system.
type Exchange struct {
	Suite     Suite
	ConsoleID uint32 // SIDm
	ManagedID uint32 // SIDc
	Rm, Rc    [16]byte
	GUID      [16]byte
	Role      byte
	Name      []byte
	Password  [20]byte // zero padded
	KG        []byte   // nil: the password's key serves as Kg
}

func le32(v uint32) []byte { return binary.LittleEndian.AppendUint32(nil, v) }

func (e *Exchange) who() []byte { return append([]byte{e.Role, byte(len(e.Name))}, e.Name...) }

// Code2 is the key exchange authentication code of RAKP 2.
func (e *Exchange) Code2() []byte {
	return e.Suite.mac(e.Password[:], le32(e.ConsoleID), le32(e.ManagedID), e.Rm[:], e.Rc[:], e.GUID[:], e.who())
}

// Code3 is the code of RAKP 3; the client sends it.
func (e *Exchange) Code3() []byte {
	return e.Suite.mac(e.Password[:], e.Rc[:], le32(e.ConsoleID), e.who())
}

// Check3 compares the client's code in constant time.
func (e *Exchange) Check3(code []byte) bool { return hmac.Equal(e.Code3(), code) }

// sik is the session integrity key.
func (e *Exchange) sik() []byte {
	key := e.KG
	if key == nil {
		key = e.Password[:]
	}
	return e.Suite.mac(key, e.Rm[:], e.Rc[:], e.who())
}

// Finish derives what follows from the whole exchange: the integrity check value of
// RAKP 4 and the session's keys (13.28, 13.31, 13.32).
func (e *Exchange) Finish() (code4 []byte, keys *Keys) {
	mac := hmac.New(e.Suite.hash(), e.sik())
	with := func(parts ...[]byte) []byte {
		mac.Reset()
		for _, p := range parts {
			mac.Write(p)
		}
		return mac.Sum(nil)
	}
	code4 = with(e.Rm[:], le32(e.ManagedID), e.GUID[:])[:e.Suite.authLen()]
	// The constants of K1 and K2 are 20 bytes long, whatever the hash.
	return code4, newKeys(e.Suite, with(bytes.Repeat([]byte{1}, 20)), with(bytes.Repeat([]byte{2}, 20)))
}

// AppendRAKP2 writes RAKP message 2 (13.21).
func (e *Exchange) AppendRAKP2(b []byte, tag byte) []byte {
	b = AppendRefusal(b, tag, StatusOK, e.ConsoleID)
	b = append(b, e.Rc[:]...)
	b = append(b, e.GUID[:]...)
	return append(b, e.Code2()...)
}

// AppendRAKP4 writes RAKP message 4 (13.23) with the check value of Finish.
func (e *Exchange) AppendRAKP4(b []byte, tag byte, code4 []byte) []byte {
	return append(AppendRefusal(b, tag, StatusOK, e.ConsoleID), code4...)
}
