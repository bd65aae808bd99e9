// Package upload is `openstack overcloud image upload`: it takes the five files
// that deploying needs from a directory and makes images of them, through the
// image API, so that it works with an upstream Glance, too.
package upload

import (
	"context"
	"crypto/md5" //nolint:gosec // Glance's checksum; not used for security
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/imagedata"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"

	"trefoil/internal/dpkg"
	"trefoil/internal/errs"
)

// Options are the command's flags. Client is required; empty fields have the command's defaults.
type Options struct {
	Client         *gophercloud.ServiceClient // image v2
	ImagePath      string                     // directory; default .
	OSImageName    string                     // default overcloud-full.qcow2
	AgentName      string                     // default ironic-python-agent
	UpdateExisting bool
	WholeDisk      bool   // the OS image has a boot loader: no kernel and ramdisk beside it
	Architecture   string // prefixes names: ppc64le-…
	Platform       string // needs Architecture
	Out            io.Writer
	Progress       func(name string, done, total int64) // may be nil; called as bytes go out
}

// file is one image to be.
type file struct {
	name       string // of the image
	path       string
	diskFormat string
	properties map[string]string
}

// Run uploads what is missing. All files are looked at before the first byte goes out.
func Run(ctx context.Context, o Options) error {
	if o.Platform != "" && o.Architecture == "" {
		return errs.New(errs.Invalid, "You supplied a platform (%s) without specifying the architecture", o.Platform).
			WithHint("add --architecture")
	}
	u := &uploader{Options: o.withDefaults()}
	osFiles, agentFiles := u.files()
	if err := checkFiles(append(osFiles, agentFiles...)); err != nil {
		return err
	}
	ids := map[string]string{}
	for _, f := range append(osFiles, agentFiles...) {
		if f.diskFormat == "qcow2" && !o.WholeDisk {
			f.properties["kernel_id"] = ids[osFiles[0].name]
			f.properties["ramdisk_id"] = ids[osFiles[1].name]
		}
		id, err := u.ensure(ctx, f)
		if err != nil {
			return err
		}
		ids[f.name] = id
	}
	if u.updated {
		u.say("Some images have been updated in Glance, make sure to rerun\n\topenstack overcloud node configure\nto reflect the changes on the nodes")
	}
	return nil
}

func (o Options) withDefaults() Options {
	set := func(s *string, def string) {
		if *s == "" {
			*s = def
		}
	}
	set(&o.ImagePath, ".")
	set(&o.OSImageName, "overcloud-full.qcow2")
	set(&o.AgentName, "ironic-python-agent")
	if o.Out == nil {
		o.Out = os.Stdout
	}
	if o.Progress == nil {
		o.Progress = func(string, int64, int64) {}
	}
	return o
}

type uploader struct {
	Options
	updated bool
}

func (u *uploader) say(format string, args ...any) { _, _ = fmt.Fprintf(u.Out, format+"\n", args...) }

// files lists what belongs to the operating system and to the agent, in the order of the upload.
func (u *uploader) files() (system, agent []file) {
	prefix, arch := "", hostArchitecture()
	if u.Architecture != "" {
		prefix, arch = u.Architecture+"-", u.Architecture
	}
	if u.Platform != "" {
		prefix = u.Platform + "-" + prefix
	}
	add := func(list *[]file, name, fileName, format string) {
		props := map[string]string{"hw_architecture": arch}
		if u.Platform != "" {
			props["tripleo_platform"] = u.Platform
		}
		*list = append(*list, file{prefix + name, filepath.Join(u.ImagePath, fileName), format, props})
	}
	base := strings.TrimSuffix(u.OSImageName, filepath.Ext(u.OSImageName))
	if !u.WholeDisk {
		add(&system, base+"-vmlinuz", base+".vmlinuz", "aki")
		add(&system, base+"-initrd", base+".initrd", "ari")
	}
	add(&system, base, u.OSImageName, "qcow2")
	if names := packages(u.ImagePath, base, u.OSImageName); names != "" {
		system[len(system)-1].properties[dpkg.ImageProperty] = names
	}
	add(&agent, "bm-deploy-kernel", u.AgentName+".kernel", "aki")
	add(&agent, "bm-deploy-ramdisk", u.AgentName+".initramfs", "ari")
	return system, agent
}

// hostArchitecture is what `uname -m` says, from Go's name for it.
func hostArchitecture() string {
	switch runtime.GOARCH {
	case "amd64":
		return "x86_64"
	case "arm64":
		return "aarch64"
	}
	return runtime.GOARCH
}

// checkFiles finds all files that are not there.
func checkFiles(list []file) error {
	var missing []error
	for _, f := range list {
		if info, err := os.Stat(f.path); err != nil || !info.Mode().IsRegular() {
			missing = append(missing, errs.New(errs.NotFound, "Required file \"%s\" does not exist.", f.path))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return (&errs.Error{Code: errs.NotFound, Msg: errors.Join(missing...).Error()}).
		WithHint("build them with openstack overcloud image build, or name their directory with --image-path")
}

// ensure makes sure that there is an image with the file's content and returns its id.
func (u *uploader) ensure(ctx context.Context, f file) (string, error) {
	old, err := u.find(ctx, f.name)
	if err != nil {
		return "", err
	}
	sum, size, err := checksum(f.path)
	if err != nil {
		return "", err
	}
	switch {
	case old == nil:
	case old.Status != images.ImageStatusActive:
		u.say("Image \"%s\" was left %s by an upload that did not end; uploading it again.", f.name, old.Status)
		if err := images.Delete(ctx, u.Client, old.ID).ExtractErr(); err != nil {
			return "", fmt.Errorf("delete unfinished image %s: %w", f.name, err)
		}
	case old.Checksum == sum:
		u.say("Image \"%s\" is up-to-date, skipping.", f.name)
		return old.ID, u.describe(ctx, old, f)
	case !u.UpdateExisting:
		u.say("Image \"%s\" already exists and can be updated with --update-existing.", f.name)
		return old.ID, nil
	default:
		if err := u.rename(ctx, old); err != nil {
			return "", err
		}
		u.updated = true
	}
	return u.upload(ctx, f, sum, size)
}

func (u *uploader) find(ctx context.Context, name string) (*images.Image, error) {
	page, err := images.List(u.Client, images.ListOpts{Name: name}).AllPages(ctx)
	if err != nil {
		return nil, fmt.Errorf("look for image %s: %w", name, err)
	}
	list, err := images.ExtractImages(page)
	if err != nil {
		return nil, fmt.Errorf("look for image %s: %w", name, err)
	}
	switch len(list) {
	case 0:
		return nil, nil
	case 1:
		return &list[0], nil
	}
	return nil, errs.New(errs.Conflict, "Image \"%s\" already exists in glance more than once, delete all copies except the first one.", name)
}

// rename makes room for a new image; the old one is kept under its date.
func (u *uploader) rename(ctx context.Context, old *images.Image) error {
	stamp := old.CreatedAt.UTC().Format("20060102150405")
	err := images.Update(ctx, u.Client, old.ID, images.UpdateOpts{images.ReplaceImageName{NewName: old.Name + "_" + stamp}}).Err
	if err != nil {
		return fmt.Errorf("rename image %s: %w", old.Name, err)
	}
	return nil
}

func (u *uploader) upload(ctx context.Context, f file, sum string, size int64) (string, error) {
	public := images.ImageVisibilityPublic
	i, err := images.Create(ctx, u.Client, images.CreateOpts{Name: f.name, DiskFormat: f.diskFormat, ContainerFormat: "bare",
		Visibility: &public, Properties: f.properties}).Extract()
	if err != nil {
		return "", fmt.Errorf("create image %s: %w", f.name, err)
	}
	got, err := u.send(ctx, i.ID, f, size)
	if err == nil && got.Checksum != sum {
		err = errs.New(errs.Internal, "the service received other bytes than %s has: checksum %s, expected %s", f.path, got.Checksum, sum)
	}
	if err != nil {
		// Half an image must not be found under its name by the next deployment.
		del := images.Delete(context.WithoutCancel(ctx), u.Client, i.ID).ExtractErr()
		return "", errors.Join(fmt.Errorf("upload %s: %w", f.path, err), del)
	}
	u.say("Image \"%s\" was uploaded.", f.name)
	_, err = io.WriteString(u.Out, table([]string{"ID", "Name", "Disk Format", "Size", "Status"},
		[]string{got.ID, got.Name, got.DiskFormat, fmt.Sprint(got.SizeBytes), string(got.Status)}))
	return i.ID, err
}

func (u *uploader) send(ctx context.Context, id string, f file, size int64) (*images.Image, error) {
	in, err := os.Open(f.path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	r := &counter{r: in, tell: func(done int64) { u.Progress(f.name, done, size) }}
	if err := imagedata.Upload(ctx, u.Client, id, r).ExtractErr(); err != nil {
		return nil, err
	}
	return images.Get(ctx, u.Client, id).Extract()
}

// counter tells how many bytes were read.
type counter struct {
	r    io.Reader
	n    int64
	tell func(int64)
}

// Read implements io.Reader.
func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	c.tell(c.n)
	return n, err
}

func checksum(path string) (sum string, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := md5.New() //nolint:gosec // see the import
	n, err := io.Copy(h, f)
	if err != nil {
		return "", 0, fmt.Errorf("read %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), n, nil
}
