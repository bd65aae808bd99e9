// Package hints chooses a node's root disk from its root-device hints, with the
// operators of Ironic: equality without one; = == != >= <= > < for numbers
// (= means at least); s== s!= s< s<= s> s>= for text; <in>, <all-in> and <or>.
package hints

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"trefoil/internal/errs"
	"trefoil/ironic/agentapi"
)

// minSize is the smallest disk chosen when nobody gave a hint.
const minSize = 4 << 30

// Choose returns the root disk. Without hints it is the smallest disk of at
// least 4 GiB, by size and then name; with hints the first that matches all.
// skip holds hints of disks never to be used (properties.skip_block_devices).
// The error is NotFound and says for each disk why it was passed over.
func Choose(disks []agentapi.Disk, hint map[string]any, skip []map[string]any) (*agentapi.Disk, error) {
	sorted := slices.Clone(disks)
	slices.SortFunc(sorted, func(a, b agentapi.Disk) int {
		if a.Size != b.Size {
			return int(min(max(a.Size-b.Size, -1), 1))
		}
		return strings.Compare(a.Name, b.Name)
	})
	if len(hint) > 0 {
		slices.SortFunc(sorted, func(a, b agentapi.Disk) int { return strings.Compare(a.Name, b.Name) })
	}
	var why []string
	for i := range sorted {
		d := &sorted[i]
		reason, err := refuse(d, hint, skip)
		if err != nil {
			return nil, err
		}
		if reason == "" {
			return d, nil
		}
		why = append(why, d.Name+": "+reason)
	}
	if len(why) == 0 {
		why = []string{"the machine has no disk"}
	}
	return nil, errs.New(errs.NotFound, "no suitable root disk (%s)", strings.Join(why, "; ")).
		WithHint("compare `openstack baremetal introspection data save` with the node's root_device property")
}

// refuse says why a disk cannot be the root disk, or "".
func refuse(d *agentapi.Disk, hint map[string]any, skip []map[string]any) (string, error) {
	if skipped, err := Skipped(d, skip); err != nil || skipped {
		return "skip_block_devices names it", err
	}
	if len(hint) == 0 {
		if d.Size < minSize {
			return fmt.Sprintf("%d bytes, less than 4 GiB", d.Size), nil
		}
		return "", nil
	}
	return mismatch(d, hint)
}

// Skipped tells whether one of the hints in skip names the disk.
func Skipped(d *agentapi.Disk, skip []map[string]any) (bool, error) {
	for _, s := range skip {
		if len(s) == 0 {
			continue
		}
		if why, err := mismatch(d, s); err != nil || why == "" {
			return err == nil, err
		}
	}
	return false, nil
}

// mismatch names the first hint, in alphabetical order, that the disk does not meet.
func mismatch(d *agentapi.Disk, hint map[string]any) (string, error) {
	keys := make([]string, 0, len(hint))
	for k := range hint {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		have, numeric, err := field(d, k)
		if err != nil {
			return "", err
		}
		want := strings.TrimSpace(fmt.Sprint(hint[k]))
		if f, ok := hint[k].(float64); ok { // JSON numbers
			want = strconv.FormatFloat(f, 'f', -1, 64)
		}
		if b, err := strconv.ParseBool(want); k == "rotational" && err == nil {
			want = strconv.FormatBool(b) // 1, True, …
		}
		ok, err := Match(have, want, numeric)
		if err != nil {
			return "", errs.New(errs.Invalid, "root device hint %s=%q: %v", k, want, err)
		}
		if !ok {
			return fmt.Sprintf("%s is %q, wanted %q", k, have, want), nil
		}
	}
	return "", nil
}

// field is a disk's value for a hint's name. size is in whole GiB.
func field(d *agentapi.Disk, key string) (value string, numeric bool, err error) {
	text := func(p *string) string {
		if p == nil {
			return ""
		}
		return *p
	}
	switch key {
	case "size":
		return strconv.FormatInt(d.Size>>30, 10), true, nil
	case "model":
		return d.Model, false, nil
	case "wwn":
		return text(d.WWN), false, nil
	case "wwn_with_extension":
		return text(d.WWNWithExtension), false, nil
	case "wwn_vendor_extension":
		return text(d.WWNVendorExtension), false, nil
	case "serial":
		return d.Serial, false, nil
	case "vendor":
		return d.Vendor, false, nil
	case "name":
		return d.Name, false, nil
	case "rotational":
		return strconv.FormatBool(d.Rotational), false, nil
	case "hctl":
		return text(d.HCTL), false, nil
	case "by_path":
		return d.ByPath, false, nil
	case "tran":
		return d.Transport, false, nil
	}
	return "", false, errs.New(errs.Invalid, "unknown root device hint %q", key).
		WithHint("known: size, model, wwn, serial, vendor, wwn_with_extension, wwn_vendor_extension, name, rotational, hctl, by_path, tran")
}
