package ramdisk

import (
	"bytes"
	"compress/gzip"
	"debug/elf"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"trefoil/ironic/agent/kmods"
)

// choice is which modules a flavor takes: whole directories and single names.
type choice struct {
	dirs   []string // below kernel/
	skip   []string // below those, left out: big and of no use to a ramdisk
	names  []string
	always []string
}

// choices per flavor. Cloud kernels are for virtual machines; what is not in the
// kernel that is used is passed over.
func choices(f Flavor) choice {
	c := choice{
		dirs:   []string{"drivers/virtio"},
		skip:   []string{"virtio_mem", "virtio_input", "virtio_balloon", "virtio_dma_buf"},
		names:  []string{"virtio_net", "virtio_blk", "virtio_scsi", "virtio_rng", "nvme", "sd_mod", "efivarfs"},
		always: []string{"sd_mod"},
	}
	if f == Generic {
		c.dirs = append(c.dirs, "drivers/net/ethernet", "drivers/net/hyperv", "drivers/net/vmxnet3", "drivers/ata", "drivers/scsi",
			"drivers/nvme/host", "drivers/message/fusion", "drivers/usb/host", "drivers/usb/storage", "drivers/mmc",
			"drivers/char/ipmi", "drivers/hid/usbhid", "drivers/block/mtip32xx")
		c.names = append(c.names, "hid_generic", "xen_blkfront", "xen_netfront", "hv_storvsc", "hv_vmbus", "crc32c_generic", "crc32c_intel", "crct10dif_pclmul")
	}
	return c
}

// module is one file of the kernel package, with what its .modinfo says.
type module struct {
	kmods.Module
	path string
}

// selectModules reads the kernel's modules and returns those of the flavor with
// everything they need, and the manifest of them.
func selectModules(dir string, f Flavor) ([]module, *kmods.Manifest, error) {
	all, err := findModules(dir)
	if err != nil {
		return nil, nil, err
	}
	c := choices(f)
	picked := map[string]module{}
	var pick func(name string) error
	pick = func(name string) error {
		path, ok := all[name]
		if _, done := picked[name]; !ok || done {
			return nil // not in this kernel, or built in
		}
		info, err := readModinfo(path)
		if err != nil {
			return err
		}
		m := module{path: path, Module: kmods.Module{Name: name, File: "/lib/modules/" + name + ".ko", Deps: info.deps, Aliases: info.aliases}}
		picked[name] = m
		for _, d := range info.deps {
			if err := pick(d); err != nil {
				return err
			}
		}
		return nil
	}
	for name, path := range all {
		if c.wants(name, strings.TrimPrefix(path, dir)) {
			if err := pick(name); err != nil {
				return nil, nil, err
			}
		}
	}
	mods := make([]module, 0, len(picked))
	for _, m := range picked {
		mods = append(mods, m)
	}
	slices.SortFunc(mods, func(a, b module) int { return strings.Compare(a.Name, b.Name) })
	man := &kmods.Manifest{Kernel: filepath.Base(dir)}
	for _, m := range mods {
		man.Modules = append(man.Modules, m.Module)
	}
	for _, n := range c.always {
		if _, ok := picked[n]; ok {
			man.Always = append(man.Always, n)
		}
	}
	return mods, man, nil
}

func (c choice) wants(name, rel string) bool {
	if slices.Contains(c.names, name) {
		return true
	}
	if slices.Contains(c.skip, name) {
		return false
	}
	return slices.ContainsFunc(c.dirs, func(d string) bool { return strings.HasPrefix(rel, "/kernel/"+d+"/") })
}

// findModules maps module names (underscores) to files.
func findModules(dir string) (map[string]string, error) {
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name, ok := moduleName(d.Name()); ok {
			out[name] = p
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list kernel modules: %w", err)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("list kernel modules: none below %s", dir)
	}
	return out, nil
}

func moduleName(file string) (string, bool) {
	base, ext, ok := strings.Cut(file, ".ko")
	if !ok || !slices.Contains([]string{"", ".xz", ".zst", ".gz"}, ext) {
		return "", false
	}
	return strings.ReplaceAll(base, "-", "_"), true
}

type modinfo struct{ deps, aliases []string }

// readModinfo reads depends, softdep pre and alias from a module's .modinfo section.
func readModinfo(path string) (modinfo, error) {
	data, err := readModule(path)
	if err != nil {
		return modinfo{}, err
	}
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return modinfo{}, fmt.Errorf("read module %s: %w", path, err)
	}
	sec := f.Section(".modinfo")
	if sec == nil {
		return modinfo{}, fmt.Errorf("read module %s: no .modinfo section", path)
	}
	raw, err := sec.Data()
	if err != nil {
		return modinfo{}, fmt.Errorf("read module %s: %w", path, err)
	}
	return parseModinfo(raw), nil
}

func parseModinfo(raw []byte) modinfo {
	var out modinfo
	for field := range bytes.SplitSeq(raw, []byte{0}) {
		key, val, ok := strings.Cut(string(field), "=")
		if !ok || val == "" {
			continue
		}
		switch key {
		case "depends":
			for d := range strings.SplitSeq(val, ",") {
				out.deps = append(out.deps, strings.ReplaceAll(d, "-", "_"))
			}
		case "softdep":
			if pre, ok := strings.CutPrefix(val, "pre: "); ok {
				pre, _, _ = strings.Cut(pre, "post:")
				for d := range strings.FieldsSeq(pre) {
					out.deps = append(out.deps, strings.ReplaceAll(d, "-", "_"))
				}
			}
		case "alias":
			out.aliases = append(out.aliases, val)
		}
	}
	return out
}

// readModule returns the module as the kernel wants it, uncompressed.
func readModule(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read module: %w", err)
	}
	var r io.Reader
	switch filepath.Ext(path) {
	case ".xz":
		r, err = xz.NewReader(bytes.NewReader(data))
	case ".gz":
		r, err = gzip.NewReader(bytes.NewReader(data))
	case ".zst":
		r, err = zstd.NewReader(bytes.NewReader(data))
	default:
		return data, nil
	}
	if err == nil {
		data, err = io.ReadAll(r)
	}
	if err != nil {
		return nil, fmt.Errorf("decompress module %s: %w", path, err)
	}
	return data, nil
}
