//go:build e2e

package netboot

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trefoil/ironic/agent/gpt"
	"trefoil/ironic/agentapi"
	"trefoil/ironic/conductor"
	"trefoil/undercloud/imagecache"
)

const imageSize = 1 << 30

// makeImage writes a disk image: GPT, one partition, 300 MiB of data, the rest holes.
func makeImage(t *testing.T, dir string) (raw, qcow2 string) {
	t.Helper()
	raw, qcow2 = filepath.Join(dir, "image.raw"), filepath.Join(dir, "image.qcow2")
	f, err := os.Create(raw)
	must(t, err)
	must(t, f.Truncate(imageSize))
	tab, err := gpt.New(imageSize, 512, [16]byte{1})
	must(t, err)
	_, err = tab.AddAtEnd(imageSize-8<<20, "root", gpt.LinuxData(), [16]byte{2})
	must(t, err)
	_, err = f.WriteAt([]byte{0xeb, 0x63, 0x90}, 0)
	must(t, err)
	_, err = f.WriteAt([]byte{0x55, 0xaa}, 510)
	must(t, err)
	must(t, tab.Write(f))
	block := make([]byte, 10<<20)
	for i := range 30 {
		_, _ = rand.Read(block)
		_, err = f.WriteAt(block, int64(10+i*30)<<20)
		must(t, err)
	}
	must(t, f.Close())
	shell(t, "qemu-img", "convert", "-O", "qcow2", raw, qcow2)
	return raw, qcow2
}

func TestDeployOverTheNetwork(t *testing.T) {
	l := newLab(t)
	raw, qcow2 := makeImage(t, t.TempDir())
	cache, err := imagecache.New(imagecache.Config{Dir: filepath.Join(l.dir, "images"), BaseURL: "http://192.0.2.1:8088"})
	must(t, err)
	img, err := cache.Raw(context.Background(), &conductor.Image{ID: "1", Name: "test", Path: qcow2, DiskFormat: "qcow2"})
	must(t, err)
	disk := newDisk(t, "5G")
	shell(t, "qemu-io", "-f", "qcow2", "-c", "write -P 0xaa 0 1100M", disk) // somebody else's data
	l.publish("bios", "ipa-api-url=http://192.0.2.1:8088")
	gone := l.start("bios", disk)
	hb := receive(t, "heartbeat", l.api.beats, 4*time.Minute)
	a := agentClient{t, hb.CallbackURL}

	if r := a.run("deploy.get_deploy_steps", nil); !strings.Contains(fmt.Sprint(r.Result), "write_image") {
		t.Errorf("deploy steps: %+v", r)
	}
	whole := map[string]any{"id": "test", "urls": []string{img.URL}, "disk_format": "raw", "os_hash_algo": "sha256", "os_hash_value": strings.Repeat("0", 64)}
	if r := a.write(whole, ""); r.Status != agentapi.Failed || !strings.Contains(r.Error.Message, "failed its checksum") {
		t.Errorf("a wrong checksum must fail: %+v", r)
	}
	mapped := map[string]any{"id": "test", "urls": []string{img.URL}, "disk_format": "raw", "os_hash_algo": "sha256", "os_hash_value": img.SHA256,
		"bmap_url": img.BmapURL, "bmap_sha256": strings.Repeat("0", 64)}
	if r := a.write(mapped, ""); r.Status != agentapi.Failed || !strings.Contains(r.Error.Message, "block map") {
		t.Errorf("a wrong block map must fail: %+v", r)
	}
	mapped["bmap_sha256"] = img.BmapSHA256
	iso := append(bytes.Repeat([]byte{0}, 16*2048+40), []byte("config-2 and the rest of the ISO")...)
	begin := time.Now()
	r := a.write(mapped, pack(t, iso))
	if r.Status != agentapi.Succeeded {
		t.Fatalf("write_image: %+v %+v", r, r.Error)
	}
	t.Logf("MEASURED write_image %.1f s: %v", time.Since(begin).Seconds(), r.Result["deploy_result"])
	for _, name := range []string{"standby.get_partition_uuids", "image.install_bootloader", "standby.sync", "standby.power_off"} {
		if r := a.run(name, map[string]any{"target_boot_mode": "bios"}); r.Status != agentapi.Succeeded {
			t.Errorf("%s: %+v %+v", name, r, r.Error)
		}
	}
	receive(t, "power off", gone, time.Minute)
	checkDisk(t, disk, raw, iso)
	begin = time.Now()
	shell(t, "qemu-img", "convert", "-O", "qcow2", qcow2, filepath.Join(t.TempDir(), "peer.qcow2"))
	t.Logf("MEASURED qemu-img convert of the same image: %.1f s", time.Since(begin).Seconds())
}

// checkDisk compares the disk with the image, but for what must differ.
func checkDisk(t *testing.T, disk, raw string, iso []byte) {
	t.Helper()
	flat := filepath.Join(t.TempDir(), "flat.raw")
	shell(t, "qemu-img", "convert", "-O", "raw", disk, flat)
	got, err := os.Open(flat)
	must(t, err)
	defer got.Close()
	want, err := os.Open(raw)
	must(t, err)
	defer want.Close()
	a, b := make([]byte, 1<<20), make([]byte, 1<<20)
	for off := int64(1 << 20); off < imageSize-1<<20; off += 1 << 20 { // first MiB: the table
		_, err1 := got.ReadAt(a, off)
		_, err2 := want.ReadAt(b, off)
		if err1 != nil || err2 != nil || !bytes.Equal(a, b) {
			t.Fatalf("disk differs from the image in the MiB at %d (%v %v)", off>>20, err1, err2)
		}
	}
	tab, err := gpt.Read(got, 512)
	must(t, err)
	if len(tab.Partitions) != 2 || tab.Partitions[1].Name != "config-2" || tab.LastUsable != 5<<30/512-34 {
		t.Fatalf("partition table %+v", tab)
	}
	part := make([]byte, len(iso))
	_, err = got.ReadAt(part, int64(tab.Partitions[1].First)*512)
	must(t, err)
	if !bytes.Equal(part, iso) {
		t.Error("config drive differs")
	}
	if out, err := exec.Command("sfdisk", "--verify", flat).CombinedOutput(); err != nil || !strings.Contains(string(out), "No errors detected") {
		t.Errorf("sfdisk --verify: %v\n%s", err, out)
	}
}

// agentClient is the conductor's side of the command protocol.
type agentClient struct {
	t   *testing.T
	url string
}

func (a agentClient) run(name string, params map[string]any) agentapi.CommandStatus {
	a.t.Helper()
	body, err := json.Marshal(agentapi.Command{Name: name, Params: params})
	must(a.t, err)
	resp, err := http.Post(a.url+"/v1/commands/?wait=true&agent_token="+token, "application/json", bytes.NewReader(body))
	must(a.t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	must(a.t, err)
	var st agentapi.CommandStatus
	if err := json.Unmarshal(data, &st); err != nil || resp.StatusCode != 200 {
		a.t.Fatalf("%s: %s %s", name, resp.Status, data)
	}
	return st
}

func (a agentClient) write(info map[string]any, drive string) agentapi.CommandStatus {
	a.t.Helper()
	step := map[string]any{"step": "write_image", "interface": "deploy", "args": map[string]any{"image_info": info, "configdrive": drive}}
	return a.run("deploy.execute_deploy_step", map[string]any{"step": step, "node": map[string]any{"uuid": nodeUUID, "properties": map[string]any{}}, "ports": []any{}})
}

func pack(t *testing.T, iso []byte) string {
	t.Helper()
	var buf bytes.Buffer
	gz := gzip.NewWriter(&buf)
	_, err := gz.Write(iso)
	must(t, err)
	must(t, gz.Close())
	return base64.StdEncoding.EncodeToString(buf.Bytes())
}

func shell(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}
