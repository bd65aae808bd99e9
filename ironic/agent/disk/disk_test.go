package disk

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic/agent/bmap"
	"trefoil/ironic/agentapi"
)

const mib = 1 << 20

// dirty makes a file that stands for a disk with somebody else's data on it.
func dirty(t *testing.T, size int) Device {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(path, bytes.Repeat([]byte{0xaa}, size), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := System(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func content(t *testing.T, d Device) []byte {
	t.Helper()
	b, err := os.ReadFile(d.Name())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// served is an image of 6 MiB + 1000 bytes with a hole of 2 MiB, behind HTTP.
type served struct {
	data, bmap []byte
	info       agentapi.ImageInfo
	requests   atomic.Int32
	spoil      atomic.Int32 // so many ranges are damaged on the way
}

func serve(t *testing.T, withMD5 bool) *served {
	t.Helper()
	s := &served{data: make([]byte, 6*mib+1000)}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range s.data {
		if i < 2*mib || i >= 4*mib {
			s.data[i] = byte(r.Uint32())
		}
	}
	m := &bmap.Map{ImageSize: int64(len(s.data)), ChecksumType: "sha256"}
	for _, rg := range [][2]int64{{0, mib}, {mib, mib}, {4 * mib, 2*mib + 1000}} {
		part := s.data[rg[0] : rg[0]+rg[1]]
		sum := sha256.Sum256(part)
		x := bmap.Range{Offset: rg[0], Length: rg[1], Sum: hex.EncodeToString(sum[:])}
		if withMD5 {
			quick := md5.Sum(part)
			x.MD5 = hex.EncodeToString(quick[:])
		}
		m.Ranges = append(m.Ranges, x)
	}
	var err error
	if s.bmap, err = m.Encode(); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/bmap", func(w http.ResponseWriter, _ *http.Request) { w.Write(s.bmap) })
	mux.HandleFunc("/raw", func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		data := s.data
		if s.spoil.Add(-1) >= 0 {
			data = bytes.Clone(data)
			for i := 0; i < len(data); i += mib / 2 {
				data[i] ^= 1
			}
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	})
	mux.HandleFunc("/qcow2", func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader("QFI\xfb"+string(s.data)))
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	whole, list := sha256.Sum256(s.data), sha256.Sum256(s.bmap)
	s.info = agentapi.ImageInfo{ID: "img", URLs: []string{srv.URL + "/raw"}, DiskFormat: "raw", OSHashAlgo: "sha256", OSHashValue: hex.EncodeToString(whole[:]),
		BmapURL: srv.URL + "/bmap", BmapSHA256: hex.EncodeToString(list[:])}
	return s
}

func writer(quick bool) *Writer {
	return &Writer{HTTP: http.DefaultClient, Quick: &quick, Pause: time.Millisecond}
}

func TestWriteImage(t *testing.T) {
	for name, c := range map[string]struct{ mapped, quick bool }{
		"whole":                      {false, false},
		"mapped, checked by SHA-256": {true, false},
		"mapped, checked by MD5":     {true, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, true)
			if !c.mapped {
				s.info.BmapURL = ""
			}
			d := dirty(t, 8*mib)
			res, err := writer(c.quick).Write(context.Background(), d, s.info)
			if err != nil {
				t.Fatal(err)
			}
			got := content(t, d)
			if !bytes.Equal(got[:len(s.data)], s.data) {
				t.Error("the disk does not hold the image; holes must read as zeros, too")
			}
			if !bytes.Equal(got[7*mib:], bytes.Repeat([]byte{0xaa}, mib)) {
				t.Error("bytes beyond the image were touched")
			}
			if want := int64(4*mib + 1000); c.mapped && res.Written != want {
				t.Errorf("%d bytes travelled, want %d", res.Written, want)
			}
		})
	}
}

// Whatever hash was given of the image, but for MD5.
func TestEveryHashIsChecked(t *testing.T) {
	s := serve(t, false)
	s.info.BmapURL = ""
	for algo, sum := range map[string]string{
		"sha1":   fmt.Sprintf("%x", sha1.Sum(s.data)),
		"sha256": fmt.Sprintf("%x", sha256.Sum256(s.data)),
		"sha384": fmt.Sprintf("%x", sha512.Sum384(s.data)),
		"sha512": fmt.Sprintf("%x", sha512.Sum512(s.data)),
	} {
		wrong := "0" + sum[1:]
		if wrong == sum {
			wrong = "1" + sum[1:]
		}
		for how, info := range map[string]agentapi.ImageInfo{"named": {OSHashAlgo: algo, OSHashValue: sum}, "by length": {Checksum: sum},
			"wrong": {OSHashAlgo: algo, OSHashValue: wrong}} {
			info.ID, info.URLs, info.DiskFormat = "img", s.info.URLs, "raw"
			_, err := writer(false).Write(context.Background(), dirty(t, 8*mib), info)
			if bad := errs.Is(err, errs.Conflict); bad != (how == "wrong") || !bad && err != nil {
				t.Errorf("%s, %s: %v", algo, how, err)
			}
		}
	}
}

func TestDamageOnTheWay(t *testing.T) {
	for name, c := range map[string]struct{ mapped, quick bool }{"whole": {}, "sha256": {true, false}, "md5": {true, true}} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, true)
			if !c.mapped {
				s.info.BmapURL = ""
			}
			s.spoil.Store(1000)
			d := dirty(t, 8*mib)
			w := writer(c.quick)
			w.Workers = 1
			_, err := w.Write(context.Background(), d, s.info)
			if !errs.Is(err, errs.Conflict) || !strings.Contains(err.Error(), "failed its checksum") {
				t.Fatalf("got %v", err)
			}
			if head := content(t, d)[:mib]; !bytes.Equal(head, make([]byte, mib)) {
				t.Error("half an image was left bootable")
			}
		})
	}
	t.Run("once only: the range is fetched again", func(t *testing.T) {
		s := serve(t, false)
		s.spoil.Store(1)
		d := dirty(t, 8*mib)
		if _, err := writer(true).Write(context.Background(), d, s.info); err != nil { // no MD5 in the map: SHA-256 it is
			t.Fatal(err)
		}
		if n := s.requests.Load(); n != 4 {
			t.Errorf("%d requests for 3 ranges, one of them twice", n)
		}
	})
}

// TestUndercloudRestarts breaks connections in the middle and refuses some requests.
func TestUndercloudRestarts(t *testing.T) {
	for _, mapped := range []bool{false, true} {
		s := serve(t, true)
		var n atomic.Int32
		mux := http.NewServeMux()
		mux.HandleFunc("/bmap", func(w http.ResponseWriter, _ *http.Request) { w.Write(s.bmap) })
		mux.HandleFunc("/raw", func(w http.ResponseWriter, r *http.Request) {
			switch n.Add(1) {
			case 1: // half of it, then the connection breaks
				w = &breaking{ResponseWriter: w, left: mib / 2}
			case 2:
				panic(http.ErrAbortHandler)
			case 3:
				http.Error(w, "starting", http.StatusServiceUnavailable)
				return
			}
			http.ServeContent(w, r, "", time.Unix(1, 0), bytes.NewReader(s.data))
		})
		srv := httptest.NewServer(mux)
		defer srv.Close()
		s.info.URLs, s.info.BmapURL = []string{srv.URL + "/raw"}, ""
		if mapped {
			s.info.BmapURL = srv.URL + "/bmap"
		}
		d := dirty(t, 8*mib)
		if _, err := writer(false).Write(context.Background(), d, s.info); err != nil {
			t.Errorf("mapped %v: %v", mapped, err)
		} else if !bytes.Equal(content(t, d)[:len(s.data)], s.data) {
			t.Errorf("mapped %v: the disk does not hold the image", mapped)
		}
	}
}

// breaking cuts the connection after so many bytes.
type breaking struct {
	http.ResponseWriter
	left int
}

func (b *breaking) Write(p []byte) (int, error) {
	if len(p) > b.left {
		b.ResponseWriter.Write(p[:b.left])
		panic(http.ErrAbortHandler)
	}
	b.left -= len(p)
	return b.ResponseWriter.Write(p)
}

func TestRefusedBeforeAByteIsWritten(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*agentapi.ImageInfo)
		disk   int
		says   string
	}{
		"too small, mapped": {func(*agentapi.ImageInfo) {}, 4 * mib, "too small: it has 4.0 MiB (4194304 bytes), image img needs 6.0 MiB (6292456 bytes)"},
		"too small, whole":  {func(i *agentapi.ImageInfo) { i.BmapURL = "" }, 4 * mib, "too small"},
		"wrong block map":   {func(i *agentapi.ImageInfo) { i.BmapSHA256 = strings.Repeat("0", 64) }, 8 * mib, "block map of image img failed its checksum"},
		"no checksum":       {func(i *agentapi.ImageInfo) { i.BmapURL, i.OSHashAlgo = "", "" }, 8 * mib, "no checksum"},
		"md5 only":          {func(i *agentapi.ImageInfo) { i.BmapURL, i.OSHashAlgo, i.Checksum = "", "", strings.Repeat("a", 32) }, 8 * mib, "MD5"},
		"qcow2":             {func(i *agentapi.ImageInfo) { i.DiskFormat = "qcow2" }, 8 * mib, "raw images only"},
		"qcow2, called raw": {func(i *agentapi.ImageInfo) {
			i.BmapURL, i.URLs = "", []string{strings.Replace(i.URLs[0], "/raw", "/qcow2", 1)}
		}, 8 * mib, "image img is qcow2, and was declared as raw"},
		"no url":                {func(i *agentapi.ImageInfo) { i.URLs = nil }, 8 * mib, "no URL"},
		"image not found (404)": {func(i *agentapi.ImageInfo) { i.BmapURL, i.URLs = "", []string{i.URLs[0] + "x"} }, 8 * mib, "404"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, true)
			c.change(&s.info)
			d := dirty(t, c.disk)
			if _, err := writer(false).Write(context.Background(), d, s.info); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v", err)
			}
			if !bytes.Equal(content(t, d), bytes.Repeat([]byte{0xaa}, c.disk)) {
				t.Error("the disk was touched")
			}
		})
	}
}
