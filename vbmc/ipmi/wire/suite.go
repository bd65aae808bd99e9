package wire

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"hash"
)

// Algorithm numbers of RMCP+ (13.28).
const (
	AuthRAKPHMACSHA1   = 0x01
	AuthRAKPHMACMD5    = 0x02
	AuthRAKPHMACSHA256 = 0x03
	IntegrityNone      = 0x00
	IntegritySHA1_96   = 0x01
	IntegrityMD5       = 0x02
	IntegritySHA256    = 0x04
	CryptNone          = 0x00
	CryptAESCBC128     = 0x01
)

// Suite is a combination of algorithms (22.15.2).
type Suite struct {
	ID        byte
	Auth      byte
	Integrity byte
	Crypt     byte
}

// Suite17 and Suite3 are the suites with authentication, integrity and
// encryption that clients use; 17 is the default of newer ones.
func Suite17() Suite { return Suite{17, AuthRAKPHMACSHA256, IntegritySHA256, CryptAESCBC128} }

// Suite3 is the suite of older clients.
func Suite3() Suite { return Suite{3, AuthRAKPHMACSHA1, IntegritySHA1_96, CryptAESCBC128} }

// SuiteByID returns one of the suites this package speaks (table 22-20). There is no
// suite 0, which asks for no password, and none with xRC4.
func SuiteByID(id byte) (Suite, bool) {
	s := Suite{ID: id}
	switch id {
	case 1, 2, 3:
		s.Auth, s.Integrity = AuthRAKPHMACSHA1, IntegritySHA1_96
	case 6, 7, 8:
		s.Auth, s.Integrity = AuthRAKPHMACMD5, IntegrityMD5
	case 15, 16, 17:
		s.Auth, s.Integrity = AuthRAKPHMACSHA256, IntegritySHA256
	default:
		return Suite{}, false
	}
	switch id {
	case 1, 6, 15:
		s.Integrity = IntegrityNone
	case 3, 8, 17:
		s.Crypt = CryptAESCBC128
	}
	return s, true
}

// hash is that of authentication and keys. The integrity algorithm has the same one
// in every suite.
func (s Suite) hash() func() hash.Hash {
	switch s.Auth {
	case AuthRAKPHMACSHA256:
		return sha256.New
	case AuthRAKPHMACMD5:
		return md5.New
	}
	return sha1.New
}

// codeLen is the length of the integrity code on the wire; 0: packets have none.
func (s Suite) codeLen() int {
	switch s.Integrity {
	case IntegrityNone:
		return 0
	case IntegritySHA1_96:
		return 12
	}
	return 16
}

// authLen is the length of RAKP 4's check value, which follows the authentication
// algorithm: suites without integrity have it too (13.23, 13.28).
func (s Suite) authLen() int {
	if s.Auth == AuthRAKPHMACSHA1 {
		return 12
	}
	return 16
}

// mac is the suite's HMAC over the parts one after another.
func (s Suite) mac(key []byte, parts ...[]byte) []byte {
	h := hmac.New(s.hash(), key)
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}
