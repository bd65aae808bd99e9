package cloud

import (
	"context"

	"github.com/gophercloud/gophercloud/v2/openstack/baremetalintrospection/v1/introspection"

	"trefoil/internal/errs"
	"trefoil/overcloud/session"
)

// inspected is what matters here of an introspection's data.
type inspected struct {
	Inventory struct {
		Disks []seenDisk `json:"disks"`
	} `json:"inventory"`
	Root seenDisk `json:"root_disk"`
}

type seenDisk struct {
	Name string `json:"name"`
	Size int64  `json:"size"` // bytes
}

// dataDisks are those besides the one that the image goes to; nil if that is not known.
func (d inspected) dataDisks() map[string]int64 {
	if d.Root.Name == "" {
		return nil
	}
	out := map[string]int64{}
	for _, disk := range d.Inventory.Disks {
		if disk.Name != d.Root.Name {
			out[disk.Name] = disk.Size
		}
	}
	return out
}

// DataDisks implements deploy.Cloud. An undercloud may have no introspection, and a node
// may never have been looked at.
func (c *Cloud) DataDisks(ctx context.Context, nodeUUID string) (map[string]int64, error) {
	s, err := c.session(ctx)
	if err != nil {
		return nil, err
	}
	in, err := s.Introspection()
	if errs.Is(err, errs.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var data inspected
	err = session.Explain(introspection.GetIntrospectionData(ctx, in, nodeUUID).ExtractInto(&data))
	if errs.Is(err, errs.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return data.dataDisks(), nil
}
