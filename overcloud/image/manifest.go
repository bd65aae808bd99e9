package image

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"trefoil/internal/dpkg"
)

// Manifest is Name.manifest.json: what the files are and what they were made of.
type Manifest struct {
	Key      string             `json:"key"` // hash of all inputs
	Suite    string             `json:"suite"`
	Kernel   string             `json:"kernel"` // version
	Built    string             `json:"built"`
	Files    []OutputFile       `json:"files"`
	DiskSize int64              `json:"disk_size"` // bytes of the disk in the qcow2
	Seconds  map[string]float64 `json:"seconds"`   // per stage
	Packages []string           `json:"packages"`  // name=version of everything installed
	Provides []string           `json:"provides"`  // names that these stand for besides
}

// OutputFile is one of the files in OutputDir.
type OutputFile struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// treeKey names what the package tree depends on.
func (b *build) treeKey() string {
	parts := []string{"tree", b.Suite, b.sources.content, strings.Join(b.include(), " ")}
	for _, f := range b.overlay() {
		parts = append(parts, f.path, f.content)
	}
	return hash(parts...)
}

// key names what the image depends on.
func (b *build) key() string {
	f, err := os.Open(b.FirstBoot)
	if err != nil {
		return "" // preflight tells it better
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return ""
	}
	return hash(builder, b.treeKey(), fmt.Sprint(b.SizeGB), b.Cmdline, hex.EncodeToString(h.Sum(nil)))
}

func hash(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s\n", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func (b *build) manifestPath() string {
	return filepath.Join(b.OutputDir, Name+".manifest.json")
}

// upToDate compares key and sizes; the content is not read again.
func (b *build) upToDate() (*Manifest, bool) {
	var m Manifest
	data, err := os.ReadFile(b.manifestPath())
	if err != nil || json.Unmarshal(data, &m) != nil || m.Key == "" || m.Key != b.key() {
		return nil, false
	}
	for _, f := range m.Files {
		st, err := os.Stat(filepath.Join(b.OutputDir, f.Name))
		if err != nil || st.Size() != f.Size {
			return nil, false
		}
	}
	return &m, len(m.Files) == 3
}

// publish puts the finished files in place. The manifest goes away first and
// comes last: with a cut in between, the next build builds again.
func (b *build) publish() (*Manifest, error) {
	m := &Manifest{Key: b.key(), Suite: b.Suite, Built: time.Now().UTC().Format(time.RFC3339), Seconds: b.seconds}
	os.Remove(b.manifestPath())
	var err error
	if m.Kernel, err = b.kernelVersion(); err != nil {
		return nil, err
	}
	if m.Packages, err = b.installed(); err != nil {
		return nil, err
	}
	in, err := b.status()
	if err != nil {
		return nil, err
	}
	m.Provides = slices.Sorted(maps.Keys(in.Provides))
	for _, ext := range []string{".qcow2", ".vmlinuz", ".initrd"} {
		tmp := b.staged(ext)
		f, err := describe(tmp, Name+ext)
		if err != nil {
			return nil, err
		}
		if err := os.Rename(tmp, filepath.Join(b.OutputDir, Name+ext)); err != nil {
			return nil, fmt.Errorf("put %s in place: %w", f.Name, err)
		}
		m.Files = append(m.Files, f)
	}
	if st, err := os.Stat(filepath.Join(b.work, "disk.raw")); err == nil {
		m.DiskSize = st.Size()
	}
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, err
	}
	tmp := b.manifestPath() + ".tmp"
	if err := os.WriteFile(tmp, append(data, '\n'), 0o644); err != nil {
		return nil, fmt.Errorf("write manifest: %w", err)
	}
	b.note("done", "")
	return m, os.Rename(tmp, b.manifestPath())
}

// staged is where a file waits in OutputDir, on the right filesystem for a rename.
func (b *build) staged(ext string) string {
	return filepath.Join(b.OutputDir, "."+Name+ext+".tmp")
}

func describe(path, name string) (OutputFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return OutputFile{}, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return OutputFile{}, fmt.Errorf("read %s: %w", name, err)
	}
	return OutputFile{Name: name, Size: n, SHA256: hex.EncodeToString(h.Sum(nil))}, f.Sync()
}

// status is what dpkg says of the tree.
func (b *build) status() (dpkg.Installed, error) {
	data, err := os.ReadFile(filepath.Join(b.tree, dpkg.StatusFile))
	if err != nil {
		return dpkg.Installed{}, fmt.Errorf("list packages: %w", err)
	}
	return dpkg.Parse(string(data)), nil
}

// installed are the packages of the tree, name=version, sorted.
func (b *build) installed() ([]string, error) {
	in, err := b.status()
	var out []string
	for _, name := range slices.Sorted(maps.Keys(in.Versions)) {
		out = append(out, name+"="+in.Versions[name])
	}
	return out, err
}

func (b *build) kernelVersion() (string, error) {
	link, err := os.Readlink(filepath.Join(b.tree, "vmlinuz"))
	if err != nil {
		return "", fmt.Errorf("find kernel: %w", err)
	}
	return strings.TrimPrefix(filepath.Base(link), "vmlinuz-"), nil
}
