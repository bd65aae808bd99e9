package ramdisk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/cavaliergopher/cpio"
	"github.com/klauspost/compress/zstd"

	"trefoil/ironic/agent/kmods"
)

func TestParseModinfo(t *testing.T) {
	raw := []byte("license=GPL\x00depends=virtio,virtio-ring\x00alias=virtio:d1v*\x00alias=of:x\x00softdep=pre: crc32c post: later\x00depends=\x00\x00")
	want := modinfo{deps: []string{"virtio", "virtio_ring", "crc32c"}, aliases: []string{"virtio:d1v*", "of:x"}}
	if got := parseModinfo(raw); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}

func TestModuleName(t *testing.T) {
	for in, want := range map[string]string{"virtio-rng.ko": "virtio_rng", "x.ko.xz": "x", "y.ko.zst": "y", "modules.dep": "", "z.ko.bak": ""} {
		if got, ok := moduleName(in); got != want || ok != (want != "") {
			t.Errorf("%s: %q", in, got)
		}
	}
}

func TestChoices(t *testing.T) {
	for _, c := range []struct {
		f         Flavor
		name, rel string
		want      bool
	}{
		{Cloud, "virtio_pci", "/kernel/drivers/virtio/virtio_pci.ko", true},
		{Cloud, "virtio_mem", "/kernel/drivers/virtio/virtio_mem.ko", false},
		{Cloud, "virtio_net", "/kernel/drivers/net/virtio_net.ko", true},
		{Cloud, "ahci", "/kernel/drivers/ata/ahci.ko", false},
		{Generic, "ahci", "/kernel/drivers/ata/ahci.ko", true},
		{Generic, "ixgbe", "/kernel/drivers/net/ethernet/intel/ixgbe/ixgbe.ko", true},
		{Generic, "nouveau", "/kernel/drivers/gpu/drm/nouveau/nouveau.ko", false},
	} {
		if got := choices(c.f).wants(c.name, c.rel); got != c.want {
			t.Errorf("%s %s: %v", c.f, c.name, got)
		}
	}
}

func TestArchiveHoldsWhatAKernelNeeds(t *testing.T) {
	dir := t.TempDir()
	mod := filepath.Join(dir, "virtio.ko")
	agent := filepath.Join(dir, "agent")
	for path, text := range map[string]string{mod: "module", agent: "agent"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	km := kmods.Module{Name: "virtio", File: "/lib/modules/virtio.ko"}
	var buf bytes.Buffer
	o := Options{Agent: agent, Compression: Zstd}
	if err := o.writeInitramfs(&buf, []module{{path: mod, Module: km}}, &kmods.Manifest{Modules: []kmods.Module{km}}); err != nil {
		t.Fatal(err)
	}
	z, err := zstd.NewReader(&buf)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]*cpio.Header{}
	files := map[string]string{}
	ar := cpio.NewReader(z)
	for {
		h, err := ar.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(ar)
		if err != nil {
			t.Fatal(err)
		}
		got[h.Name], files[h.Name] = h, string(data)
	}
	if h := got["init"]; h == nil || h.Mode.Perm() != 0o755 || files["init"] != "agent" {
		t.Errorf("init: %+v", h)
	}
	if h := got["dev/console"]; h == nil || h.Mode&cpio.TypeChar == 0 {
		t.Errorf("dev/console: %+v", h)
	}
	var man kmods.Manifest
	if err := json.Unmarshal([]byte(files["lib/modules/manifest.json"]), &man); err != nil || len(man.Modules) != 1 || files["lib/modules/virtio.ko"] != "module" {
		t.Errorf("manifest %+v %v", man, err)
	}
}

func TestFindKernelTakesTheNewestOfItsFlavor(t *testing.T) {
	root := t.TempDir()
	for _, v := range []string{"6.1.0-55-cloud-amd64", "6.1.0-56-cloud-amd64", "6.1.0-57-amd64", "6.1.0-58-cloud-amd64"} {
		if err := os.MkdirAll(filepath.Join(root, "boot"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, "boot/vmlinuz-"+v), []byte("k"), 0o600); err != nil {
			t.Fatal(err)
		}
		if v != "6.1.0-58-cloud-amd64" { // a kernel without its modules is of no use
			if err := os.MkdirAll(filepath.Join(root, "lib/modules", v, "kernel"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	for f, want := range map[Flavor]string{Cloud: "6.1.0-56-cloud-amd64", Generic: "6.1.0-57-amd64"} {
		if k, ok := findKernel(root, f); !ok || k.Version != want {
			t.Errorf("%s: %+v", f, k)
		}
	}
}

func TestMissingPartsAreNamed(t *testing.T) {
	_, err := Build(context.Background(), Options{Kernel: "/nowhere/vmlinuz", Agent: "/nowhere/agent", OutDir: t.TempDir()})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
