package conductor_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"trefoil/ironic"
	ipa "trefoil/ironic/agent"
	"trefoil/ironic/agentapi"
	"trefoil/ironic/api"
	"trefoil/ironic/conductor"
	"trefoil/ironic/driver/fake"
)

// hardware is a machine whose disk is a file.
type hardware struct{ disk string }

func (h hardware) Inventory() agentapi.Inventory {
	return agentapi.Inventory{Disks: h.Disks(), CPU: agentapi.CPU{Count: 2, Architecture: "x86_64"}, Memory: agentapi.Memory{PhysicalMB: 2048},
		Interfaces: []agentapi.Interface{{Name: "eth0", MACAddress: mac, HasCarrier: true}},
		Boot:       agentapi.Boot{CurrentBootMode: "uefi", PXEInterface: mac}}
}

func (h hardware) Disks() []agentapi.Disk { return []agentapi.Disk{{Name: h.disk, Size: 8 << 30}} }

// metal is a fake machine that runs our real agent when it boots from the network.
type metal struct {
	w    *world
	disk string
	mu   sync.Mutex
	off  context.CancelFunc
	runs sync.WaitGroup
}

func (m *metal) switched(uuid, state, device string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.off != nil {
		m.off()
		m.off = nil
	}
	e, ok := m.w.net.entry(uuid)
	if state != ironic.PowerOn || device != ironic.BootPXE || !ok {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	m.off = cancel
	cfg := ipa.Config{Hardware: hardware{m.disk}, Listen: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler),
		PowerOff: func() { _ = m.w.drv.SetPower(context.Background(), &ironic.Node{UUID: uuid}, ironic.PowerOff) }}
	for _, p := range e.Params {
		k, v, _ := strings.Cut(p, "=")
		switch k {
		case "ipa-api-url":
			cfg.APIURLs = []string{v}
		case "ipa-inspection-callback-url":
			cfg.InspectURL = v
		}
	}
	m.runs.Go(func() { _ = ipa.New(cfg).Run(ctx) })
}

// bootImage is a disk image with a partition table and some content.
func bootImage() []byte {
	img := make([]byte, 8<<20)
	img[0], img[510], img[511] = 0xfa, 0x55, 0xaa
	copy(img[446:], []byte{0x80, 0, 0, 0, 0x83, 0, 0, 0, 0, 8, 0, 0, 0, 16, 0, 0}) // from sector 2048, 4096 long
	copy(img[4<<20:], bytes.Repeat([]byte("overcloud"), 1000))
	return img
}

// Our conductor behind our API carries our real agent, with a file for a disk,
// from enrolled to active and back.
func TestTheRealAgentThroughTheRealAPI(t *testing.T) {
	img := bootImage()
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "image.raw", time.Time{}, bytes.NewReader(img))
	}))
	defer files.Close()
	var handler http.Handler
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	defer srv.Close()
	w := newWorld(t, func(c *conductor.Config) { c.APIURL = srv.URL })
	handler = api.New(api.Config{Store: w.db, Conductor: w.c, Log: slog.New(slog.DiscardHandler)})
	m := &metal{w: w, disk: filepath.Join(t.TempDir(), "vda")}
	if err := os.WriteFile(m.disk, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(m.disk, 256<<20); err != nil {
		t.Fatal(err)
	}
	w.drv.Switched = m.switched
	t.Cleanup(func() { m.switched("", ironic.PowerOff, ""); m.runs.Wait() })
	n := w.node("enroll")
	if n.Driver != fake.Name {
		t.Fatal(n.Driver)
	}
	w.provision("manage")
	w.await("manageable")
	w.provision("inspect")
	if got := w.await("manageable"); got.Properties["memory_mb"] != "2048" || got.Properties["local_gb"] != "7" {
		t.Errorf("%v", got.Properties)
	}
	w.provision("provide")
	w.await("available")
	if _, err := w.db.UpdateNode(t.Context(), n.UUID, func(n *ironic.Node) error {
		n.InstanceInfo = map[string]any{"image_source": files.URL + "/image.raw", "image_disk_format": "raw",
			"image_os_hash_algo": "sha256", "image_os_hash_value": fmt.Sprintf("%x", sha256.Sum256(img))}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	w.provision("active", func(r *api.ProvisionRequest) {
		r.ConfigDrive = map[string]any{"meta_data": map[string]any{"hostname": "overcloud-controller-0"}}
	})
	w.await("active")
	if !strings.Contains(w.history(), "image (image.raw) written") {
		t.Errorf("the history does not tell how the image was written:\n%s", w.history())
	}
	disk, err := os.ReadFile(m.disk)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(disk[1<<20:len(img)], img[1<<20:]) || !bytes.Contains(disk[len(img):], []byte("config-2")) || !bytes.Contains(disk[len(img):], []byte("overcloud-controller-0")) {
		t.Error("the disk does not hold image and config drive")
	}
	w.provision("deleted")
	w.await("available")
	if disk, err = os.ReadFile(m.disk); err != nil || !bytes.Equal(disk[:1<<20], make([]byte, 1<<20)) {
		t.Errorf("metadata is still on the disk (%v)", err)
	}
}
