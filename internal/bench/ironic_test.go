//go:build bench

package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ironicAt is a bare-metal service that runs in processes of its own: ours or Debian's.
type ironicAt struct {
	t      *testing.T
	name   string
	url    string
	pids   []int // first processes; they have children
	client *http.Client
	nodes  int
}

const (
	oursAddr = "127.0.0.1:6385"
	ready    = time.Minute
)

// startOurs runs `undercloud serve --standalone` on a state directory of its own.
func startOurs(t *testing.T, dir string) *ironicAt {
	t.Helper()
	program, err := exec.LookPath("undercloud")
	if err != nil {
		t.Fatal("there is no program undercloud: run make build first")
	}
	must(t, os.MkdirAll(dir, 0o700))
	conf := filepath.Join(dir, "baremetal.conf")
	must(t, os.WriteFile(conf, []byte("[DEFAULT]\nlisten = "+oursAddr+"\nintrospection_listen = 127.0.0.1:5050\nhost = bench\nautomated_clean = false\nstate_dir = "+
		filepath.Join(dir, "state")+"\n"), 0o600))
	s := &ironicAt{t: t, name: "ours", url: "http://" + oursAddr, client: &http.Client{Timeout: 2 * time.Minute}}
	s.run(filepath.Join(dir, "undercloud.log"), program, "serve", "--standalone", conf)
	s.awaitAnswer()
	return s
}

// run starts one of the service's processes; it ends with the test.
func (s *ironicAt) run(log, program string, args ...string) {
	s.t.Helper()
	f, err := os.Create(log)
	must(s.t, err)
	defer f.Close()
	cmd := exec.Command(program, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Dir(log), "LC_ALL=C.UTF-8"}
	cmd.Stdout, cmd.Stderr = f, f
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(s.t, cmd.Start())
	s.pids = append(s.pids, cmd.Process.Pid)
	s.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		ended := make(chan struct{})
		go func() { _ = cmd.Wait(); close(ended) }()
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
		if s.t.Failed() {
			text, _ := os.ReadFile(log)
			s.t.Logf("%s, the end of %s:\n%s", s.name, log, text[max(0, len(text)-4000):])
		}
	})
}

func (s *ironicAt) awaitAnswer() {
	s.t.Helper()
	for until := time.Now().Add(ready); ; time.Sleep(50 * time.Millisecond) {
		status, _, err := s.try("GET", "/v1/drivers", "1.82", "")
		if err == nil && status == http.StatusOK {
			return
		}
		if time.Now().After(until) {
			s.t.Fatalf("%s: no answer after %v: %d %v", s.name, ready, status, err)
		}
	}
}

// try sends a request at a microversion.
func (s *ironicAt) try(method, path, version, body string) (int, []byte, error) {
	req, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("X-OpenStack-Ironic-API-Version", version)
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return resp.StatusCode, data, err
}

// ask is try that wants success. Who is refused because a node is locked asks again: the peer does that.
func (s *ironicAt) ask(method, path, version, body string) ([]byte, error) {
	for until := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		status, data, err := s.try(method, path, version, body)
		switch {
		case err != nil:
			return nil, fmt.Errorf("%s: %w", s.name, err)
		case status/100 == 2:
			return data, nil
		case status != http.StatusConflict || time.Now().After(until):
			return nil, fmt.Errorf("%s: %s %s: %d %s", s.name, method, path, status, data)
		}
	}
}

func (s *ironicAt) do(method, path, version, body string) []byte {
	s.t.Helper()
	data, err := s.ask(method, path, version, body)
	must(s.t, err)
	return data
}

// create makes n nodes as an import does and returns seconds.
func (s *ironicAt) create(n int) float64 {
	s.t.Helper()
	return took(func() {
		for range n {
			s.enrol(nodeUUID(s.nodes), "1.82", "fake-hardware", `{"ipmi_address":"192.0.2.7","ipmi_username":"admin"}`)
			s.nodes++
		}
	})
}

// enrol makes a node. At 1.10 and below it is available at once.
func (s *ironicAt) enrol(uuid, version, driver, info string) {
	s.t.Helper()
	s.do("POST", "/v1/nodes", version, fmt.Sprintf(`{"uuid":%q,"name":"bm-%s","driver":%q,"driver_info":%s,
"properties":{"cpus":4,"memory_mb":8192,"local_gb":100,"cpu_arch":"x86_64","capabilities":"profile:compute,boot_option:local"}}`,
		uuid, uuid[len(uuid)-6:], driver, info))
}

// states are the nodes' values of a field.
func (s *ironicAt) states(query, field string) map[string]any {
	s.t.Helper()
	out := map[string]any{}
	path := "/v1/nodes?fields=uuid," + field + query
	if field == "updated_at" { // which the peer does not show alone
		path = "/v1/nodes?detail=true" + query
	}
	for path != "" {
		data := s.do("GET", path, "1.82", "")
		var page struct {
			Nodes []map[string]any
			Next  string
		}
		must(s.t, json.Unmarshal(data, &page))
		for _, n := range page.Nodes {
			out[n["uuid"].(string)] = n[field]
		}
		path = strings.TrimPrefix(page.Next, s.url)
	}
	return out
}

// pss is the memory of all processes of the service, MiB: what several share counts once.
func (s *ironicAt) pss() float64 { s.t.Helper(); return pss(s.t, s.pids...) }
