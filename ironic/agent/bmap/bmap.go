// Package bmap reads and writes block maps in bmaptool's format 2.0: which
// ranges of blocks of an image hold data, each with its checksum. Everything
// outside the ranges reads as zeros.
//
// Whoever holds the SHA-256 of the block map holds the image: the ranges'
// checksums stand in the map.
//
// Our maps carry two checksums a range: bmaptool's chksum (SHA-256), and md5 in
// an attribute that bmaptool passes over. SHA-256 is what a machine checks, save
// where it cannot: under QEMU's TCG Go's vector code is emulated word by word.
// Measured on one core, MB/s (hash_bench_test.go, host 2 cores with SHA-NI):
//
//	            sha256  sha512  blake2b-256  md5  crc32c  zstd decode
//	host           874     315          379  216   10913          350
//	TCG             14      23           19  181     358            3
//	TCG cpu=max      7       5            4  200      88            3
//
// So the writer times SHA-256 at its start and takes MD5 below 100 MB/s. What MD5
// lost is resistance to collisions made by whoever makes the image; to pass
// other bytes for a given range needs a second preimage, which MD5 still denies
// (2^123). zstd loses to any wire faster than 3 MB/s: ranges travel as they are.
package bmap

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"hash"
	"math"
	"strconv"
	"strings"
)

// BlockSize of the maps that we make, bytes.
const BlockSize = 4096

// MaxRange is the most bytes that one range of our maps covers: what is fetched
// again when its checksum is wrong.
const MaxRange = 16 << 20

// Range is a run of bytes with data. Sum and MD5 are hex, empty when the map has none.
type Range struct {
	Offset, Length int64
	Sum            string // of ChecksumType
	MD5            string
}

// Map is a block map.
type Map struct {
	ImageSize    int64
	ChecksumType string // sha256, sha512
	Ranges       []Range
}

// Mapped is the number of bytes in ranges.
func (m *Map) Mapped() int64 {
	var n int64
	for _, r := range m.Ranges {
		n += r.Length
	}
	return n
}

// NewHash returns the hash of a checksum's name.
func NewHash(name string) (hash.Hash, error) {
	switch name {
	case "sha256":
		return sha256.New(), nil
	case "sha512":
		return sha512.New(), nil
	case "md5":
		return md5.New(), nil
	}
	return nil, fmt.Errorf("checksum type %q is not known (sha256, sha512, md5)", name)
}

type xmlMap struct {
	XMLName      xml.Name   `xml:"bmap"`
	Version      string     `xml:"version,attr"`
	ImageSize    string     `xml:"ImageSize"`
	BlockSize    string     `xml:"BlockSize"`
	BlocksCount  string     `xml:"BlocksCount"`
	MappedCount  string     `xml:"MappedBlocksCount"`
	ChecksumType string     `xml:"ChecksumType"`
	FileChecksum string     `xml:"BmapFileChecksum"`
	Ranges       []xmlRange `xml:"BlockMap>Range"`
}

type xmlRange struct {
	Sum  string `xml:"chksum,attr,omitempty"`
	MD5  string `xml:"md5,attr,omitempty"`
	Span string `xml:",chardata"`
}

// Parse reads a block map and checks that its ranges are in order, do not
// overlap and lie within the image.
func Parse(data []byte) (*Map, error) {
	var x xmlMap
	if err := xml.Unmarshal(data, &x); err != nil {
		return nil, fmt.Errorf("parse block map: %w", err)
	}
	if major, _, _ := strings.Cut(x.Version, "."); major != "2" {
		return nil, fmt.Errorf("parse block map: version %q, want 2.x", x.Version)
	}
	m := &Map{ChecksumType: strings.TrimSpace(x.ChecksumType)}
	var block int64
	var err error
	if m.ImageSize, err = number(x.ImageSize); err == nil {
		block, err = number(x.BlockSize)
	}
	if err != nil || block == 0 || block > math.MaxInt32 {
		return nil, fmt.Errorf("parse block map: bad ImageSize %q or BlockSize %q", x.ImageSize, x.BlockSize)
	}
	var end int64
	for _, r := range x.Ranges {
		first, last, found := strings.Cut(r.Span, "-")
		if !found {
			last = first
		}
		a, err1 := number(first)
		b, err2 := number(last)
		blocks := (m.ImageSize + block - 1) / block
		if err1 != nil || err2 != nil || b < a || a*block < end || b >= blocks {
			return nil, fmt.Errorf("parse block map: bad range %q", strings.TrimSpace(r.Span))
		}
		end = min((b+1)*block, m.ImageSize)
		m.Ranges = append(m.Ranges, Range{Offset: a * block, Length: end - a*block, Sum: sum(r.Sum), MD5: sum(r.MD5)})
	}
	return m, nil
}

func sum(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

func number(s string) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	if err == nil && (n < 0 || n > 1<<56) {
		err = strconv.ErrRange
	}
	return n, err
}

// Encode writes the map. Ranges must start at multiples of BlockSize.
func (m *Map) Encode() ([]byte, error) {
	count := func(n int64) string { return strconv.FormatInt((n+BlockSize-1)/BlockSize, 10) }
	zero := strings.Repeat("0", 64)
	x := xmlMap{Version: "2.0", ImageSize: strconv.FormatInt(m.ImageSize, 10), BlockSize: strconv.Itoa(BlockSize),
		BlocksCount: count(m.ImageSize), MappedCount: count(m.Mapped()), ChecksumType: m.ChecksumType, FileChecksum: zero}
	for _, r := range m.Ranges {
		if r.Offset%BlockSize != 0 || r.Length <= 0 {
			return nil, fmt.Errorf("encode block map: range at %d is not aligned", r.Offset)
		}
		first := r.Offset / BlockSize
		x.Ranges = append(x.Ranges, xmlRange{Sum: r.Sum, MD5: r.MD5, Span: fmt.Sprintf("%d-%d", first, (r.Offset+r.Length-1)/BlockSize)})
	}
	data, err := xml.MarshalIndent(x, "", " ")
	if err != nil {
		return nil, fmt.Errorf("encode block map: %w", err)
	}
	data = append([]byte(xml.Header), append(data, '\n')...)
	// The file's own checksum is taken with zeros in its place.
	sum := sha256.Sum256(data)
	if m.ChecksumType == "sha256" {
		data = bytes.Replace(data, []byte(zero), []byte(hex.EncodeToString(sum[:])), 1)
	}
	return data, nil
}
