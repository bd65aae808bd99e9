package image

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"trefoil/internal/errs"
	"trefoil/ironic/conductor"
)

// Service answers the image API and implements conductor.Images. Safe for concurrent use.
type Service struct {
	cfg Config
}

// New makes the directory and takes back what a crash left behind: half an
// upload is deleted and its image waits for its bytes again.
func New(ctx context.Context, cfg Config) (*Service, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.NewID == nil {
		cfg.NewID = uuid.NewString
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Service{cfg: cfg}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make image directory: %w", err)
	}
	return s, s.recover(ctx)
}

func (s *Service) recover(ctx context.Context) error {
	list, err := s.cfg.Store.Images(ctx)
	if err != nil {
		return err
	}
	keep := map[string]bool{}
	for _, i := range list {
		if i.Status == Active {
			keep[i.ID] = true
		}
		if i.Status == Saving {
			_, err := s.cfg.Store.UpdateImage(ctx, i.ID, func(i *Image) error { i.Status = Queued; return nil })
			if err != nil {
				return err
			}
		}
	}
	files, err := os.ReadDir(s.cfg.Dir)
	if err != nil {
		return fmt.Errorf("read image directory: %w", err)
	}
	for _, f := range files {
		// Only what has our shape: the directory may hold a lost+found or an operator's note.
		id := strings.TrimSuffix(f.Name(), partSuffix)
		if uuid.Validate(id) != nil || keep[f.Name()] {
			continue
		}
		if err := os.Remove(filepath.Join(s.cfg.Dir, f.Name())); err != nil {
			return fmt.Errorf("remove unfinished upload: %w", err)
		}
	}
	return nil
}

func (s *Service) path(id string) string { return filepath.Join(s.cfg.Dir, id) }

// Image finds an active image by id or name.
func (s *Service) Image(ctx context.Context, ref string) (*conductor.Image, error) {
	list, err := s.cfg.Store.Images(ctx)
	if err != nil {
		return nil, err
	}
	var found []*Image
	for _, i := range list {
		if i.ID == ref {
			found = []*Image{i}
			break
		}
		if i.Name == ref && i.Status == Active {
			found = append(found, i)
		}
	}
	switch {
	case len(found) == 0:
		return nil, errs.New(errs.NotFound, "image %s could not be found", ref).
			WithHint("upload it: openstack overcloud image upload --image-path DIR")
	case len(found) > 1:
		return nil, errs.New(errs.Conflict, "%d images are called %s", len(found), ref).
			WithHint("delete all but one (openstack image list --name %s), or name the image by its id", ref)
	case found[0].Status != Active:
		return nil, errs.New(errs.Conflict, "image %s is %s, not active: its data was never uploaded", ref, found[0].Status).
			WithHint("delete and upload it again: openstack image delete %s", ref)
	}
	i := found[0]
	return &conductor.Image{ID: i.ID, Name: i.Name, Path: s.path(i.ID), Size: i.Size,
		DiskFormat: i.DiskFormat, SHA256: i.SHA256, Properties: maps.Clone(i.Properties)}, nil
}

// delete removes record, then bytes: a file without a record is swept at the next start.
func (s *Service) delete(ctx context.Context, id string) error {
	i, err := s.cfg.Store.Image(ctx, id)
	if err != nil {
		return err
	}
	if i.Protected {
		return errs.New(errs.Forbidden, "Image %s is protected and cannot be deleted.", id).
			WithHint("openstack image set --unprotected %s", id)
	}
	if err := s.cfg.Store.DeleteImage(ctx, id); err != nil {
		return err
	}
	if err := os.Remove(s.path(id)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("delete image file: %w", err)
	}
	return nil
}

// check refuses a record that could not be used later.
func (i *Image) check() error {
	for _, f := range []struct {
		field, value string
		allowed      []string
	}{
		{"visibility", i.Visibility, []string{"public", "private", "shared", "community"}},
		{"container_format", i.ContainerFormat, []string{"", "bare", "ovf", "aki", "ari", "ami", "ova", "docker", "compressed"}},
		{"disk_format", i.DiskFormat, []string{"", "aki", "ari", "ami", "raw", "qcow2", "iso", "vhd", "vhdx", "vmdk", "vdi", "ploop"}},
	} {
		if !slices.Contains(f.allowed, f.value) {
			return errs.New(errs.Invalid, "Invalid value '%s' for %s; expected one of %s", f.value, f.field,
				strings.Join(slices.DeleteFunc(f.allowed, func(s string) bool { return s == "" }), ", "))
		}
	}
	if len(i.Name) > 255 {
		return errs.New(errs.Invalid, "name is longer than 255 characters")
	}
	return nil
}

// ImageID returns the id of the active image that ref, an id or a name, means, or "".
func (s *Service) ImageID(ctx context.Context, ref string) string {
	i, err := s.Image(ctx, ref)
	if err != nil {
		return "" // the caller shows what it has
	}
	return i.ID
}
