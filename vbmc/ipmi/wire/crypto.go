package wire

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"hash"
)

// Keys are the keys of one session (13.31, 13.32). Open and Seal may run at the same
// time, but neither more than once at a time: each has working memory of its own.
type Keys struct {
	suite    Suite
	in, out  hash.Hash // the integrity algorithm with K1
	inSum    []byte
	outSum   []byte
	dec, enc cbc // with K2
	encrypts bool
	signs    bool
}

// cbc is CBC of a key that goes on with another packet's initialisation vector: a new
// cipher.BlockMode for each would copy the key's schedule. What crypto/cipher makes of
// AES has SetIV; crypto/tls counts on it as well.
type cbc interface {
	cipher.BlockMode
	SetIV(iv []byte)
}

// newKeys makes the ciphers of K1 and K2.
func newKeys(s Suite, k1, k2 []byte) *Keys {
	k := &Keys{suite: s, encrypts: s.Crypt != CryptNone, signs: s.Integrity != IntegrityNone}
	if k.signs {
		k.in, k.out = hmac.New(s.hash(), k1), hmac.New(s.hash(), k1)
	}
	if k.encrypts {
		block, err := aes.NewCipher(k2[:16])
		if err != nil { // a 16-byte key is always good
			panic(err)
		}
		var iv [aes.BlockSize]byte // each packet sets its own
		k.dec, k.enc = cipher.NewCBCDecrypter(block, iv[:]).(cbc), cipher.NewCBCEncrypter(block, iv[:]).(cbc)
	}
	return k
}

// Open checks the integrity code of p and returns its decrypted payload in memory of
// its own. A packet must be signed and encrypted exactly as the suite says: what was
// negotiated is demanded of each, or the session would be open to others.
func (k *Keys) Open(p V20) ([]byte, error) {
	if p.Authenticated != k.signs || p.Encrypted != k.encrypts {
		return nil, ErrAuthCode
	}
	if k.signs {
		signed, code, err := p.trailer(k.suite.codeLen())
		if err != nil {
			return nil, err
		}
		k.in.Reset()
		k.in.Write(signed)
		k.inSum = k.in.Sum(k.inSum[:0])
		if !hmac.Equal(k.inSum[:len(code)], code) {
			return nil, ErrAuthCode
		}
	}
	if !k.encrypts {
		return bytes.Clone(p.Payload), nil
	}
	return k.decrypt(p.Payload)
}

func (k *Keys) decrypt(b []byte) ([]byte, error) {
	if len(b) < 2*aes.BlockSize || len(b)%aes.BlockSize != 0 {
		return nil, ErrCrypt
	}
	out := make([]byte, len(b)-aes.BlockSize)
	k.dec.SetIV(b[:aes.BlockSize])
	k.dec.CryptBlocks(out, b[aes.BlockSize:])
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

// maxOverhead is how much longer than its payload a sealed packet can be: headers,
// initialisation vector, both paddings, code.
const maxOverhead = rmcpLen + 12 + 16 + 16 + 3 + 2 + 16

// Seal writes p signed and with its payload encrypted, as far as the suite does. iv
// must be fresh random bytes.
func (k *Keys) Seal(b []byte, p V20, iv [16]byte) []byte {
	if b == nil {
		b = make([]byte, 0, len(p.Payload)+maxOverhead)
	}
	p.Encrypted, p.Authenticated = k.encrypts, k.signs
	start := len(b) + rmcpLen
	n := len(p.Payload)
	if k.encrypts {
		pad := (aes.BlockSize - (n+1)%aes.BlockSize) % aes.BlockSize
		b = p.appendHeader(b, aes.BlockSize+n+pad+1)
		b = k.encrypt(b, p.Payload, pad, iv)
	} else {
		b = append(p.appendHeader(b, n), p.Payload...)
	}
	if k.signs {
		b = k.sign(b, start)
	}
	return b
}

// encrypt appends iv and the encrypted payload with its trailer (13.29).
func (k *Keys) encrypt(b, payload []byte, pad int, iv [16]byte) []byte {
	b = append(b, iv[:]...)
	body := len(b)
	b = append(b, payload...)
	for i := range pad {
		b = append(b, byte(i+1))
	}
	b = append(b, byte(pad))
	k.enc.SetIV(iv[:])
	k.enc.CryptBlocks(b[body:], b[body:])
	return b
}

// sign appends padding to 4 bytes, its length, the next header and the code (13.28.4).
func (k *Keys) sign(b []byte, start int) []byte {
	fill := (4 - (len(b)-start+2)%4) % 4
	for range fill {
		b = append(b, 0xff)
	}
	b = append(b, byte(fill), nextHeader)
	k.out.Reset()
	k.out.Write(b[start:])
	k.outSum = k.out.Sum(k.outSum[:0])
	return append(b, k.outSum[:k.suite.codeLen()]...)
}
