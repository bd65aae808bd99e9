package image

import (
	"context"
	"crypto/md5" //nolint:gosec // Glance's checksum; not used for security
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"trefoil/internal/errs"
)

const partSuffix = ".part"

// save streams r to disk and makes the image active. Until the last step nothing
// of it is visible; an error leaves the image queued, ready for another try.
func (s *Service) save(ctx context.Context, id string, r io.Reader) error {
	i, err := s.cfg.Store.UpdateImage(ctx, id, func(i *Image) error {
		if i.Status != Queued {
			return errs.New(errs.Conflict, "Image status transition from %s to saving is not allowed", i.Status)
		}
		if i.DiskFormat == "" || i.ContainerFormat == "" {
			return errs.New(errs.Invalid, "disk_format and container_format must be set before the data is uploaded")
		}
		i.Status = Saving
		return nil
	})
	if err != nil {
		return err
	}
	part := s.path(id) + partSuffix
	err = errs.NoSpace(s.receive(i, part, r))
	if err == nil {
		err = os.Rename(part, s.path(id))
	}
	if err == nil {
		err = s.activate(ctx, i)
	}
	if err == nil {
		return nil
	}
	undo := context.WithoutCancel(ctx) // the client may have gone: that is no reason to stay "saving"
	_, back := s.cfg.Store.UpdateImage(undo, id, func(i *Image) error { i.Status = Queued; return nil })
	if errs.Is(back, errs.NotFound) {
		back = nil // deleted meanwhile
	}
	for _, f := range []string{part, s.path(id)} {
		if e := os.Remove(f); e != nil && !errors.Is(e, os.ErrNotExist) {
			back = errors.Join(back, e)
		}
	}
	return errors.Join(err, back)
}

func (s *Service) activate(ctx context.Context, got *Image) error {
	_, err := s.cfg.Store.UpdateImage(ctx, got.ID, func(i *Image) error {
		i.Status, i.Size, i.VirtualSize = Active, got.Size, got.VirtualSize
		i.MD5, i.SHA256, i.SHA512 = got.MD5, got.SHA256, got.SHA512
		i.UpdatedAt = s.cfg.Now().UTC()
		return nil
	})
	return err
}

// receive writes the bytes, hashes them on the way and checks what they are.
func (s *Service) receive(i *Image, path string, r io.Reader) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("make image file: %w", err)
	}
	defer f.Close()
	m, h256, h512 := md5.New(), sha256.New(), sha512.New() //nolint:gosec // see the import
	n, err := io.CopyBuffer(fanOut{f, m, h256, h512}, struct{ io.Reader }{r}, make([]byte, 4<<20))
	if err != nil {
		return fmt.Errorf("receive image data: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("write image data: %w", err)
	}
	i.Size = n
	i.MD5, i.SHA256, i.SHA512 = sum(m), sum(h256), sum(h512)
	i.VirtualSize, err = inspect(i.DiskFormat, f, n)
	return err
}

// fanOut writes each block to all its writers at once: three checksums take the
// time of the slowest where there are processors for them.
type fanOut []io.Writer

// Write implements io.Writer; it returns when all are done with p.
func (f fanOut) Write(p []byte) (int, error) {
	all := make([]error, len(f))
	var wg sync.WaitGroup
	for i, w := range f {
		wg.Go(func() { _, all[i] = w.Write(p) })
	}
	wg.Wait()
	if err := errors.Join(all...); err != nil {
		return 0, err
	}
	return len(p), nil
}

func sum(h interface{ Sum([]byte) []byte }) string { return hex.EncodeToString(h.Sum(nil)) }
