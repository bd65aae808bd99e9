// Package configdrive builds OpenStack config drives: a small ISO 9660 volume
// labelled config-2 with the files that cloud-init reads. It does no I/O; equal
// input gives equal bytes.
package configdrive

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"

	"trefoil/internal/errs"
)

// Label is the volume label that first-boot agents look for.
const Label = "config-2"

// Build makes a config drive of the object that the baremetal API takes
// (meta_data, network_data, user_data, vendor_data) and returns it as gzip and
// base64 of the ISO. uuid and name fill in what meta_data leaves out.
func Build(v map[string]any, uuid, name string) (string, error) {
	files, err := Files(v, uuid, name)
	if err != nil {
		return "", err
	}
	iso, err := ISO(Label, files)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return "", err
	}
	if _, err := z.Write(iso); err != nil {
		return "", err
	}
	if err := z.Close(); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(b.Bytes()), nil
}

// Files returns what a config drive of v holds, by path.
func Files(v map[string]any, uuid, name string) (map[string][]byte, error) {
	for k := range v {
		switch k {
		case "meta_data", "network_data", "user_data", "vendor_data":
		default:
			return nil, errs.New(errs.Invalid, "a config drive has no %q", k).
				WithHint("use meta_data, network_data, user_data or vendor_data")
		}
	}
	meta, err := object(v, "meta_data")
	if err != nil {
		return nil, err
	}
	meta = maps.Clone(meta)
	if meta == nil {
		meta = map[string]any{}
	}
	for k, def := range map[string]string{"uuid": uuid, "name": name, "hostname": name} {
		if _, ok := meta[k]; !ok {
			meta[k] = def
		}
	}
	out := map[string][]byte{}
	if err := encode(out, "openstack/latest/meta_data.json", meta); err != nil {
		return nil, err
	}
	for key, path := range map[string]string{"network_data": "openstack/latest/network_data.json", "vendor_data": "openstack/latest/vendor_data2.json"} {
		o, err := object(v, key)
		if err != nil {
			return nil, err
		}
		if o != nil {
			if err := encode(out, path, o); err != nil {
				return nil, err
			}
		}
	}
	switch u := v["user_data"].(type) {
	case nil:
	case string:
		out["openstack/latest/user_data"] = []byte(u)
	default:
		if err := encode(out, "openstack/latest/user_data", u); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func object(v map[string]any, key string) (map[string]any, error) {
	switch o := v[key].(type) {
	case nil:
		return nil, nil
	case map[string]any:
		return o, nil
	default:
		return nil, errs.New(errs.Invalid, "%s of the config drive is no object", key)
	}
}

func encode(out map[string][]byte, path string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	out[path] = b
	return nil
}
