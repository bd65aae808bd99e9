package conductor_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"trefoil/ironic/api"
	"trefoil/ironic/conductor"
	"trefoil/ironic/driver"
	"trefoil/ironic/driver/fake"
	"trefoil/undercloud/payloads"
)

// transcript plays requests of a client that cannot be had as a module.
type transcript struct {
	*world
	url  string
	node string // made last
	word string // what its ramdisk is told
}

// TestMetal3sRequests: what Metal3's operator was seen to send gets what it needs.
func TestMetal3sRequests(t *testing.T) {
	f := &fetcher{files: map[string]string{"https://images.example.org/cloud.img": imageFile(t, "QFI\xfb"),
		"https://images.example.org/k": "/fetched/k", "https://images.example.org/r": "/fetched/r"}}
	kept := &payloads.Dir{Path: t.TempDir()}
	w := newWorld(t, func(c *conductor.Config) {
		c.Fetcher, c.ImageCache, c.URLs, c.Payloads, c.CleanOnProvide = f, &rawCache{}, guard(), kept, true
		c.Drivers = map[string]driver.Driver{"ipmi": c.Drivers[fake.Name]}
	})
	w.script = map[string]string{}
	w.offers = map[string][]any{"deploy_steps": {map[string]any{"step": "install_coreos", "priority": 0, "interface": "deploy"}}}
	server := httptest.NewServer(api.New(api.Config{Store: w.db, Conductor: w.c}))
	t.Cleanup(server.Close)
	data, err := os.ReadFile("testdata/metal3.txt")
	if err != nil {
		t.Fatal(err)
	}
	play := &transcript{world: w, url: server.URL}
	for i, line := range strings.Split(string(data), "\n") {
		if line != "" && !strings.HasPrefix(line, "#") {
			if err := play.line(line); err != nil {
				t.Fatalf("testdata/metal3.txt:%d: %v", i+1, err)
			}
		}
	}
}

func (p *transcript) line(line string) error {
	if word, ok := strings.CutPrefix(line, "agent "); ok {
		p.word = word
		p.tell()
		return nil
	}
	if state, ok := strings.CutPrefix(line, "until "); ok {
		return p.until(state)
	}
	request, answer, _ := strings.Cut(strings.ReplaceAll(line, "{node}", p.node), " => ")
	method, rest, _ := strings.Cut(request, " ")
	path, body, _ := strings.Cut(rest, " ")
	status, words, _ := strings.Cut(answer, " ")
	code, got, err := p.ask(method, path, body)
	// The operator, too, comes back to a node that is locked.
	for end := time.Now().Add(awaitLimit); err == nil && code == http.StatusConflict && status != "409" && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		code, got, err = p.ask(method, path, body)
	}
	if err != nil {
		return err
	}
	if fmt.Sprint(code) != status || !strings.Contains(got, words) {
		return fmt.Errorf("%s %s: %d %s; expected %s %s", method, path, code, got, status, words)
	}
	if method == http.MethodPost && path == "/v1/nodes" {
		var n struct {
			UUID string `json:"uuid"`
		}
		err = json.Unmarshal([]byte(got), &n)
		p.node = n.UUID
		p.tell()
	}
	return err
}

func (p *transcript) tell() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.script[p.node] = p.word
}

// ask sends a request as the operator does, at the version that it chooses.
func (p *transcript) ask(method, path, body string) (int, string, error) {
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.url+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-OpenStack-Ironic-API-Version", "1.110")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(data), err
}

// until asks for the node until it is in the provision or power state, and nobody's.
func (p *transcript) until(state string) error {
	var n struct {
		State       string `json:"provision_state"`
		Power       string `json:"power_state"`
		LastError   string `json:"last_error"`
		Reservation string `json:"reservation"`
	}
	for end := time.Now().Add(awaitLimit); ; time.Sleep(5 * time.Millisecond) {
		_, got, err := p.ask(http.MethodGet, "/v1/nodes/"+p.node, "")
		if err != nil {
			return err
		}
		n.LastError, n.Reservation = "", "" // null leaves them as they were
		if err := json.Unmarshal([]byte(got), &n); err != nil {
			return err
		}
		if n.Reservation == "" && (n.State == state || n.Power == state) {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("the node is %q, %q (error %q); expected %q", n.State, n.Power, n.LastError, state)
		}
	}
}
