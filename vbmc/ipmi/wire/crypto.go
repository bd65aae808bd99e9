package wire

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"hash"
)

// Algorithm numbers of RMCP+ (13.28).
const (
	AuthRAKPHMACSHA1   = 0x01
	AuthRAKPHMACMD5    = 0x02
	AuthRAKPHMACSHA256 = 0x03
	IntegritySHA1_96   = 0x01
	IntegritySHA256    = 0x04
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

func (s Suite) hash() func() hash.Hash {
	if s.Auth == AuthRAKPHMACSHA256 {
		return sha256.New
	}
	return sha1.New
}

// codeLen is the length of the integrity code on the wire.
func (s Suite) codeLen() int {
	if s.Integrity == IntegritySHA256 {
		return 16
	}
	return 12
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

// Keys are the keys of one session (13.31, 13.32).
type Keys struct {
	suite Suite
	sik   []byte
	k1    []byte
	block cipher.Block
}

// newKeys derives K1 and K2. Their constants are 20 bytes long with SHA-256 too.
func newKeys(s Suite, sik []byte) *Keys {
	var c1, c2 [20]byte
	for i := range c1 {
		c1[i], c2[i] = 1, 2
	}
	block, err := aes.NewCipher(s.mac(sik, c2[:])[:16])
	if err != nil { // a 16-byte key is always good
		panic(err)
	}
	return &Keys{suite: s, sik: sik, k1: s.mac(sik, c1[:]), block: block}
}

// Open checks the integrity code of p and returns its decrypted payload. The
// packet must be authenticated; it must be encrypted as all our suites encrypt.
func (k *Keys) Open(p V20) ([]byte, error) {
	if !p.Authenticated || !p.Encrypted {
		return nil, ErrAuthCode
	}
	signed, code, err := p.trailer(k.suite.codeLen())
	if err != nil {
		return nil, err
	}
	if !hmac.Equal(k.suite.mac(k.k1, signed)[:len(code)], code) {
		return nil, ErrAuthCode
	}
	return k.decrypt(p.Payload)
}

func (k *Keys) decrypt(b []byte) ([]byte, error) {
	if len(b) < 2*aes.BlockSize || len(b)%aes.BlockSize != 0 {
		return nil, ErrCrypt
	}
	out := make([]byte, len(b)-aes.BlockSize)
	cipher.NewCBCDecrypter(k.block, b[:aes.BlockSize]).CryptBlocks(out, b[aes.BlockSize:])
	// The trailer is 1, 2, 3, … n, then n (13.29.2).
	pad := int(out[len(out)-1])
	if pad+1 > len(out) || pad > aes.BlockSize {
		return nil, ErrCrypt
	}
	end := len(out) - 1 - pad
	for i := range pad {
		if out[end+i] != byte(i+1) {
			return nil, ErrCrypt
		}
	}
	return out[:end], nil
}

// Seal writes p with its payload encrypted and signed. iv must be fresh random bytes.
func (k *Keys) Seal(b []byte, p V20, iv [16]byte) []byte {
	pad := (aes.BlockSize - (len(p.Payload)+1)%aes.BlockSize) % aes.BlockSize
	n := aes.BlockSize + len(p.Payload) + pad + 1
	p.Encrypted, p.Authenticated = true, true
	start := len(b) + rmcpLen
	b = p.appendHeader(b, n)
	b = append(b, iv[:]...)
	body := len(b)
	b = append(b, p.Payload...)
	for i := range pad {
		b = append(b, byte(i+1))
	}
	b = append(b, byte(pad))
	cipher.NewCBCEncrypter(k.block, iv[:]).CryptBlocks(b[body:], b[body:])
	fill := (4 - (12+n+2)%4) % 4
	for range fill {
		b = append(b, 0xff)
	}
	b = append(b, byte(fill), nextHeader)
	return append(b, k.suite.mac(k.k1, b[start:])[:k.suite.codeLen()]...)
}
