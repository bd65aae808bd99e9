// Package ramdisk builds what nodes boot into: Debian's kernel as it is, and an
// initramfs of our static agent as /init with the modules a node needs to see
// its disks and network. No Python, no shell, no udev.
package ramdisk

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"trefoil/internal/errs"
	"trefoil/internal/initramfs"
	"trefoil/ironic/agent/kmods"
)

// Names of the two files, those of the article's image upload.
const (
	KernelName    = "ironic-python-agent.kernel"
	InitramfsName = "ironic-python-agent.initramfs"
)

// MaxSize is the largest initramfs that Build accepts, bytes.
const MaxSize = 60 << 20

// Compression of the initramfs.
type Compression string

// The ways a Debian kernel can unpack.
const (
	None Compression = "none"
	Gzip Compression = "gzip"
	LZ4  Compression = "lz4"
	Zstd Compression = "zstd"
)

// Options of a build.
type Options struct {
	Kernel      string           // vmlinuz
	ModulesDir  string           // lib/modules/<version> of that kernel
	Agent       string           // static cmd/ironic-agent
	Flavor      initramfs.Flavor // default Cloud
	Compression Compression
	OutDir      string
}

// DefaultCompression is the smallest: under TCG all four boot within the noise of each
// other (power-on to inventory, two runs each on a loaded host: none 9.6 MB 10.0/13.0 s,
// gzip 3.8 MB 11.0/13.2 s, lz4 4.6 MB 13.4/13.3 s, zstd 3.5 MB 10.9/15.1 s).
const DefaultCompression = Zstd

// Result names the two files and says whether they were already there.
type Result struct {
	Kernel, Initramfs string
	Cached            bool
}

// Build makes the two files in OutDir unless they are there already, made from
// the same content. Safe to call again after a crash; not concurrently for one OutDir.
func Build(ctx context.Context, o Options) (Result, error) {
	if o.Flavor == "" {
		o.Flavor = initramfs.Cloud
	}
	if o.Compression == "" {
		o.Compression = DefaultCompression
	}
	res := Result{Kernel: filepath.Join(o.OutDir, KernelName), Initramfs: filepath.Join(o.OutDir, InitramfsName)}
	key, err := o.key()
	if err != nil {
		return Result{}, err
	}
	keyFile := filepath.Join(o.OutDir, ".ironic-python-agent.key")
	if have, err := os.ReadFile(keyFile); err == nil && string(have) == key && exists(res.Kernel) && exists(res.Initramfs) {
		res.Cached = true
		return res, nil
	}
	if err := os.MkdirAll(o.OutDir, 0o755); err != nil {
		return Result{}, fmt.Errorf("make ramdisk directory: %w", err)
	}
	mods, man, err := selectModules(o.ModulesDir, o.Flavor)
	if err != nil {
		return Result{}, err
	}
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	if err := replace(res.Initramfs, func(w io.Writer) error { return o.writeInitramfs(w, mods, man) }); err != nil {
		return Result{}, err
	}
	if st, err := os.Stat(res.Initramfs); err != nil || st.Size() > MaxSize {
		return Result{}, errs.New(errs.Internal, "the ramdisk is larger than %d MiB: too many modules in flavor %s", MaxSize>>20, o.Flavor)
	}
	if err := replace(res.Kernel, func(w io.Writer) error { return copyFile(w, o.Kernel) }); err != nil {
		return Result{}, err
	}
	return res, replace(keyFile, func(w io.Writer) error { _, err := io.WriteString(w, key); return err })
}

// key is the hash of all that goes in: the kernel (and so its modules), the agent, the choices.
func (o Options) key() (string, error) {
	h := sha256.New()
	for _, p := range []string{o.Kernel, o.Agent} {
		if err := copyFile(h, p); err != nil {
			return "", err
		}
	}
	c, err := json.Marshal(choices(o.Flavor).Names)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(h, "layout 1 %s %s %s %s %v", o.Flavor, o.Compression, filepath.Base(o.ModulesDir), c, choices(o.Flavor).Dirs)
	return hex.EncodeToString(h.Sum(nil)), nil
}

func (o Options) writeInitramfs(w io.Writer, mods []initramfs.Module, man *kmods.Manifest) error {
	buf := bufio.NewWriterSize(w, 1<<20)
	z, err := compressor(buf, o.Compression)
	if err != nil {
		return err
	}
	if err := o.writeArchive(z, mods, man); err != nil {
		return fmt.Errorf("write initramfs: %w", err)
	}
	return errors.Join(z.Close(), buf.Flush())
}

func (o Options) writeArchive(w io.Writer, mods []initramfs.Module, man *kmods.Manifest) error {
	ar := initramfs.NewArchive(w)
	if err := errors.Join(ar.Dirs("dev", "proc", "sys", "run", "tmp", "etc", "lib", "lib/modules"), ar.Console()); err != nil {
		return err
	}
	agent, err := os.ReadFile(o.Agent)
	if err != nil {
		return fmt.Errorf("read agent: %w", err)
	}
	if err := ar.File("init", 0o755, agent); err != nil {
		return err
	}
	for _, m := range mods {
		data, err := m.Read()
		if err != nil {
			return err
		}
		if err := ar.File(m.File()[1:], 0o644, data); err != nil {
			return err
		}
	}
	text, err := json.Marshal(man)
	if err != nil {
		return err
	}
	if err := ar.File(kmods.ManifestPath[1:], 0o644, text); err != nil {
		return err
	}
	return ar.Close()
}

func compressor(w io.Writer, c Compression) (io.WriteCloser, error) {
	switch c {
	case None:
		return nopCloser{w}, nil
	case Gzip:
		return gzip.NewWriterLevel(w, gzip.BestCompression)
	case Zstd:
		return zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithWindowSize(4<<20))
	case LZ4:
		z := lz4.NewWriter(w)
		return z, z.Apply(lz4.LegacyOption(true), lz4.CompressionLevelOption(lz4.Level9))
	}
	return nil, fmt.Errorf("unknown compression %q", c)
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

func exists(p string) bool {
	st, err := os.Stat(p)
	return err == nil && st.Size() > 0
}

func copyFile(w io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read part of the ramdisk: %w", err)
	}
	defer f.Close()
	if _, err := io.Copy(w, f); err != nil {
		return fmt.Errorf("read part of the ramdisk: %w", err)
	}
	return nil
}

// replace writes a file so that a crash leaves the old or the new one.
func replace(path string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".ramdisk-*")
	if err != nil {
		return fmt.Errorf("write ramdisk: %w", err)
	}
	defer os.Remove(f.Name())
	err = write(f)
	if err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return os.Rename(f.Name(), path)
}
