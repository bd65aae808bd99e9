package bmap

import (
	"bytes"
	"crypto/md5"
	"hash"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/crypto/blake2b"
)

// The choice of the ranges' checksum rests on these figures; see the package's comment.
func BenchmarkHash(b *testing.B) {
	data := make([]byte, 4<<20)
	for i := range data {
		data[i] = byte(rand.Uint32())
	}
	for _, c := range []struct {
		name string
		make func() hash.Hash
	}{
		{"sha256", func() hash.Hash { h, _ := NewHash("sha256"); return h }},
		{"sha512", func() hash.Hash { h, _ := NewHash("sha512"); return h }},
		{"blake2b-256", func() hash.Hash { h, _ := blake2b.New256(nil); return h }},
		{"md5", md5.New},
		{"crc32c", func() hash.Hash { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for range b.N {
				c.make().Write(data)
			}
		})
	}
}

// BenchmarkZstd decompresses text-like data of ratio 3, what an image's files are like.
func BenchmarkZstd(b *testing.B) {
	words := bytes.Fields([]byte("the quick brown fox jumps over a lazy dog /usr/lib/x86_64-linux-gnu/libc.so.6 0x7f45 \x7fELF import os sys def return self"))
	var text bytes.Buffer
	for text.Len() < 4<<20 {
		text.Write(words[rand.IntN(len(words))])
		text.WriteByte(byte(rand.Uint32()))
	}
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		b.Fatal(err)
	}
	packed := enc.EncodeAll(text.Bytes(), nil)
	b.Logf("ratio %.1f", float64(text.Len())/float64(len(packed)))
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(text.Len()))
	for range b.N {
		if err := dec.Reset(bytes.NewReader(packed)); err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, dec); err != nil {
			b.Fatal(err)
		}
	}
}
