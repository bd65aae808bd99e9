package conductor

import (
	"context"
	"fmt"
	"maps"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/inspect"
	"trefoil/ironic/steps"
)

// keepRAID takes over what a step of the agent has made of the disks, as Ironic's raid interface "agent"
// does: the layout goes into raid_config, and its root volume into the properties that a deployment
// chooses the disk by. It may run twice. Our own agent has no such steps.
func (t *task) keepRAID(ctx context.Context, f flow, s steps.Step, result map[string]any) error {
	switch s.Name {
	case "delete_configuration":
		return t.update(ctx, func(n *ironic.Node) {
			n.RaidConfig, n.Properties = map[string]any{}, maps.Clone(n.Properties)
			delete(n.Properties, "root_device")
		})
	case "create_configuration", "apply_configuration":
	default:
		return nil
	}
	made, _ := result[string(f.kind)+"_result"].(map[string]any)
	if len(made) == 0 {
		return errs.New(errs.Internal, "the agent of node %s ended step %s without saying what it has built", title(t.node), s.ID())
	}
	root, err := rootVolume(made)
	if err != nil {
		return err
	}
	made = maps.Clone(made)
	made["last_updated"] = t.Now().UTC().Format(time.DateTime)
	return t.update(ctx, func(n *ironic.Node) {
		n.RaidConfig = made
		if root != nil {
			n.Properties = ofVolume(n.Properties, root)
		}
	})
}

// rootVolume finds the volume of a layout that is the root disk; nil: none is.
func rootVolume(layout map[string]any) (map[string]any, error) {
	var root map[string]any
	disks, _ := layout["logical_disks"].([]any)
	for _, d := range disks {
		disk, _ := d.(map[string]any)
		if disk["is_root_volume"] != true {
			continue
		}
		if root != nil {
			return nil, errs.New(errs.Invalid, "Raid config cannot have more than one root volume.")
		}
		root = disk
	}
	return root, nil
}

// ofVolume are the properties of a machine whose root disk is a volume.
func ofVolume(properties, root map[string]any) map[string]any {
	out := maps.Clone(properties)
	if out == nil {
		out = map[string]any{}
	}
	if size, ok := root["size_gb"].(float64); ok { // else MAX
		out["local_gb"] = fmt.Sprint(int64(size))
	}
	if hint, given := root["root_device_hint"]; given {
		out["root_device"] = hint
	}
	if level := text(root, "raid_level"); level != "" {
		out["capabilities"] = inspect.MergeCapabilities(text(out, "capabilities"), map[string]string{"raid_level": level})
	}
	return out
}
