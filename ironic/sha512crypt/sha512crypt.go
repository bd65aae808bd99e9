// Package sha512crypt hashes passwords as /etc/shadow holds them: the scheme "$6$"
// of crypt(3), with its 5000 rounds.
//
// Source: Ulrich Drepper, "Unix crypt using SHA-256 and SHA-512", version 0.6.
package sha512crypt

import (
	"crypto/rand"
	"crypto/sha512"
	"slices"
)

const (
	prefix = "$6$"
	rounds = 5000
)

// Hash hashes a password with a salt of its own.
func Hash(password string) string { return hash(password, rand.Text()[:16]) }

// hash is the whole scheme; the steps are those of the specification.
func hash(password, salt string) string {
	pw, s := []byte(password), []byte(salt)
	b := sum(pw, s, pw) // steps 4 to 8
	a := slices.Concat(pw, s, repeat(b, len(pw)))
	for n := len(pw); n > 0; n >>= 1 { // 11
		if n&1 != 0 {
			a = append(a, b...)
		} else {
			a = append(a, pw...)
		}
	}
	out := sum(a)
	p := repeat(sum(slices.Repeat(pw, len(pw))), len(pw)) // 13 to 16
	ds := repeat(sum(slices.Repeat(s, 16+int(out[0]))), len(s))
	for i := range rounds { // 21
		out = round(i, out, p, ds)
	}
	return prefix + salt + "$" + encode(out)
}

func round(i int, last, p, s []byte) []byte {
	var in []byte
	odd := i%2 != 0
	if odd {
		in = append(in, p...)
	} else {
		in = append(in, last...)
	}
	if i%3 != 0 {
		in = append(in, s...)
	}
	if i%7 != 0 {
		in = append(in, p...)
	}
	if odd {
		in = append(in, last...)
	} else {
		in = append(in, p...)
	}
	return sum(in)
}

func sum(parts ...[]byte) []byte {
	d := sha512.Sum512(slices.Concat(parts...))
	return d[:]
}

// repeat makes n bytes out of a digest by repeating it.
func repeat(d []byte, n int) []byte {
	return slices.Repeat(d, n/len(d)+1)[:n]
}

// encode writes a digest in crypt's order of bytes and its own base 64.
func encode(d []byte) string {
	const digits = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	var out []byte
	put := func(v uint, n int) {
		for range n {
			out = append(out, digits[v&63])
			v >>= 6
		}
	}
	for i := range 21 {
		// Each group takes the bytes i, i+21 and i+42, turned by one place from group to group.
		g := []uint{uint(d[i]), uint(d[i+21]), uint(d[i+42])}
		k := i % 3
		put(g[k]<<16|g[(k+1)%3]<<8|g[(k+2)%3], 4)
	}
	put(uint(d[63]), 2)
	return string(out)
}
