package conductor_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	ipa "trefoil/ironic/agent"

	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/ironic/conductor"
	"trefoil/ironic/driver"
	"trefoil/ironic/driver/fake"
	"trefoil/undercloud/jobs/durable"
	"trefoil/undercloud/store/sqlite"
)

// child is an undercloud of its own process: API and conductor, until it is killed.
// Its machine lives with the parent, which is told of each power switch.
func child(dir, addr, parent string) error {
	ctx := context.Background()
	db, err := sqlite.Open(ctx, filepath.Join(dir, "state.db"))
	if err != nil {
		return err
	}
	runner := durable.New(durable.Config{Path: filepath.Join(dir, "jobs.db")})
	drv := &fake.Driver{Switched: func(_, state, device string) {
		resp, err := http.PostForm(parent+"/switched", url.Values{"state": {state}, "device": {device}})
		if err == nil {
			resp.Body.Close()
		}
	}}
	c := conductor.New(conductor.Config{Store: db, Jobs: runner, Drivers: map[string]driver.Driver{fake.Name: drv},
		NetBoot: &netBoot{entries: map[string]driver.BootEntry{}}, Host: "undercloud", APIURL: "http://" + addr,
		DeployKernel: "/k", DeployRamdisk: "/r", AgentPoll: 20 * time.Millisecond, ShutdownWait: 50 * time.Millisecond, SyncInterval: -1})
	if err := runner.Start(ctx); err != nil {
		return err
	}
	if err := c.Start(ctx); err != nil {
		return err
	}
	return http.ListenAndServe(addr, api.New(api.Config{Store: db, Conductor: c, Log: slog.New(slog.DiscardHandler)}))
}

// hypervisor is the parent's side: the machine, its disk and the image it is given.
type hypervisor struct {
	apiURL string
	disk   string
	img    []byte
	asked  chan struct{} // closed when the agent first asks for the image
	resume chan struct{} // the image flows when it is closed

	once sync.Once
	mu   sync.Mutex
	off  context.CancelFunc
	runs sync.WaitGroup
	boot int
	gets int
}

func (h *hypervisor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/image.raw" {
		if r.Method == http.MethodGet {
			h.mu.Lock()
			h.gets++
			h.mu.Unlock()
		}
		h.once.Do(func() { close(h.asked) })
		<-h.resume
		http.ServeContent(w, r, "image.raw", time.Time{}, bytes.NewReader(h.img))
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.off != nil {
		h.off()
		h.off = nil
	}
	if r.FormValue("state") != ironic.PowerOn || r.FormValue("device") != ironic.BootPXE {
		return
	}
	h.boot++
	ctx, cancel := context.WithCancel(context.Background())
	h.off = cancel
	a := ipa.New(ipa.Config{APIURLs: []string{h.apiURL}, Hardware: hardware{h.disk}, Listen: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler)})
	h.runs.Go(func() { _ = a.Run(ctx) })
}

// spawn starts a child and waits until its API answers.
func spawn(t *testing.T, dir, addr, parent string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKill9InTheMiddleOfAnImage$")
	cmd.Env = append(os.Environ(), "CONDUCTOR_TEST_CHILD="+strings.Join([]string{dir, addr, parent}, "|"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for deadline := time.Now().Add(awaitLimit); ; time.Sleep(5 * time.Millisecond) {
		if resp, err := http.Get("http://" + addr + "/v1"); err == nil {
			resp.Body.Close()
			return cmd
		}
		if time.Now().After(deadline) {
			t.Fatal("the child's API does not answer")
		}
	}
}

func TestKill9InTheMiddleOfAnImage(t *testing.T) {
	if s := os.Getenv("CONDUCTOR_TEST_CHILD"); s != "" {
		p := strings.Split(s, "|")
		t.Fatal(child(p[0], p[1], p[2]))
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0") // a free port for both lives of the child
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	dir := t.TempDir()
	h := &hypervisor{apiURL: "http://" + addr, disk: filepath.Join(dir, "vda"), img: bootImage(), asked: make(chan struct{}), resume: make(chan struct{})}
	if err := errors.Join(os.WriteFile(h.disk, nil, 0o600), os.Truncate(h.disk, 256<<20)); err != nil {
		t.Fatal(err)
	}
	parent := httptest.NewServer(h)
	defer parent.Close()
	defer func() {
		h.mu.Lock()
		if h.off != nil {
			h.off()
		}
		h.mu.Unlock()
		h.runs.Wait()
	}()
	db := prepareNode(t, dir, parent.URL, h.img)
	first := spawn(t, dir, addr, parent.URL)
	put1(t, addr, `{"target": "active"}`)
	<-h.asked // the agent is at it
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = first.Wait()
	spawn(t, dir, addr, parent.URL)
	close(h.resume)
	n := awaitActive(t, db)
	if n.LastError != "" || h.boot != 1 || h.gets != 1 {
		t.Errorf("error %q, %d boots, the image was fetched %d times", n.LastError, h.boot, h.gets)
	}
	disk, err := os.ReadFile(h.disk)
	if err != nil || !bytes.Equal(disk[1<<20:len(h.img)], h.img[1<<20:]) {
		t.Errorf("the disk does not hold the image (%v)", err)
	}
}

func prepareNode(t *testing.T, dir, parent string, img []byte) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(dir, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	n := &ironic.Node{UUID: "00000000-0000-4000-8000-000000000001", Name: "control-1", Driver: fake.Name, ProvisionState: "available",
		Interfaces: map[string]string{"boot": "ipxe", "deploy": "direct"}, Properties: map[string]any{"capabilities": "boot_mode:bios"},
		InstanceInfo: map[string]any{"image_source": parent + "/image.raw", "image_os_hash_algo": "sha256",
			"image_os_hash_value": fmt.Sprintf("%x", sha256.Sum256(img))}}
	if err := db.CreateNode(t.Context(), n, &ironic.Port{UUID: "p1", Address: mac, PXEEnabled: true}); err != nil {
		t.Fatal(err)
	}
	return db
}

func put1(t *testing.T, addr, body string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPut, "http://"+addr+"/v1/nodes/control-1/states/provision", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-OpenStack-Ironic-API-Version", "1.78")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted {
		t.Fatalf("provision: %s", resp.Status)
	}
}

func awaitActive(t *testing.T, db *sqlite.DB) *ironic.Node {
	t.Helper()
	for deadline := time.Now().Add(awaitLimit); ; time.Sleep(10 * time.Millisecond) {
		n, err := db.Node(context.Background(), "control-1")
		if err != nil {
			t.Fatal(err)
		}
		if n.ProvisionState == "active" {
			return n
		}
		if time.Now().After(deadline) || n.ProvisionState == "deploy failed" {
			hist, _ := db.History(context.Background(), n.UUID)
			for _, e := range hist {
				t.Log(e.Event)
			}
			t.Fatalf("node is %q: %s", n.ProvisionState, n.LastError)
		}
	}
}
