package httpboot

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trefoil/internal/golden"
	"trefoil/ironic/agentapi"
	"trefoil/ironic/driver"
)

func TestScripts(t *testing.T) {
	entry := func(mode string, params ...string) driver.BootEntry {
		return driver.BootEntry{NodeUUID: "1be26c0b-03f2-4d2e-ae87-c02d7f33c123", BootMode: mode, Purpose: "inspect", Params: params}
	}
	const base = "http://192.168.24.1:8088"
	for name, got := range map[string]string{
		"entry": EntryScript(),
		"bios":  NodeScript(base, entry("bios", "ipa-inspection-callback-url=http://192.168.24.1:5050/v1/continue")),
		"uefi":  NodeScript(base, entry("uefi", "ipa-api-url=http://192.168.24.1:6385", "console=ttyS0")),
	} {
		golden.Check(t, name+".ipxe", got)
	}
	if got := NodeScript(base, entry("bios", agentapi.StayOn)); strings.Contains(got, "poweroff") || !strings.HasSuffix(got, "\nreboot\n") {
		t.Errorf("a machine that must never be off ends with\n%s", got)
	}
}

// source is one published node.
type source struct {
	entry  driver.BootEntry
	phases []driver.BootPhase
}

func (s *source) ByMAC(mac string) (driver.BootEntry, bool) { return s.entry, mac == s.entry.MACs[0] }
func (s *source) ByNode(uuid string) (driver.BootEntry, bool) {
	return s.entry, uuid == s.entry.NodeUUID
}
func (s *source) Reached(_ string, p driver.BootPhase) { s.phases = append(s.phases, p) }

var key = strings.Repeat("ab", 32)

func newHandler(t *testing.T) (*source, *httptest.Server) {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) string {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	write("images/"+key+".raw", "0123456789")
	write("images/"+key+".bmap", "<bmap/>")
	write("images/"+key+".json", "{}")
	write("secret", "secret")
	write("ipxe/snponly.efi", "efi")
	s := &source{entry: driver.BootEntry{NodeUUID: "node-1", MACs: []string{"52:54:00:00:00:01"}, Kernel: write("k", "kernel"), Ramdisk: write("r", "ramdisk")}}
	srv := httptest.NewServer(New(Config{Source: s, BaseURL: "http://x", ImageDir: filepath.Join(dir, "images"), IPXEDir: filepath.Join(dir, "ipxe")}))
	t.Cleanup(srv.Close)
	return s, srv
}

func get(t *testing.T, url, rng string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if rng != "" {
		req.Header.Set("Range", rng)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestServesWhatIsPublished(t *testing.T) {
	s, srv := newHandler(t)
	for _, c := range []struct {
		path, rng, want string
		code            int
	}{
		{"/pxelinux.cfg/52-54-00-00-00-01", "", NodeScript("http://x", s.entry), 200},
		{"/nodes/node-1/kernel", "", "kernel", 200},
		{"/nodes/node-1/ramdisk", "", "ramdisk", 200},
		{"/images/" + key + ".raw", "bytes=2-4", "234", 206},
		{"/images/" + key + ".bmap", "", "<bmap/>", 200},
		{"/ipxe/snponly.efi", "", "efi", 200},
		{"/boot.ipxe", "", EntryScript(), 200},
	} {
		if code, got := get(t, srv.URL+c.path, c.rng); code != c.code || got != c.want {
			t.Errorf("%s: %d %q", c.path, code, got)
		}
	}
	want := []driver.BootPhase{driver.PhaseScript, driver.PhaseKernel, driver.PhaseRamdisk}
	if len(s.phases) != 3 || s.phases[0] != want[0] || s.phases[1] != want[1] || s.phases[2] != want[2] {
		t.Errorf("phases %v, want %v", s.phases, want)
	}
}

func TestHidesEverythingElse(t *testing.T) {
	s, srv := newHandler(t)
	for _, path := range []string{
		"/", "/images/", "/nodes/", "/nodes/node-1/", "/nodes/node-1/config", "/nodes/node-2/kernel", "/nodes/node-2/ramdisk",
		"/pxelinux.cfg/52-54-00-00-00-02", "/images/" + key + ".json", "/images/..%2fsecret", "/images/%2e%2e/secret", "/images/../secret",
		"/ipxe/..%2fsecret", "/ipxe/undionly.kpxe.bak", "/nodes/..%2f..%2fsecret/kernel",
	} {
		if code, body := get(t, srv.URL+path, ""); code/100 == 2 || strings.Contains(body, "secret") && code != 404 && code/100 != 3 {
			t.Errorf("%s: %d %q", path, code, body)
		}
	}
	resp, err := http.Post(srv.URL+"/boot.ipxe", "text/plain", bytes.NewReader(nil))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %s", resp.Status)
	}
	if len(s.phases) != 0 {
		t.Errorf("phases %v", s.phases)
	}
}

func TestPartOfAKernelIsNoKernel(t *testing.T) {
	s, srv := newHandler(t)
	get(t, srv.URL+"/nodes/node-1/kernel", "bytes=0-2")
	if len(s.phases) != 0 {
		t.Errorf("phases %v after three bytes", s.phases)
	}
}
