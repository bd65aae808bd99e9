package initramfs

import (
	"bytes"
	"compress/gzip"
	"debug/elf"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// Module is one kernel module of a package, with what its .modinfo says.
type Module struct {
	Name    string   // with underscores
	Path    string   // file on this machine, compressed or not
	Deps    []string // modules that it needs, also those that are built into the kernel
	Aliases []string // glob patterns of modalias
}

// File is the module's path in an initramfs.
func (m Module) File() string { return "/lib/modules/" + m.Name + ".ko" }

// Choice is which modules are taken: whole directories and single names.
type Choice struct {
	Dirs  []string // below kernel/
	Skip  []string // below those, left out
	Names []string
}

// Select reads the modules below dir (lib/modules/<version>) and returns those
// chosen with everything they need, each before what needs it. A name that is not
// there is built into the kernel, and passed over.
func Select(dir string, c Choice) ([]Module, error) {
	all, err := findModules(dir)
	if err != nil {
		return nil, err
	}
	var out []Module
	picked := map[string]bool{}
	var pick func(name string) error
	pick = func(name string) error {
		path, ok := all[name]
		if !ok || picked[name] {
			return nil
		}
		picked[name] = true
		info, err := readModinfo(path)
		if err != nil {
			return err
		}
		for _, d := range info.deps {
			if err := pick(d); err != nil {
				return err
			}
		}
		out = append(out, Module{Name: name, Path: path, Deps: info.deps, Aliases: info.aliases})
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !c.Wants(name, strings.TrimPrefix(all[name], dir)) {
			continue
		}
		if err := pick(name); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Wants tells whether a module is chosen by itself: name with underscores, rel its path below the version's folder.
func (c Choice) Wants(name, rel string) bool {
	if slices.Contains(c.Names, name) {
		return true
	}
	if slices.Contains(c.Skip, name) {
		return false
	}
	return slices.ContainsFunc(c.Dirs, func(d string) bool { return strings.HasPrefix(rel, "/kernel/"+d+"/") })
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
	data, err := Module{Path: path}.Read()
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

// Read returns the module as the kernel wants it, uncompressed.
func (m Module) Read() ([]byte, error) {
	data, err := os.ReadFile(m.Path)
	if err != nil {
		return nil, fmt.Errorf("read module: %w", err)
	}
	var r io.Reader
	switch filepath.Ext(m.Path) {
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
		return nil, fmt.Errorf("decompress module %s: %w", m.Path, err)
	}
	return data, nil
}
