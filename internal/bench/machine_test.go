//go:build bench

package bench

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"trefoil/internal/initramfs"
	"trefoil/ironic/agentapi"
	"trefoil/ironic/driver"
	"trefoil/undercloud/netboot"
	"trefoil/undercloud/ramdisk"
)

const (
	machineUUID = "4f9c1b6e-2d0a-4c1e-9a53-6f0f3c1b7a01"
	machineMAC  = "52:54:00:aa:bb:01"
	agentToken  = "token-of-the-bench"
	bootURL     = "http://192.0.2.1:8088"
)

// buildRamdisk makes the ramdisk of `openstack overcloud image build`, with its
// kernel cache, outside the namespace: apt needs the network.
func buildRamdisk(dir string) error {
	cache := os.Getenv("TREFOIL_CACHE")
	if cache == "" {
		cache = "/var/cache/trefoil"
	}
	cache = filepath.Join(cache, "kernel")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return err
	}
	agent, err := exec.LookPath("ironic-agent")
	if err != nil {
		return fmt.Errorf("bin/ must be in PATH (make build; scripts/bench sees to it): %w", err)
	}
	k, err := initramfs.FetchKernel(context.Background(), cache, initramfs.Cloud)
	if err != nil {
		return err
	}
	_, err = ramdisk.Build(context.Background(), ramdisk.Options{Kernel: k.Image, ModulesDir: k.ModulesDir, Agent: agent, OutDir: dir})
	return err
}

// benchMachine boots one emulated machine from the network and has its agent
// write an image.
func benchMachine(t *testing.T) []Row {
	boot := os.Getenv(bootEnv)
	initramfs := filepath.Join(boot, ramdisk.InitramfsName)
	st, err := os.Stat(initramfs)
	must(t, err)
	dir := t.TempDir()
	qcow2 := makeImage(t, dir)
	img := cached(t, filepath.Join(dir, "images"), qcow2, bootURL)
	wire := serveBoot(t, dir, driver.BootEntry{NodeUUID: machineUUID, MACs: []string{machineMAC}, BootMode: "bios", Purpose: "bench",
		Kernel: filepath.Join(boot, ramdisk.KernelName), Ramdisk: initramfs,
		Params: []string{"ipa-api-url=" + bootURL, "ipa-inspection-callback-url=" + bootURL + "/v1/continue_inspection", "console=ttyS0", "loglevel=4"}})

	disk := filepath.Join(dir, "disk.qcow2")
	shell(t, "qemu-img", "create", "-q", "-f", "qcow2", disk, "5G")
	say("machine: powered on; waiting for its inventory (BIOS, DHCP, iPXE, kernel, agent)")
	began := time.Now()
	console := powerOn(t, dir, disk)
	receive(t, "inventory", wire.inventory, console)
	inventory := time.Since(began).Seconds()
	say("machine: inventory after %.1f s; waiting for the agent's first heartbeat", inventory)
	hb := receive(t, "heartbeat", wire.beats, console)
	say("machine: the agent writes the image")
	inside := mbPerSecond(took(func() { writeImage(t, hb.CallbackURL, imageInfo(img)) }))
	peer := rounds(3, func() float64 {
		return mbPerSecond(took(func() {
			shell(t, "qemu-img", "convert", "-t", "none", "-O", "qcow2", qcow2, filepath.Join(dir, "peer.qcow2"))
		}))
	})
	return []Row{
		{What: "ramdisk: initramfs", Ours: Figure{float64(st.Size()) / 1e6, "MB"}, Less: true, Note: "agent and modules; aim: 60 MB or less"},
		{What: "power on to inventory", Ours: Figure{inventory, "s"}, Less: true, Note: "2 emulated processors, BIOS, iPXE; aim: 30 s or less"},
		{What: "agent writes an image in the machine", Ours: Figure{inside, "MB/s"}, Peer: Figure{peer[0], "MB/s"},
			Note: "all emulated: processor, network, disk; peer: qemu-img convert on the host"},
	}
}

// wire is where the agent's calls arrive.
type wire struct {
	inventory chan agentapi.InspectionData
	beats     chan agentapi.Heartbeat
}

// serveBoot runs the undercloud's boot service on a bridge with one tap, and
// the few calls of the baremetal API that an agent makes.
func serveBoot(t *testing.T, dir string, entry driver.BootEntry) *wire {
	t.Helper()
	bridge(t)
	svc, err := netboot.New(netboot.Config{Dir: filepath.Join(dir, "netboot"), HTTPURL: bootURL, ImageDir: filepath.Join(dir, "images"),
		Interface: "br0", Address: netip.MustParsePrefix("192.0.2.1/24"), Start: netip.MustParseAddr("192.0.2.100"), End: netip.MustParseAddr("192.0.2.120")})
	must(t, err)
	must(t, svc.Publish(context.Background(), entry))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- svc.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("boot service: %v", err)
		}
	})
	w := &wire{inventory: make(chan agentapi.InspectionData, 4), beats: make(chan agentapi.Heartbeat, 100)}
	mux := http.NewServeMux()
	mux.Handle("/v1/", w.handler())
	mux.Handle("/", svc.Handler())
	ln, err := net.Listen("tcp", "192.0.2.1:8088")
	must(t, err)
	srv := &http.Server{Handler: mux}
	go func() { _ = srv.Serve(ln) }() // ends with Close
	t.Cleanup(func() { _ = srv.Close() })
	return w
}

func bridge(t *testing.T) {
	t.Helper()
	br := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}}
	must(t, netlink.LinkAdd(br))
	addr, err := netlink.ParseAddr("192.0.2.1/24")
	must(t, err)
	must(t, netlink.AddrAdd(br, addr))
	must(t, netlink.LinkSetUp(br))
	tap := &netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: "tap0"}, Mode: netlink.TUNTAP_MODE_TAP}
	must(t, netlink.LinkAdd(tap))
	for _, f := range tap.Fds {
		f.Close()
	}
	must(t, netlink.LinkSetMaster(tap, br))
	must(t, netlink.LinkSetUp(tap))
}

func (w *wire) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/{$}", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("X-OpenStack-Ironic-API-Maximum-Version", "1.95")
	})
	mux.HandleFunc("POST /v1/continue_inspection", func(rw http.ResponseWriter, r *http.Request) {
		var d agentapi.InspectionData
		if err := json.NewDecoder(r.Body).Decode(&d); err != nil || len(d.Inventory.Disks) == 0 {
			http.Error(rw, "an inventory without a disk", http.StatusBadRequest)
			return
		}
		rw.WriteHeader(http.StatusAccepted)
		_ = json.NewEncoder(rw).Encode(map[string]string{"uuid": machineUUID})
		w.inventory <- d
	})
	mux.HandleFunc("GET /v1/lookup", func(rw http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(rw).Encode(agentapi.Lookup{Node: agentapi.LookupNode{UUID: machineUUID},
			Config: agentapi.LookupConfig{HeartbeatTimeout: 300, AgentToken: agentToken, AgentTokenRequired: true}})
	})
	mux.HandleFunc("POST /v1/heartbeat/{id}", func(rw http.ResponseWriter, r *http.Request) {
		var hb agentapi.Heartbeat
		if err := json.NewDecoder(r.Body).Decode(&hb); err != nil {
			http.Error(rw, err.Error(), http.StatusBadRequest)
			return
		}
		rw.WriteHeader(http.StatusAccepted)
		w.beats <- hb
	})
	return mux
}

// powerOn starts an emulated machine whose network card has iPXE in its ROM,
// and returns the file its console goes to.
func powerOn(t *testing.T, dir, disk string) (console string) {
	t.Helper()
	console = filepath.Join(dir, "console.log")
	cmd := exec.Command("qemu-system-x86_64", "-accel", "tcg,thread=multi", "-machine", "q35", "-smp", "2", "-m", "1024",
		"-display", "none", "-no-reboot", "-monitor", "none", "-serial", "file:"+console,
		"-netdev", "tap,id=n0,ifname=tap0,script=no,downscript=no", "-device", "virtio-net-pci,netdev=n0,mac="+machineMAC+",bootindex=1",
		"-drive", "file="+disk+",if=none,id=d0,format=qcow2,cache=none,discard=unmap", "-device", "virtio-blk-pci,drive=d0,serial=disk-1")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return console
}

func receive[T any](t *testing.T, what string, ch <-chan T, console string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(4 * time.Minute):
		text, _ := os.ReadFile(console)
		t.Fatalf("no %s within four minutes; the machine's console ends with:\n%s", what, text[max(0, len(text)-2000):])
		panic("unreachable")
	}
}

// writeImage asks the agent for the deploy step write_image and waits for it.
func writeImage(t *testing.T, agent string, info agentapi.ImageInfo) {
	t.Helper()
	step := map[string]any{"step": "write_image", "interface": "deploy", "args": map[string]any{"image_info": info, "configdrive": packed(t, make([]byte, 64<<10))}}
	body, err := json.Marshal(agentapi.Command{Name: "deploy.execute_deploy_step", Params: map[string]any{"step": step,
		"node": map[string]any{"uuid": machineUUID, "properties": map[string]any{}}, "ports": []any{}}})
	must(t, err)
	resp, err := http.Post(agent+"/v1/commands/?wait=true&agent_token="+agentToken, "application/json", bytes.NewReader(body))
	must(t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	must(t, err)
	var st agentapi.CommandStatus
	if err := json.Unmarshal(data, &st); err != nil || st.Status != agentapi.Succeeded {
		t.Fatalf("write_image: %s %s", resp.Status, data)
	}
}

// packed is a config drive as the API carries it: gzip, then base64.
func packed(t *testing.T, iso []byte) string {
	t.Helper()
	var buf bytes.Buffer
	gz := gzip.NewWriter(&buf)
	_, err := gz.Write(iso)
	must(t, err)
	must(t, gz.Close())
	return base64.StdEncoding.EncodeToString(buf.Bytes())
}
