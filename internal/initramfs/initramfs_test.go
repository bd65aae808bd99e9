package initramfs

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
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
