package configdownload

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"trefoil/internal/errs"
)

// Limits of what Unpack takes.
const (
	MaxFiles = 100_000
	MaxBytes = 512 << 20
)

// Mode is how a file is to be written.
func Mode(name string) fs.FileMode {
	if strings.HasSuffix(name, ".sh") {
		return 0o700
	}
	return 0o600
}

// Pack makes a tar.gz of files, in the order of their names. The same files give
// the same bytes.
func Pack(files Files) ([]byte, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	t := tar.NewWriter(z)
	for _, name := range sortedKeys(files) {
		if err := t.WriteHeader(&tar.Header{Name: name, Mode: int64(Mode(name)), Size: int64(len(files[name])), Format: tar.FormatPAX}); err != nil {
			return nil, fmt.Errorf("pack %s: %w", name, err)
		}
		if _, err := t.Write(files[name]); err != nil {
			return nil, fmt.Errorf("pack %s: %w", name, err)
		}
	}
	if err := errors.Join(t.Close(), z.Close()); err != nil {
		return nil, fmt.Errorf("pack the configuration: %w", err)
	}
	return b.Bytes(), nil
}

// Unpack reads what Pack made. A name that leads out of the directory, or that
// is both a file and a directory, is refused, and so is what is too large.
func Unpack(data []byte) (Files, error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "read the packed configuration")
	}
	limit := &io.LimitedReader{R: z, N: MaxBytes + 1}
	out := Files{}
	for r := tar.NewReader(limit); ; {
		h, err := r.Next()
		if err == io.EOF {
			return out, out.check()
		}
		var text []byte
		if err == nil {
			text, err = io.ReadAll(r)
		}
		switch {
		case limit.N <= 0 || len(out) >= MaxFiles:
			return nil, errs.New(errs.Invalid, "the packed configuration has more than %d bytes or %d files", MaxBytes, MaxFiles)
		case err != nil:
			return nil, errs.Wrap(errs.Invalid, err, "read the packed configuration")
		case h.Typeflag != tar.TypeReg || !fs.ValidPath(h.Name) || h.Name == ".":
			return nil, errs.New(errs.Invalid, "the packed configuration has %q, which is no file below its directory", h.Name)
		}
		out[h.Name] = text
	}
}

// check refuses a file that another has as its directory.
func (f Files) check() error {
	for name := range f {
		for i, c := range name {
			if _, both := f[name[:i]]; c == '/' && both {
				return errs.New(errs.Invalid, "%s is to be a file and, for %s, a directory: two things have the same name", name[:i], name)
			}
		}
	}
	return nil
}
