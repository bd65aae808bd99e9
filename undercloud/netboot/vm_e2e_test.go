//go:build e2e

package netboot

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"trefoil/internal/initramfs"
	"trefoil/ironic/agentapi"
	"trefoil/ironic/driver"
	"trefoil/undercloud/ramdisk"
)

// The e2e tests need root and qemu. TestMain puts the whole run into a network
// namespace of its own, which ends with it.
func TestMain(m *testing.M) {
	if os.Getenv("TREFOIL_E2E_NETNS") == "" {
		if os.Geteuid() != 0 {
			fmt.Println("FAIL: the e2e tests need root for a network namespace")
			os.Exit(1)
		}
		dir, err := os.MkdirTemp("", "trefoil-e2e-*")
		if err == nil {
			err = buildRamdisk(dir)
		}
		if err != nil {
			fmt.Println("FAIL:", err)
			os.Exit(1)
		}
		defer os.RemoveAll(dir)
		cmd := exec.Command(os.Args[0], os.Args[1:]...)
		cmd.Env = append(os.Environ(), "TREFOIL_E2E_NETNS="+dir)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
		if err := cmd.Run(); err != nil {
			os.RemoveAll(dir)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

const (
	nodeUUID = "4f9c1b6e-2d0a-4c1e-9a53-6f0f3c1b7a01"
	nodeMAC  = "52:54:00:aa:bb:01"
	token    = "secret-token-of-the-test"
)

// lab is a bridge with the boot service, a scripted API and one machine.
type lab struct {
	t    *testing.T
	dir  string
	svc  *Service
	api  *fakeAPI
	boot ramdisk.Result
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{t: t, dir: t.TempDir()}
	l.network()
	dir := os.Getenv("TREFOIL_E2E_NETNS")
	l.boot = ramdisk.Result{Kernel: filepath.Join(dir, ramdisk.KernelName), Initramfs: filepath.Join(dir, ramdisk.InitramfsName)}
	images := filepath.Join(l.dir, "images")
	must(t, os.MkdirAll(images, 0o755))
	svc, err := New(Config{
		Dir: filepath.Join(l.dir, "netboot"), HTTPURL: "http://192.0.2.1:8088", ImageDir: images, Interface: "br0",
		Address: netip.MustParsePrefix("192.0.2.1/24"), Start: netip.MustParseAddr("192.0.2.100"), End: netip.MustParseAddr("192.0.2.120"),
		MTU: 1400, Log: slog.New(slog.NewTextHandler(testWriter{t}, nil)),
	})
	must(t, err)
	l.svc = svc
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- svc.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("boot service: %v", err)
		}
	})
	l.api = &fakeAPI{inventory: make(chan agentapi.InspectionData, 4), beats: make(chan agentapi.Heartbeat, 100)}
	mux := http.NewServeMux()
	mux.Handle("/v1/", l.api.handler())
	mux.Handle("/", svc.Handler())
	ln, err := net.Listen("tcp", "192.0.2.1:8088")
	must(t, err)
	srv := &http.Server{Handler: mux}
	go srv.Serve(ln)
	t.Cleanup(func() { srv.Close() })
	return l
}

func (l *lab) network() {
	l.t.Helper()
	lo, err := netlink.LinkByName("lo")
	must(l.t, err)
	must(l.t, netlink.LinkSetUp(lo))
	if old, err := netlink.LinkByName("br0"); err == nil {
		must(l.t, netlink.LinkDel(old))
	}
	br := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}}
	must(l.t, netlink.LinkAdd(br))
	addr, err := netlink.ParseAddr("192.0.2.1/24")
	must(l.t, err)
	must(l.t, netlink.AddrAdd(br, addr))
	must(l.t, netlink.LinkSetUp(br))
	if old, err := netlink.LinkByName("tap0"); err == nil {
		must(l.t, netlink.LinkDel(old))
	}
	tap := &netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: "tap0", MasterIndex: br.Index}, Mode: netlink.TUNTAP_MODE_TAP}
	must(l.t, netlink.LinkAdd(tap))
	for _, f := range tap.Fds {
		f.Close()
	}
	must(l.t, netlink.LinkSetMaster(tap, br))
	must(l.t, netlink.LinkSetUp(tap))
	l.t.Cleanup(func() { _ = netlink.LinkDel(tap); _ = netlink.LinkDel(br) })
}

// buildRamdisk makes a real one from Debian's kernel and a freshly built agent,
// outside the namespace: apt needs the network.
func buildRamdisk(dir string) error {
	cache := filepath.Join(os.TempDir(), "trefoil-e2e-kernel")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return err
	}
	k, err := initramfs.FetchKernel(context.Background(), cache, initramfs.Cloud)
	if err != nil {
		return err
	}
	agent := filepath.Join(dir, "ironic-agent")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", agent, "trefoil/cmd/ironic-agent")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the agent: %w\n%s", err, out)
	}
	res, err := ramdisk.Build(context.Background(), ramdisk.Options{Kernel: k.Image, ModulesDir: k.ModulesDir, Agent: agent,
		OutDir: dir, Compression: ramdisk.Compression(os.Getenv("TREFOIL_E2E_COMPRESSION"))})
	if err != nil {
		return err
	}
	st, err := os.Stat(res.Initramfs)
	if err == nil {
		fmt.Printf("MEASURED ramdisk: %.1f MB\n", float64(st.Size())/1e6)
	}
	return err
}

// publish makes the machine boot the ramdisk.
func (l *lab) publish(mode string, params ...string) {
	l.t.Helper()
	must(l.t, l.svc.Publish(context.Background(), driver.BootEntry{NodeUUID: nodeUUID, MACs: []string{nodeMAC}, BootMode: mode,
		Kernel: l.boot.Kernel, Ramdisk: l.boot.Initramfs, Purpose: "test", Params: append(params, "console=ttyS0", "loglevel=4")}))
}

// start runs a machine: "bios" and "uefi" have iPXE in the network card's ROM,
// "uefi by TFTP" has the firmware's own PXE only. The returned channel closes when it has powered off.
func (l *lab) start(mode, disk string) <-chan struct{} {
	l.t.Helper()
	nic := "virtio-net-pci,netdev=n0,mac=" + nodeMAC + ",bootindex=1"
	if strings.HasSuffix(mode, "TFTP") {
		nic += ",romfile="
	}
	args := []string{"-accel", "tcg,thread=multi", "-machine", "q35", "-smp", "2", "-m", "1024", "-display", "none", "-no-reboot",
		"-serial", "stdio", "-monitor", "none",
		"-netdev", "tap,id=n0,ifname=tap0,script=no,downscript=no", "-device", nic,
		"-drive", "file=" + disk + ",if=none,id=d0,format=qcow2,cache=writeback,discard=unmap", "-device", "virtio-blk-pci,drive=d0,serial=disk-1"}
	if dump := os.Getenv("TREFOIL_E2E_PCAP"); dump != "" {
		args = append(args, "-object", "filter-dump,id=f0,netdev=n0,file="+dump)
	}
	if strings.HasPrefix(mode, "uefi") {
		vars := filepath.Join(l.t.TempDir(), "vars.fd")
		must(l.t, exec.Command("cp", "/usr/share/OVMF/OVMF_VARS_4M.fd", vars).Run())
		args = append(args, "-drive", "if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd", "-drive", "if=pflash,format=raw,file="+vars)
	}
	cmd := exec.Command("qemu-system-x86_64", args...)
	out, err := cmd.StdoutPipe()
	must(l.t, err)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(l.t, cmd.Start())
	begin := time.Now()
	gone := make(chan struct{})
	go func() {
		sc := bufio.NewScanner(out)
		for sc.Scan() {
			if line := strings.TrimSpace(sc.Text()); line != "" {
				fmt.Printf("[%5.1fs] %s\n", time.Since(begin).Seconds(), line)
			}
		}
		_ = cmd.Wait()
		close(gone)
	}()
	l.t.Cleanup(func() { _ = cmd.Process.Kill(); <-gone })
	return gone
}

// fakeAPI is the conductor's side of the wire, scripted by the test.
type fakeAPI struct {
	inventory chan agentapi.InspectionData
	beats     chan agentapi.Heartbeat
	mu        sync.Mutex
	lookups   int
}

func (f *fakeAPI) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-OpenStack-Ironic-API-Maximum-Version", "1.95")
	})
	mux.HandleFunc("POST /v1/continue_inspection", func(w http.ResponseWriter, r *http.Request) {
		var d agentapi.InspectionData
		if err := json.NewDecoder(r.Body).Decode(&d); err != nil {
			http.Error(w, err.Error(), 400)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		_ = json.NewEncoder(w).Encode(map[string]string{"uuid": nodeUUID})
		f.inventory <- d
	})
	mux.HandleFunc("GET /v1/lookup", func(w http.ResponseWriter, _ *http.Request) {
		f.mu.Lock()
		f.lookups++
		f.mu.Unlock()
		_ = json.NewEncoder(w).Encode(agentapi.Lookup{Node: agentapi.LookupNode{UUID: nodeUUID},
			Config: agentapi.LookupConfig{HeartbeatTimeout: 300, AgentToken: token, AgentTokenRequired: true}})
	})
	mux.HandleFunc("POST /v1/heartbeat/{id}", func(w http.ResponseWriter, r *http.Request) {
		var hb agentapi.Heartbeat
		if err := json.NewDecoder(r.Body).Decode(&hb); err != nil || hb.AgentToken != token {
			http.Error(w, "bad heartbeat", 400)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		f.beats <- hb
	})
	return mux
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	fmt.Print("undercloud: ", string(p))
	return len(p), nil
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newDisk(t *testing.T, size string) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), "disk.qcow2")
	if out, err := exec.Command("qemu-img", "create", "-q", "-f", "qcow2", p, size).CombinedOutput(); err != nil {
		t.Fatalf("qemu-img: %v %s", err, out)
	}
	return p
}

func receive[T any](t *testing.T, what string, ch <-chan T, limit time.Duration) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(limit):
		t.Fatalf("no %s within %s", what, limit)
		panic("unreachable")
	}
}
