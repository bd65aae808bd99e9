package conductor

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"
	"unicode"

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
	if root != nil {
		if _, err := ofVolume(nil, root); err != nil {
			return err
		}
	}
	made = maps.Clone(made)
	made["last_updated"] = t.Now().UTC().Format(time.DateTime)
	return t.update(ctx, func(n *ironic.Node) {
		n.RaidConfig = made
		if root != nil {
			n.Properties, _ = ofVolume(n.Properties, root) // it was looked at above
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

// maxVolume bounds the size of a volume in GB: an exabyte.
const maxVolume = 1e9

// ofVolume are the properties of a machine whose root disk is a volume. What the agent says is held to what such
// properties are: a deployment chooses the disk by them.
func ofVolume(properties, root map[string]any) (map[string]any, error) {
	out := maps.Clone(properties)
	if out == nil {
		out = map[string]any{}
	}
	bad := func(field, want string) error {
		return errs.New(errs.Invalid, "the root volume that the agent reports has a %s that is not %s", field, want)
	}
	switch size := root["size_gb"].(type) {
	case nil:
	case float64:
		if !(size >= 1 && size <= maxVolume) {
			return nil, bad("size_gb", "from 1 to 1000000000")
		}
		out["local_gb"] = fmt.Sprint(int64(size))
	default:
		if size != "MAX" {
			return nil, bad("size_gb", "a number or \"MAX\"")
		}
	}
	if v, given := root["root_device_hint"]; given {
		hint, ok := v.(map[string]any)
		if !ok || len(hint) == 0 {
			return nil, bad("root_device_hint", "an object with a hint in it")
		}
		out["root_device"] = hint
	}
	if v := root["raid_level"]; v != nil {
		level, ok := v.(string)
		if !ok || level == "" || strings.ContainsFunc(level, func(r rune) bool { return strings.ContainsRune(",:", r) || !unicode.IsPrint(r) }) {
			return nil, bad("raid_level", "a word without , and :")
		}
		out["capabilities"] = inspect.MergeCapabilities(text(out, "capabilities"), map[string]string{"raid_level": level})
	}
	return out, nil
}
