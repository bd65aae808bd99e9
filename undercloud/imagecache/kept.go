package imagecache

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic/conductor"
)

// keepUnused is how long a fetched file stays that nobody asks for and no machine boots.
const keepUnused = 30 * 24 * time.Hour

// keyOf names a file: by its hash where that is known, since the URL of the same file
// differs with each signature; else by its URL.
func keyOf(r conductor.Remote) string {
	name := r.URL + "\n\n"
	if r.Sum != "" {
		name = "\n" + r.Algo + "\n" + r.Sum
	}
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:])
}

// sweep removes what was not asked for in keepUnused, whole or cut short. The time of
// {key}.json is that of the last use.
func (f *Fetcher) sweep() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	entries, err := os.ReadDir(f.cfg.Dir)
	if err != nil {
		return fmt.Errorf("look for fetched files that nobody uses: %w", err)
	}
	used := map[string]time.Time{}
	for _, e := range entries {
		key, _, _ := strings.Cut(e.Name(), ".")
		info, err := e.Info()
		if err != nil || !hexSum.MatchString(key) {
			continue // gone meanwhile, or not ours
		}
		if t := info.ModTime(); t.After(used[key]) {
			used[key] = t
		}
	}
	for _, key := range slices.Sorted(maps.Keys(used)) {
		if time.Since(used[key]) < keepUnused || f.running[key] != nil || f.cfg.InUse(f.path(key, "file")) {
			continue
		}
		if err := f.drop(key); err != nil {
			return err
		}
	}
	return nil
}

// drop removes a file, its description first: without it, it is fetched again.
func (f *Fetcher) drop(key string) error {
	m, _ := f.read(key, "json")
	for _, ext := range []string{"json", "file", "part.json", "part"} {
		if err := os.Remove(f.path(key, ext)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove a fetched file that nobody uses: %w", err)
		}
	}
	f.cfg.Log.Info("fetched file removed, nobody uses it", "url", m.URL, "size", m.Size)
	return nil
}

// promise is what a transfer may still write.
type promise struct {
	f    *Fetcher
	left int64
}

// promise refuses before a byte is written when the disk would fill up with it and with
// what other transfers have been promised and have not written yet.
func (f *Fetcher) promise(need int64) (*promise, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	have, err := f.cfg.Free(f.cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("free space of %s: %w", f.cfg.Dir, err)
	}
	if need+f.promised+reserve > have {
		return nil, errs.New(errs.Unavailable, "it takes %d MiB, %s has %d MiB free (%d MiB are kept back, %d MiB are for other transfers)",
			need>>20, f.cfg.Dir, have>>20, int64(reserve)>>20, f.promised>>20).
			WithHint("free space there; what nobody used for %d days is removed already", int(keepUnused.Hours()/24))
	}
	f.promised += need
	return &promise{f, need}, nil
}

// wrote tells that bytes are on the disk.
func (p *promise) wrote(n int64) {
	p.f.mu.Lock()
	defer p.f.mu.Unlock()
	n = min(n, p.left)
	p.left -= n
	p.f.promised -= n
}

// end gives back what was not written.
func (p *promise) end() { p.wrote(p.left) }

// fetched is what {key}.json and {key}.part.json keep.
type fetched struct {
	URL      string `json:"url"` // for people, as shown
	Size     int64  `json:"size"`
	SHA256   string `json:"sha256,omitempty"`
	ETag     string `json:"etag,omitempty"`
	Modified string `json:"modified,omitempty"`
}

// validator is what a server is asked with whether it still has the same file;
// empty: it cannot be asked. A weak ETag means no more than similar.
func (m *fetched) validator() string {
	if m.ETag != "" && !strings.HasPrefix(m.ETag, "W/") {
		return m.ETag
	}
	return m.Modified
}

// ready reads what was fetched before; anything odd means it is fetched again.
func (f *Fetcher) ready(key string) (fetched, bool) {
	m, ok := f.read(key, "json")
	st, err := os.Stat(f.path(key, "file"))
	return m, ok && err == nil && st.Size() == m.Size && m.SHA256 != ""
}

func (f *Fetcher) read(key, ext string) (fetched, bool) {
	var m fetched
	data, err := os.ReadFile(f.path(key, ext))
	return m, err == nil && json.Unmarshal(data, &m) == nil
}

// answer hands a file out, and notes that it was asked for.
func (f *Fetcher) answer(key string, m fetched) *conductor.Fetched {
	now := time.Now()
	if err := os.Chtimes(f.path(key, "json"), now, now); err != nil {
		f.cfg.Log.Warn("not noted that a fetched file is used", "file", f.path(key, "file"), "error", err)
	}
	return &conductor.Fetched{Path: f.path(key, "file"), Size: m.Size, SHA256: m.SHA256}
}

func (f *Fetcher) path(key, ext string) string { return filepath.Join(f.cfg.Dir, key+"."+ext) }
