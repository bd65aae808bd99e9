//go:build bench

package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// ironicAt is a bare-metal service that runs in processes of its own: ours or Debian's.
type ironicAt struct {
	life  *testing.T // its processes end with it
	name  string
	url   string
	pids  []int // first processes; they have children
	nodes int   // asked for so far

	getCost float64 // µs: see getRate

	t   *testing.T      // what is being measured: see within
	ctx context.Context // its end
}

const (
	oursAddr = "127.0.0.1:6385"
	ready    = 90 * time.Second
)

// within runs f as a test of its own that asks for nothing after limit. It tells whether f was successful.
func (s *ironicAt) within(what string, limit time.Duration, f func()) bool {
	return s.life.Run(what+", "+s.name, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		s.t, s.ctx = t, ctx
		f()
	})
}

// await asks done again and again until it says so. what says what is waited for.
func (s *ironicAt) await(every time.Duration, done func() bool, what string) {
	s.t.Helper()
	for !done() {
		select {
		case <-s.ctx.Done():
			s.t.Fatalf("%s: %s: it took too long", s.name, what)
		case <-time.After(every):
		}
	}
}

// startOurs runs `undercloud serve --standalone` on a state directory of its own; nil: it does not start.
func startOurs(t *testing.T, dir string) *ironicAt {
	s := &ironicAt{life: t, name: "ours", url: "http://" + oursAddr}
	if !s.within("start", ready, func() {
		program, err := exec.LookPath("undercloud")
		if err != nil {
			s.t.Fatal("there is no program undercloud: run make build first")
		}
		must(s.t, os.MkdirAll(dir, 0o700))
		conf := filepath.Join(dir, "baremetal.conf")
		must(s.t, os.WriteFile(conf, []byte("[DEFAULT]\nlisten = "+oursAddr+"\nintrospection_listen = 127.0.0.1:5050\nhost = bench\nautomated_clean = false\nstate_dir = "+
			filepath.Join(dir, "state")+"\n"), 0o600))
		s.run(filepath.Join(dir, "undercloud.log"), program, "serve", "--standalone", conf)
		s.awaitAnswer()
	}) {
		return nil
	}
	return s
}

// run starts one of the service's processes. It ends with the service, or by what is returned.
func (s *ironicAt) run(log, program string, args ...string) (stop func()) {
	s.t.Helper()
	f, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	must(s.t, err)
	defer f.Close()
	cmd := exec.Command(program, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Dir(log), "LC_ALL=C.UTF-8"}
	cmd.Stdout, cmd.Stderr = f, f
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(s.t, cmd.Start())
	s.pids = append(s.pids, cmd.Process.Pid)
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	stop = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
		if s.life.Failed() {
			text, _ := os.ReadFile(log)
			s.life.Logf("%s, the end of %s:\n%s", s.name, log, text[max(0, len(text)-4000):])
		}
	})
	s.life.Cleanup(stop)
	return stop
}

func (s *ironicAt) awaitAnswer() {
	s.t.Helper()
	s.await(50*time.Millisecond, func() bool {
		status, _, err := s.try("GET", "/v1/drivers", "1.82", "")
		return err == nil && status == http.StatusOK
	}, "the first answer")
}

// try sends a request at a microversion.
func (s *ironicAt) try(method, path, version, body string) (int, []byte, error) {
	req, err := http.NewRequestWithContext(s.ctx, method, s.url+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("X-OpenStack-Ironic-API-Version", version)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return resp.StatusCode, data, err
}

// ask is try that wants success. Who is refused because a node is locked asks again: the peer does that.
func (s *ironicAt) ask(method, path, version, body string) ([]byte, error) {
	for {
		status, data, err := s.try(method, path, version, body)
		switch {
		case err != nil:
			return nil, fmt.Errorf("%s: %w", s.name, err)
		case status/100 == 2:
			return data, nil
		case status != http.StatusConflict || method != "PUT":
			return nil, fmt.Errorf("%s: %s %s: %d %s", s.name, method, path, status, data)
		}
		time.Sleep(20 * time.Millisecond) // the context ends it
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
			s.nodes++ // also if it fails: there may be a node then
			s.enrol(nodeUUID(s.nodes-1), "1.82", "fake-hardware", `{"ipmi_address":"192.0.2.7","ipmi_username":"admin"}`)
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

// all are the nodes of a list, page after page.
func (s *ironicAt) all(query string) []map[string]any {
	s.t.Helper()
	var out []map[string]any
	for path := "/v1/nodes?" + query; path != ""; {
		data := s.do("GET", path, "1.82", "")
		var page struct {
			Nodes []map[string]any
			Next  string
		}
		must(s.t, json.Unmarshal(data, &page))
		out = append(out, page.Nodes...)
		path = strings.TrimPrefix(page.Next, s.url)
	}
	return out
}

// cpu is the processor time that the service has used, seconds.
func (s *ironicAt) cpu() (total float64) {
	s.t.Helper()
	for _, pid := range s.pids {
		total += cpu(s.t, pid)
	}
	return total
}

// pss is the memory of all processes of the service, MiB: what several share counts once.
func (s *ironicAt) pss() float64 { s.t.Helper(); return pss(s.t, s.pids...) }
