//go:build bench

package bench

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"trefoil/ironic/agent/disk"
	"trefoil/ironic/agent/gpt"
	"trefoil/ironic/agentapi"
	"trefoil/ironic/conductor"
	"trefoil/undercloud/httpboot"
	"trefoil/undercloud/imagecache"
)

const (
	imageSize = 1 << 30
	imageData = 300 << 20
)

// makeImage writes a disk image: GPT, one partition, imageData of random bytes
// in it, the rest holes.
func makeImage(t *testing.T, dir string) (qcow2 string) {
	t.Helper()
	raw, qcow2 := filepath.Join(dir, "image.raw"), filepath.Join(dir, "image.qcow2")
	f, err := os.Create(raw)
	must(t, err)
	must(t, f.Truncate(imageSize))
	table, err := gpt.New(imageSize, 512, [16]byte{1})
	must(t, err)
	_, err = table.AddAtEnd(imageSize-8<<20, "root", gpt.LinuxData(), [16]byte{2})
	must(t, err)
	must(t, table.Write(f))
	_, err = f.WriteAt([]byte{0x55, 0xaa}, 510) // a boot sector's mark: the agent refuses disks that cannot boot
	must(t, err)
	_, err = f.WriteAt([]byte{0xeb, 0x63, 0x90}, 0)
	must(t, err)
	block := make([]byte, 10<<20)
	for i := range imageData / len(block) {
		_, _ = rand.Read(block)
		_, err = f.WriteAt(block, int64(10+i*30)<<20)
		must(t, err)
	}
	must(t, f.Close())
	shell(t, "qemu-img", "convert", "-O", "qcow2", raw, qcow2)
	must(t, os.Remove(raw))
	return qcow2
}

// cached converts the image for agents into dir; base is where they fetch it.
func cached(t *testing.T, dir, qcow2, base string) *conductor.RawImage {
	t.Helper()
	cache, err := imagecache.New(imagecache.Config{Dir: dir, BaseURL: base})
	must(t, err)
	img, err := cache.Raw(context.Background(), &conductor.Image{ID: "bench", Name: "bench", Path: qcow2, DiskFormat: "qcow2"})
	must(t, err)
	return img
}

func imageInfo(img *conductor.RawImage) agentapi.ImageInfo {
	return agentapi.ImageInfo{ID: "bench", URLs: []string{img.URL}, DiskFormat: "raw", OSHashAlgo: "sha256", OSHashValue: img.SHA256,
		BmapURL: img.BmapURL, BmapSHA256: img.BmapSHA256}
}

func mbPerSecond(seconds float64) float64 { return imageData / 1e6 / seconds }

// benchImage measures without a machine: the undercloud's conversion, and the
// agent's writer on a block device of this host.
func benchImage(t *testing.T) []Row {
	say("image: 1 GiB with %d MiB of data, converted and written to a loop device", imageData>>20)
	dir := t.TempDir()
	qcow2 := makeImage(t, dir)
	return []Row{conversion(t, dir, qcow2), writing(t, dir, qcow2)}
}

func conversion(t *testing.T, dir, qcow2 string) Row {
	n := 0
	ours := func() float64 {
		n++
		to := filepath.Join(dir, fmt.Sprint("cache-", n))
		defer os.RemoveAll(to)
		return mbPerSecond(took(func() { cached(t, to, qcow2, "http://127.0.0.1") }))
	}
	peer := func() float64 {
		to := filepath.Join(dir, "peer.raw")
		defer os.Remove(to)
		return mbPerSecond(took(func() {
			shell(t, "qemu-img", "convert", "-t", "writeback", "-O", "raw", qcow2, to)
			shell(t, "sync", to)
		}))
	}
	m := rounds(3, ours, peer)
	return Row{What: "image made ready for agents, once each", Ours: Figure{m[0], "MB/s"}, Peer: Figure{m[1], "MB/s"},
		Note: "makes SHA-256 and MD5 block maps, too; peer: qemu-img convert, sync"}
}

func writing(t *testing.T, dir, qcow2 string) Row {
	images := filepath.Join(dir, "images")
	srv := httptest.NewServer(httpboot.New(httpboot.Config{ImageDir: images}))
	t.Cleanup(srv.Close)
	info := imageInfo(cached(t, images, qcow2, srv.URL))
	dev := loopDevice(t, filepath.Join(dir, "disk.img"))
	writer := disk.Writer{HTTP: http.DefaultClient}
	ours := func() float64 {
		return mbPerSecond(took(func() {
			d, err := disk.System(dev)
			must(t, err)
			_, err = writer.Write(context.Background(), d, info)
			must(t, err)
			must(t, d.Close())
		}))
	}
	peer := func() float64 {
		return mbPerSecond(took(func() { shell(t, "qemu-img", "convert", "-n", "-t", "none", "-O", "raw", qcow2, dev) }))
	}
	m := rounds(3, ours, peer)
	return Row{What: "agent writes an image to a disk of this host", Ours: Figure{m[0], "MB/s"}, Peer: Figure{m[1], "MB/s"},
		Note: "over HTTP, SHA-256; peer: qemu-img convert; same loop device, O_DIRECT"}
}

// loopDevice makes a block device of a sparse file that ends with the test.
func loopDevice(t *testing.T, file string) string {
	t.Helper()
	f, err := os.Create(file)
	must(t, err)
	must(t, f.Truncate(2*imageSize))
	must(t, f.Close())
	out, err := exec.Command("losetup", "--find", "--show", file).CombinedOutput()
	if err != nil {
		t.Fatalf("losetup: %v: %s", err, out)
	}
	dev := strings.TrimSpace(string(out))
	t.Cleanup(func() {
		if out, err := exec.Command("losetup", "--detach", dev).CombinedOutput(); err != nil {
			t.Errorf("losetup --detach %s: %v: %s", dev, err, out)
		}
	})
	return dev
}
