package check

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/imagedata"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"

	"trefoil/internal/errs"
	"trefoil/overcloud/check/guest"
)

// rootSize is the guest's root disk, bytes: nothing is on it, but Nova wants one.
const rootSize = 1 << 20

// uploadImage makes the guest and hands it to Glance: kernel (aki), ramdisk (ari)
// and a raw root, because Nova refuses root images of format ami.
func (k *Check) uploadImage(ctx context.Context) (string, error) {
	f, err := k.Guest(ctx)
	if err != nil {
		return "", err
	}
	began := time.Now()
	if k.kernel, err = k.upload(ctx, "kernel", "aki", "aki", f.Kernel, nil); err != nil {
		return "", err
	}
	if k.ramdisk, err = k.upload(ctx, "ramdisk", "ari", "ari", f.Initramfs, nil); err != nil {
		return "", err
	}
	k.root, err = k.upload(ctx, "root", "bare", "raw", make([]byte, rootSize), map[string]string{
		"kernel_id": k.kernel, "ramdisk_id": k.ramdisk, "os_command_line": guest.CommandLine, "os_distro": "debian",
	})
	if err != nil {
		return "", err
	}
	size := float64(len(f.Kernel)+len(f.Initramfs)+rootSize) / (1 << 20)
	return fmt.Sprintf("kernel %s and busybox, %.1f MiB uploaded in %.1f s", f.Version, size, time.Since(began).Seconds()), nil
}

func (k *Check) upload(ctx context.Context, what, container, disk string, data []byte, properties map[string]string) (string, error) {
	im, err := made(ctx, k, "create image "+k.name(what), func(ctx context.Context) (*images.Image, error) {
		return images.Create(ctx, k.image, images.CreateOpts{Name: k.name(what), ContainerFormat: container, DiskFormat: disk, Properties: properties}).Extract()
	})
	if err != nil {
		return "", err
	}
	if err := imagedata.Upload(ctx, k.image, im.ID, io.Reader(bytes.NewReader(data))).ExtractErr(); err != nil {
		return "", fmt.Errorf("upload image %s: %w", k.name(what), explain(err))
	}
	return im.ID, k.wait(ctx, "image "+k.name(what)+" to become active", k.Settle, func(ctx context.Context) (bool, string, error) {
		im, err := images.Get(ctx, k.image, im.ID).Extract()
		if err != nil {
			return false, "", explain(err)
		}
		if im.Status == images.ImageStatusKilled || strings.HasPrefix(string(im.Status), "deleted") {
			return false, "", errs.New(errs.Internal, "image %s is %s", im.Name, im.Status).WithHint("glance-api.log on the controller; is there room in its store?")
		}
		return im.Status == images.ImageStatusActive, string(im.Status), nil
	})
}
