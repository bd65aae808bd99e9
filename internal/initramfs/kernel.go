package initramfs

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"trefoil/internal/errs"
)

// Flavor is a build of Debian's kernel.
type Flavor string

// Flavors: Cloud for virtual machines (virtio, NVMe), Generic with the drivers of hardware.
const (
	Cloud   Flavor = "cloud"
	Generic Flavor = "generic"
)

// Kernel is a Debian kernel, unpacked.
type Kernel struct {
	Image      string // vmlinuz
	ModulesDir string // lib/modules/<version>
	Version    string // e.g. 6.1.0-56-cloud-amd64
}

// Package returns Debian's meta package of a flavor's kernel.
func (f Flavor) Package() string {
	if f == Generic {
		return "linux-image-amd64"
	}
	return "linux-image-cloud-amd64"
}

var kernelPackage = regexp.MustCompile(`(?m)^\s*Depends: (linux-image-[0-9][a-z0-9.+-]*)$`)

// FetchKernel downloads the flavor's current kernel package with apt and unpacks
// it below cacheDir, without installing anything on this machine. What was
// unpacked before is used again; when apt cannot download, the newest kernel in
// cacheDir or on this machine is taken instead.
func FetchKernel(ctx context.Context, cacheDir string, f Flavor) (Kernel, error) {
	k, err := fetchKernel(ctx, cacheDir, f)
	if err == nil {
		return k, nil
	}
	roots, globErr := filepath.Glob(filepath.Join(cacheDir, "linux-image-*"))
	if globErr != nil {
		return Kernel{}, globErr
	}
	slices.Reverse(roots)
	for _, root := range append(roots, "/") {
		if strings.HasPrefix(filepath.Base(root), ".") {
			continue
		}
		if k, ok := findKernel(root, f); ok {
			return k, nil
		}
	}
	return Kernel{}, errs.Wrap(errs.Unavailable, err, "no kernel of flavor %s", f).
		WithHint("check that `apt-get update` works here, or install %s", f.Package())
}

func fetchKernel(ctx context.Context, cacheDir string, f Flavor) (Kernel, error) {
	out, err := exec.CommandContext(ctx, "apt-cache", "depends", "--no-recommends", f.Package()).Output()
	if err != nil {
		return Kernel{}, fmt.Errorf("apt-cache depends %s: %w", f.Package(), err)
	}
	m := kernelPackage.FindSubmatch(out)
	if m == nil {
		return Kernel{}, fmt.Errorf("apt knows no kernel behind %s", f.Package())
	}
	pkg := string(m[1])
	root := filepath.Join(cacheDir, pkg)
	if k, ok := findKernel(root, f); ok {
		return k, nil
	}
	tmp := filepath.Join(cacheDir, ".fetch-"+pkg)
	if err := os.RemoveAll(tmp); err != nil {
		return Kernel{}, fmt.Errorf("clean kernel cache: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(tmp, "root"), 0o755); err != nil {
		return Kernel{}, fmt.Errorf("make kernel cache: %w", err)
	}
	defer os.RemoveAll(tmp)
	if err := run(ctx, tmp, "apt-get", "-q", "download", pkg); err != nil {
		return Kernel{}, err
	}
	debs, err := filepath.Glob(filepath.Join(tmp, "*.deb"))
	if err != nil || len(debs) != 1 {
		return Kernel{}, fmt.Errorf("apt-get download %s left %d files", pkg, len(debs))
	}
	if err := run(ctx, tmp, "dpkg-deb", "-x", debs[0], "root"); err != nil {
		return Kernel{}, err
	}
	if err := os.Rename(filepath.Join(tmp, "root"), root); err != nil {
		return Kernel{}, fmt.Errorf("keep kernel: %w", err)
	}
	k, ok := findKernel(root, f)
	if !ok {
		return Kernel{}, fmt.Errorf("package %s holds no kernel", pkg)
	}
	return k, nil
}

// findKernel looks for a kernel with its modules below root.
func findKernel(root string, f Flavor) (Kernel, bool) {
	pattern := "vmlinuz-*-amd64"
	images, err := filepath.Glob(filepath.Join(root, "boot", pattern))
	if err != nil {
		return Kernel{}, false
	}
	slices.Reverse(images)
	for _, img := range images {
		version := strings.TrimPrefix(filepath.Base(img), "vmlinuz-")
		if strings.Contains(version, "-cloud-") != (f != Generic) {
			continue
		}
		for _, lib := range []string{"lib/modules", "usr/lib/modules"} {
			dir := filepath.Join(root, lib, version)
			if st, err := os.Stat(filepath.Join(dir, "kernel")); err == nil && st.IsDir() {
				return Kernel{Image: img, ModulesDir: dir, Version: version}, true
			}
		}
	}
	return Kernel{}, false
}

func run(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(append([]string{name}, args...), " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
