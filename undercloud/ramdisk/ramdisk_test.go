package ramdisk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/cavaliergopher/cpio"
	"github.com/klauspost/compress/zstd"

	"trefoil/internal/initramfs"
	"trefoil/ironic/agent/kmods"
)

func TestChoices(t *testing.T) {
	for _, c := range []struct {
		f         initramfs.Flavor
		name, rel string
		want      bool
	}{
		{initramfs.Cloud, "virtio_pci", "/kernel/drivers/virtio/virtio_pci.ko", true},
		{initramfs.Cloud, "virtio_mem", "/kernel/drivers/virtio/virtio_mem.ko", false},
		{initramfs.Cloud, "virtio_net", "/kernel/drivers/net/virtio_net.ko", true},
		{initramfs.Cloud, "ahci", "/kernel/drivers/ata/ahci.ko", false},
		{initramfs.Generic, "ahci", "/kernel/drivers/ata/ahci.ko", true},
		{initramfs.Generic, "ixgbe", "/kernel/drivers/net/ethernet/intel/ixgbe/ixgbe.ko", true},
		{initramfs.Generic, "nouveau", "/kernel/drivers/gpu/drm/nouveau/nouveau.ko", false},
	} {
		if got := choices(c.f).Wants(c.name, c.rel); got != c.want {
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
	if err := o.writeInitramfs(&buf, []initramfs.Module{{Name: "virtio", Path: mod}}, &kmods.Manifest{Modules: []kmods.Module{km}}); err != nil {
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

func TestMissingPartsAreNamed(t *testing.T) {
	_, err := Build(context.Background(), Options{Kernel: "/nowhere/vmlinuz", Agent: "/nowhere/agent", OutDir: t.TempDir()})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
