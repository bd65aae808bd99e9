package imagecache

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"trefoil/internal/errs"
	"trefoil/ironic/agent/bmap"
	"trefoil/ironic/conductor"
)

const mib = 1 << 20

// rawImage is 40 MiB with data at 0, 20 MiB (17 MiB long) and in the last bytes.
func rawImage(t *testing.T) (*conductor.Image, []byte) {
	t.Helper()
	data := make([]byte, 40*mib+512)
	for i := range data {
		if i < 100 || i >= 20*mib && i < 37*mib || i >= 40*mib {
			data[i] = byte(i*7 + i>>9 | 1)
		}
	}
	path := filepath.Join(t.TempDir(), "image.raw")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return &conductor.Image{ID: "1", Name: "img", Path: path, DiskFormat: "raw"}, data
}

func newCache(t *testing.T, dir string) *Cache {
	t.Helper()
	c, err := New(Config{Dir: dir, BaseURL: "http://u:8088/"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRawOnceForAll(t *testing.T) {
	img, data := rawImage(t)
	dir := t.TempDir()
	c := newCache(t, dir)
	var wg sync.WaitGroup
	answers := make([]*conductor.RawImage, 8)
	for i := range answers {
		wg.Go(func() {
			r, err := c.Raw(context.Background(), img)
			if err != nil {
				t.Error(err)
			}
			answers[i] = r
		})
	}
	wg.Wait()
	r := answers[0]
	for _, a := range answers {
		if a == nil || *a != *r {
			t.Fatalf("answers differ: %+v %+v", a, r)
		}
	}
	whole := sha256.Sum256(data)
	if r.Size != int64(len(data)) || r.SHA256 != hex.EncodeToString(whole[:]) || !strings.HasPrefix(r.URL, "http://u:8088/images/") {
		t.Errorf("%+v", r)
	}
	name := func(url string) string { return filepath.Join(dir, filepath.Base(url)) }
	if got, err := os.ReadFile(name(r.URL)); err != nil || !bytes.Equal(got, data) {
		t.Errorf("the raw copy differs (%v)", err)
	}
	text, err := os.ReadFile(name(r.BmapURL))
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(text); hex.EncodeToString(sum[:]) != r.BmapSHA256 {
		t.Error("the block map's checksum is wrong")
	}
	checkMap(t, text, data)

	before, err := os.Stat(name(r.URL))
	if err != nil {
		t.Fatal(err)
	}
	again, err := newCache(t, dir).Raw(context.Background(), img) // after a restart
	after, err2 := os.Stat(name(r.URL))
	if err != nil || err2 != nil || *again != *r || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("made again after a restart: %+v %v %v", again, err, err2)
	}
	if err := os.Truncate(name(r.URL), 5); err != nil {
		t.Fatal(err)
	}
	if _, err := newCache(t, dir).Raw(context.Background(), img); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(name(r.URL)); err != nil || !bytes.Equal(got, data) {
		t.Errorf("a damaged copy was not made again (%v)", err)
	}
}

func checkMap(t *testing.T, text, data []byte) {
	t.Helper()
	m, err := bmap.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	covered := make([]byte, len(data))
	for _, r := range m.Ranges {
		part := data[r.Offset : r.Offset+r.Length]
		strong, quick := sha256.Sum256(part), md5.Sum(part)
		if r.Length > bmap.MaxRange || r.Sum != hex.EncodeToString(strong[:]) || r.MD5 != hex.EncodeToString(quick[:]) {
			t.Errorf("range %+v", r)
		}
		copy(covered[r.Offset:], part)
	}
	if !bytes.Equal(covered, data) {
		t.Error("the ranges leave out data")
	}
	if m.Mapped() > 18*mib {
		t.Errorf("%d bytes are mapped of 17 MiB with data", m.Mapped())
	}
}

func TestTooLittleSpaceIsSaidFirst(t *testing.T) {
	img, _ := rawImage(t)
	dir := t.TempDir()
	c := newCache(t, dir)
	c.cfg.Free = func(string) (int64, error) { return reserve + 10*mib, nil }
	_, err := c.Raw(context.Background(), img)
	if !errs.Is(err, errs.Unavailable) || !strings.Contains(err.Error(), "needs 40 MiB") {
		t.Errorf("got %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestHostileQcow2IsRefused(t *testing.T) {
	header := func(change func([]byte)) []byte {
		h := make([]byte, 65536)
		copy(h, "QFI\xfb")
		binary.BigEndian.PutUint32(h[4:], 3)
		change(h)
		return h
	}
	for name, c := range map[string]struct {
		data []byte
		says string
	}{
		"backing file": {header(func(h []byte) { binary.BigEndian.PutUint64(h[8:], 512) }), "backing file"},
		"data file":    {header(func(h []byte) { binary.BigEndian.PutUint64(h[72:], 4) }), "another file"},
		"encrypted":    {header(func(h []byte) { binary.BigEndian.PutUint32(h[32:], 1) }), "encrypted"},
		"version":      {header(func(h []byte) { binary.BigEndian.PutUint32(h[4:], 9) }), "version 9"},
		"no qcow2":     {make([]byte, 65536), "not a qcow2"},
		"empty":        {nil, "header"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.qcow2")
			if err := os.WriteFile(path, c.data, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := newCache(t, t.TempDir()).Raw(context.Background(), &conductor.Image{Name: "x", Path: path, DiskFormat: "qcow2"})
			if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestLeftoversOfACrashGo(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ".tmp-1"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	newCache(t, dir)
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func FuzzQcow2Header(f *testing.F) {
	f.Add([]byte("QFI\xfb\x00\x00\x00\x03"))
	f.Fuzz(func(_ *testing.T, data []byte) { _ = checkQcow2(bytes.NewReader(data)) })
}
