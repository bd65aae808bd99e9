package upload

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"

	"trefoil/internal/dpkg"
)

// packages are the names of what is in an image that `openstack overcloud image
// build` made, or "" where no manifest says it: the image is somebody else's, or
// other than the manifest's.
func packages(dir, base, file string) string {
	var m struct {
		Files []struct {
			Name string `json:"name"`
			Size int64  `json:"size"`
		} `json:"files"`
		Packages []string `json:"packages"` // name=version
		Provides []string `json:"provides"`
	}
	data, err := os.ReadFile(filepath.Join(dir, base+".manifest.json"))
	if err != nil || json.Unmarshal(data, &m) != nil {
		return ""
	}
	info, err := os.Stat(filepath.Join(dir, file))
	if err != nil {
		return "" // checkFiles tells it better
	}
	for _, f := range m.Files {
		if f.Name == file && f.Size != info.Size() {
			return ""
		}
	}
	names := slices.Clone(m.Provides)
	for _, p := range m.Packages {
		name, _, _ := strings.Cut(p, "=")
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), " ")
}

// describe gives an image that is there already the list of its packages, which
// one that was uploaded before does not have.
func (u *uploader) describe(ctx context.Context, old *images.Image, f file) error {
	names := f.properties[dpkg.ImageProperty]
	if names == "" || old.Properties[dpkg.ImageProperty] == names {
		return nil
	}
	err := images.Update(ctx, u.Client, old.ID, images.UpdateOpts{
		images.UpdateImageProperty{Op: images.AddOp, Name: dpkg.ImageProperty, Value: names}}).Err
	if err != nil {
		return fmt.Errorf("describe image %s: %w", f.name, err)
	}
	return nil
}
