package inspect

import (
	"fmt"
	"sort"
	"strconv"
	"strings"

	"trefoil/internal/errs"
	"trefoil/ironic/agentapi"
)

// minRootDisk is the smallest disk that is taken without hints, in bytes.
const minRootDisk = 4 * gib

// RootDisk chooses the disk an image goes to: the first that matches all hints,
// or without hints the smallest of at least 4 GiB. The error is NotFound or
// Invalid and lists what there is.
//
// Hints and their operators are Ironic's: size (GiB), model, wwn, serial, vendor,
// name, rotational, hctl, by_path, tran; ==, !=, >=, <=, >, <, =, s==, s!=, s<,
// s<=, s>, s>=, <in>, <all-in>, <or>.
func RootDisk(disks []agentapi.Disk, hints map[string]any) (*agentapi.Disk, error) {
	sorted := append([]agentapi.Disk(nil), disks...)
	if len(hints) == 0 {
		sort.SliceStable(sorted, func(i, j int) bool {
			if sorted[i].Size != sorted[j].Size {
				return sorted[i].Size < sorted[j].Size
			}
			return sorted[i].Name < sorted[j].Name
		})
	}
	for i := range sorted {
		ok, err := matches(&sorted[i], hints)
		if err != nil {
			return nil, err
		}
		if ok && (len(hints) > 0 || sorted[i].Size >= minRootDisk) {
			return &sorted[i], nil
		}
	}
	if len(hints) > 0 {
		return nil, errs.New(errs.NotFound, "no disk matches the root device hints %v; there are %s", hints, describe(disks)).
			WithHint("openstack baremetal node set <node> --property root_device='{\"name\": \"/dev/vda\"}'")
	}
	return nil, errs.New(errs.NotFound, "no disk of at least 4 GiB; there are %s", describe(disks))
}

func describe(disks []agentapi.Disk) string {
	if len(disks) == 0 {
		return "none"
	}
	var out []string
	for _, d := range disks {
		out = append(out, fmt.Sprintf("%s (%d GiB, serial %q)", d.Name, d.Size/gib, d.Serial))
	}
	return strings.Join(out, ", ")
}

func matches(d *agentapi.Disk, hints map[string]any) (bool, error) {
	for k, h := range hints {
		have, err := attribute(d, k)
		if err != nil {
			return false, err
		}
		ok, err := compare(k, have, fmt.Sprint(h))
		if err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

func attribute(d *agentapi.Disk, key string) (string, error) {
	str := func(p *string) string {
		if p == nil {
			return ""
		}
		return *p
	}
	switch key {
	case "size":
		return strconv.FormatInt(d.Size/gib, 10), nil
	case "model":
		return d.Model, nil
	case "wwn":
		return str(d.WWN), nil
	case "wwn_with_extension":
		return str(d.WWNWithExtension), nil
	case "wwn_vendor_extension":
		return str(d.WWNVendorExtension), nil
	case "serial":
		return d.Serial, nil
	case "vendor":
		return d.Vendor, nil
	case "name":
		return d.Name, nil
	case "rotational":
		return strconv.FormatBool(d.Rotational), nil
	case "hctl":
		return str(d.HCTL), nil
	case "by_path":
		return d.ByPath, nil
	case "tran":
		return d.Transport, nil
	}
	return "", errs.New(errs.Invalid, "root device hint %q is not known", key).
		WithHint("use size, model, wwn, serial, vendor, name, rotational, hctl, by_path or tran")
}

// compare holds a disk's attribute against a hint, both in lower case.
func compare(key, have, hint string) (bool, error) {
	have, hint = strings.ToLower(strings.TrimSpace(have)), strings.ToLower(strings.TrimSpace(hint))
	op, rest, _ := strings.Cut(hint, " ")
	rest = strings.TrimSpace(rest)
	switch op {
	case "<or>":
		for _, alt := range strings.Split(rest, "<or>") {
			if strings.TrimSpace(alt) == have {
				return true, nil
			}
		}
		return false, nil
	case "<in>":
		return strings.Contains(have, rest), nil
	case "<all-in>":
		for _, w := range strings.Fields(rest) {
			if w != "<all-in>" && !strings.Contains(have, w) {
				return false, nil
			}
		}
		return true, nil
	case "s==":
		return have == rest, nil
	case "s!=":
		return have != rest, nil
	case "s<":
		return have < rest, nil
	case "s<=":
		return have <= rest, nil
	case "s>":
		return have > rest, nil
	case "s>=":
		return have >= rest, nil
	case "=", "==", "!=", ">=", "<=", ">", "<":
		return number(key, op, have, rest)
	}
	if key == "rotational" {
		h, err1 := truth(hint)
		return err1 == nil && strconv.FormatBool(h) == have, err1
	}
	return have == hint, nil
}

func truth(s string) (bool, error) {
	switch s {
	case "true", "1", "yes", "on", "y", "t":
		return true, nil
	case "false", "0", "no", "off", "n", "f":
		return false, nil
	}
	return false, errs.New(errs.Invalid, "root device hint rotational is %q, not true or false", s)
}

func number(key, op, have, want string) (bool, error) {
	w, err := strconv.ParseFloat(want, 64)
	if err != nil {
		return false, errs.New(errs.Invalid, "root device hint %s: %q is no number", key, want)
	}
	h, err := strconv.ParseFloat(have, 64)
	if err != nil {
		return false, nil // a disk without that number does not match
	}
	switch op {
	case "==":
		return h == w, nil
	case "!=":
		return h != w, nil
	case "<=":
		return h <= w, nil
	case ">":
		return h > w, nil
	case "<":
		return h < w, nil
	default: // "=" means at least, as ">="
		return h >= w, nil
	}
}
