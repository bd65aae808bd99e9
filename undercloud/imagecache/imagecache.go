// Package imagecache makes images ready for agents: once for each content it
// turns a qcow2 or raw file into a sparse raw file with a block map beside it.
// httpboot serves the directory under /images/.
//
// A directory holds for each key three files: {key}.raw, {key}.bmap and, written
// last, {key}.json. What has no .json was cut short and is made again.
package imagecache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"trefoil/internal/errs"
	"trefoil/ironic/conductor"
)

// Checksum is the hash of ranges in our block maps. Each range also has an MD5;
// package bmap says why.
const Checksum = "sha256"

// reserve is the disk space that is always left free, bytes.
const reserve = 512 << 20

// Config of a cache.
type Config struct {
	Dir     string // made if missing
	BaseURL string // where httpboot is reached, e.g. http://192.168.24.1:8088
	// Free returns the free bytes of a directory; default asks the file system.
	Free func(dir string) (int64, error)
	Log  *slog.Logger
}

// Cache implements conductor.ImageCache. Safe for concurrent use.
type Cache struct {
	cfg Config

	mu      sync.Mutex
	running map[string]*call
}

var _ conductor.ImageCache = (*Cache)(nil)

// call is one conversion that several callers may wait for.
type call struct {
	done chan struct{}
	meta meta
	err  error
}

// meta is what {key}.json keeps.
type meta struct {
	Size       int64  `json:"size"`
	SHA256     string `json:"sha256"`
	BmapSHA256 string `json:"bmap_sha256"`
	Mapped     int64  `json:"mapped"` // bytes with data
	Name       string `json:"name"`   // of the image, for people
}

// New makes the directory and clears what a crash left behind.
func New(cfg Config) (*Cache, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Free == nil {
		cfg.Free = free
	}
	registerZstd()
	cfg.BaseURL = strings.TrimSuffix(cfg.BaseURL, "/")
	if err := os.MkdirAll(cfg.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("make image cache: %w", err)
	}
	left, err := filepath.Glob(filepath.Join(cfg.Dir, ".tmp-*"))
	if err != nil {
		return nil, fmt.Errorf("clean image cache: %w", err)
	}
	for _, f := range left {
		if err := os.Remove(f); err != nil {
			return nil, fmt.Errorf("clean image cache: %w", err)
		}
	}
	return &Cache{cfg: cfg, running: map[string]*call{}}, nil
}

// Raw implements conductor.ImageCache. When ctx ends the caller goes, the work
// goes on: the next caller will want it. Errors: Invalid for an image that
// cannot be used, Unavailable for too little disk space.
func (c *Cache) Raw(ctx context.Context, img *conductor.Image) (*conductor.RawImage, error) {
	switch img.DiskFormat {
	case "raw", "qcow2":
	default:
		return nil, errs.New(errs.Invalid, "image %s has the format %q; nodes are deployed from qcow2 or raw", img.Name, img.DiskFormat)
	}
	key, err := contentKey(img)
	if err != nil {
		return nil, err
	}
	if m, ok := c.ready(key); ok {
		return c.answer(key, m), nil
	}
	c.mu.Lock()
	k, ok := c.running[key]
	if !ok {
		k = &call{done: make(chan struct{})}
		c.running[key] = k
		go c.run(key, *img, k)
	}
	c.mu.Unlock()
	select {
	case <-k.done:
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for image %s to be converted: %w", img.Name, ctx.Err())
	}
	if k.err != nil {
		return nil, k.err
	}
	return c.answer(key, k.meta), nil
}

func (c *Cache) run(key string, img conductor.Image, k *call) {
	start := time.Now()
	m, ok := c.ready(key) // made between the first look and now
	if !ok {
		m, k.err = c.make(key, img)
	}
	k.meta = m
	if k.err == nil && !ok {
		c.cfg.Log.Info("image converted for agents", "image", img.Name, "size", m.Size, "data", m.Mapped, "took", time.Since(start).Round(time.Millisecond))
	}
	c.mu.Lock()
	delete(c.running, key)
	c.mu.Unlock()
	close(k.done)
}

// make converts one image. Files get their names when they are whole and on disk.
func (c *Cache) make(key string, img conductor.Image) (meta, error) {
	src, err := openSource(img.Path, img.DiskFormat)
	if err != nil {
		return meta{}, errs.Wrap(errs.Invalid, err, "image %s cannot be used", img.Name)
	}
	defer src.Close()
	if err := c.room(img.Name, src); err != nil {
		return meta{}, err
	}
	f, err := os.CreateTemp(c.cfg.Dir, ".tmp-*")
	if err != nil {
		return meta{}, fmt.Errorf("convert image: %w", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	used, err := convert(f, src)
	if err != nil {
		return meta{}, errs.Wrap(errs.Internal, err, "convert image %s", img.Name)
	}
	m := meta{Size: src.Size(), Name: img.Name}
	whole := make(chan error, 1)
	go func() { // beside the ranges: it is one long chain on one processor
		sum, err := wholeSum(f, m.Size, rangesOf(used, m.Size))
		m.SHA256 = sum
		whole <- err
	}()
	bm, err := describe(f, m.Size, used)
	if err = errors.Join(err, <-whole); err != nil {
		return meta{}, err
	}
	m.Mapped = bm.Mapped()
	data, err := bm.Encode()
	if err != nil {
		return meta{}, err
	}
	sum := sha256.Sum256(data)
	m.BmapSHA256 = hex.EncodeToString(sum[:])
	if err := errors.Join(f.Chmod(0o644), f.Sync()); err != nil {
		return meta{}, fmt.Errorf("convert image: %w", err)
	}
	if err := os.Rename(f.Name(), c.path(key, "raw")); err != nil {
		return meta{}, fmt.Errorf("convert image: %w", err)
	}
	if err := c.keep(key, "bmap", data); err != nil {
		return meta{}, err
	}
	text, err := json.Marshal(m)
	if err != nil {
		return meta{}, err
	}
	return m, c.keep(key, "json", text)
}

// room refuses before a byte is written when the disk would fill up.
func (c *Cache) room(name string, src *source) error {
	need, err := src.data()
	if err != nil {
		return errs.Wrap(errs.Invalid, err, "image %s cannot be read", name)
	}
	have, err := c.cfg.Free(c.cfg.Dir)
	if err != nil {
		return fmt.Errorf("free space of %s: %w", c.cfg.Dir, err)
	}
	if need+reserve > have {
		return errs.New(errs.Unavailable, "image %s needs %d MiB in %s, which has %d MiB free (%d MiB are kept back)",
			name, need>>20, c.cfg.Dir, have>>20, int64(reserve)>>20).
			WithHint("free space there, or delete images that are not needed")
	}
	return nil
}

func (c *Cache) answer(key string, m meta) *conductor.RawImage {
	return &conductor.RawImage{URL: c.cfg.BaseURL + "/images/" + key + ".raw", Size: m.Size, SHA256: m.SHA256,
		BmapURL: c.cfg.BaseURL + "/images/" + key + ".bmap", BmapSHA256: m.BmapSHA256}
}

// ready reads what was made before; anything odd means it is made again.
func (c *Cache) ready(key string) (meta, bool) {
	var m meta
	text, err := os.ReadFile(c.path(key, "json"))
	if err != nil || json.Unmarshal(text, &m) != nil {
		return meta{}, false
	}
	raw, err := os.Stat(c.path(key, "raw"))
	if err != nil || raw.Size() != m.Size {
		return meta{}, false
	}
	data, err := os.ReadFile(c.path(key, "bmap"))
	sum := sha256.Sum256(data)
	return m, err == nil && hex.EncodeToString(sum[:]) == m.BmapSHA256
}

func (c *Cache) keep(key, ext string, data []byte) error {
	f, err := os.CreateTemp(c.cfg.Dir, ".tmp-*")
	if err != nil {
		return fmt.Errorf("write image cache: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write image cache: %w", err)
	}
	return os.Rename(f.Name(), c.path(key, ext))
}

func (c *Cache) path(key, ext string) string { return filepath.Join(c.cfg.Dir, key+"."+ext) }

var hexSum = regexp.MustCompile(`^[0-9a-f]{64}$`)

// contentKey hashes what decides the result: the file's content, how it is read, how maps are made.
func contentKey(img *conductor.Image) (string, error) {
	sum := strings.ToLower(img.SHA256)
	if !hexSum.MatchString(sum) {
		f, err := os.Open(img.Path)
		if err != nil {
			return "", errs.Wrap(errs.Invalid, err, "image %s cannot be read", img.Name)
		}
		defer f.Close()
		h := sha256.New()
		if _, err := io.Copy(h, f); err != nil {
			return "", errs.Wrap(errs.Invalid, err, "image %s cannot be read", img.Name)
		}
		sum = hex.EncodeToString(h.Sum(nil))
	}
	key := sha256.Sum256([]byte("2 " + img.DiskFormat + " " + Checksum + " " + sum))
	return hex.EncodeToString(key[:]), nil
}

func free(dir string) (int64, error) {
	var st unix.Statfs_t
	err := unix.Statfs(dir, &st)
	return int64(st.Bavail) * st.Bsize, err
}
