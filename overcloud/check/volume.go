package check

import (
	"context"
	"fmt"
	"strings"

	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumes"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/volumeattach"

	"trefoil/internal/errs"
)

// volumeGB is the volume's size; volumeBytes is what the guest must see.
const (
	volumeGB    = 1
	volumeBytes = volumeGB << 30
)

// makeVolume wants a volume of the backend.
func (k *Check) makeVolume(ctx context.Context) (string, error) {
	v, err := made(ctx, k, "create volume "+k.name("volume"), func(ctx context.Context) (*volumes.Volume, error) {
		return volumes.Create(ctx, k.volume, volumes.CreateOpts{Name: k.name("volume"), Size: volumeGB}, nil).Extract()
	})
	if err != nil {
		return "", err
	}
	k.disk = v.ID
	return fmt.Sprintf("%d GB made", volumeGB), hinted(k.volumeIs(ctx, "available"), "cinder-volume.log on its node")
}

// attachVolume wants that a sees the volume come and go.
func (k *Check) attachVolume(ctx context.Context) (string, error) {
	hint := "cinder-volume.log on its node, nova-compute.log on " + k.a.host
	_, err := made(ctx, k, "attach volume to "+k.a.name, func(ctx context.Context) (*volumeattach.VolumeAttachment, error) {
		return volumeattach.Create(ctx, k.compute, k.a.id, volumeattach.CreateOpts{VolumeID: k.disk}).Extract()
	})
	if err != nil {
		return "", err
	}
	if err := k.volumeIs(ctx, "in-use"); err != nil {
		return "", hinted(err, "%s", hint)
	}
	fact := fmt.Sprintf("disk vdb %d", int64(volumeBytes))
	if err := k.facts(ctx, &k.a, "the volume", fact); err != nil {
		return "", hinted(err, "nova-compute.log on %s", k.a.host)
	}
	if err := volumeattach.Delete(ctx, k.compute, k.a.id, k.disk).ExtractErr(); err != nil {
		return "", fmt.Errorf("detach volume from %s: %w", k.a.name, explain(err))
	}
	if err := k.volumeIs(ctx, "available"); err != nil {
		return "", hinted(err, "%s", hint)
	}
	if err := k.facts(ctx, &k.a, "the volume's leaving", "disk vdb gone"); err != nil {
		return "", hinted(err, "nova-compute.log on %s", k.a.host)
	}
	return fmt.Sprintf("%d GB attached to %s as vdb and detached", volumeGB, k.a.name), nil
}

// volumeIs waits for the volume's status.
func (k *Check) volumeIs(ctx context.Context, status string) error {
	return k.wait(ctx, fmt.Sprintf("volume %s to be %s", k.name("volume"), status), k.Settle, func(ctx context.Context) (bool, string, error) {
		v, err := volumes.Get(ctx, k.volume, k.disk).Extract()
		if err != nil {
			return false, "", explain(err)
		}
		if strings.HasPrefix(v.Status, "error") {
			return false, "", errs.New(errs.Conflict, "volume %s is in status %s, %s was expected", v.Name, v.Status, status).
				WithHint("cinder-volume.log and cinder-scheduler.log; is there room in the backend?")
		}
		return v.Status == status, v.Status, nil
	})
}
