package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// aService is a standalone service of this process, or of one of its own.
type aService struct {
	t             *testing.T
	url           string // of the bare-metal API
	introspection string
	stop          func() // waits until it has ended; orderly, or by SIGKILL
	log           func() string
}

// watcher reads the log until the service says that it is ready.
type watcher struct {
	mu    sync.Mutex
	all   bytes.Buffer
	rest  []byte // a line without its end yet
	ready chan map[string]any
}

func (w *watcher) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all.Write(b)
	lines := bytes.Split(append(w.rest, b...), []byte("\n"))
	w.rest = bytes.Clone(lines[len(lines)-1])
	for _, line := range lines[:len(lines)-1] {
		var m map[string]any
		if json.Unmarshal(line, &m) == nil && m["msg"] == "the bare-metal service is ready" {
			w.ready <- m
		}
	}
	return len(b), nil
}

func (w *watcher) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all.String()
}

// conf writes a configuration over a state directory; more goes behind it.
func conf(t *testing.T, state, more string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "baremetal.conf")
	text := "[DEFAULT]\nlisten = 127.0.0.1:0\nintrospection_listen = 127.0.0.1:0\nhost = one\nstate_dir = " + state + "\n" + more
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// begin runs the service in this process.
func begin(t *testing.T, file string) *aService {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w := &watcher{ready: make(chan map[string]any, 1)}
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, []string{"undercloud", "serve", "--standalone", file}, io.Discard, w) }()
	var once sync.Once
	stop := func() {
		once.Do(func() {
			cancel()
			if code := <-ended; code != 0 {
				t.Errorf("it ended with %d:\n%s", code, w.text())
			}
		})
	}
	t.Cleanup(stop)
	select {
	case m := <-w.ready:
		s := served(t, m, stop)
		s.log = w.text
		return s
	case code := <-ended:
		ended <- 0
		t.Fatalf("it ended with %d:\n%s", code, w.text())
		return nil
	}
}

func served(t *testing.T, ready map[string]any, stop func()) *aService {
	return &aService{t: t, url: "http://" + fmt.Sprint(ready["baremetal_listens"]), introspection: "http://" + fmt.Sprint(ready["introspection_listens"]), stop: stop}
}

// ask sends a request and returns status and body.
func (s *aService) ask(method, path, body string, header ...string) (int, string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("X-OpenStack-Ironic-API-Version", "1.80")
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

// must is ask that expects a status.
func (s *aService) must(code int, method, path, body string) string {
	s.t.Helper()
	got, answer := s.ask(method, path, body)
	if got != code {
		s.t.Fatalf("%s %s: %d %s", method, path, got, answer)
	}
	return answer
}

// await asks until the node is in the state.
func (s *aService) await(node, state string) {
	s.t.Helper()
	var last string
	for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		var n struct {
			State string `json:"provision_state"`
			Error string `json:"last_error"`
		}
		answer := s.must(200, "GET", "/v1/nodes/"+node, "")
		if err := json.Unmarshal([]byte(answer), &n); err != nil {
			s.t.Fatal(err)
		}
		if n.State == state {
			return
		}
		last = n.State + " " + n.Error
	}
	s.t.Fatalf("node %s is in %s, never in %s", node, last, state)
}

func TestStandaloneCarriesANodeAndKeepsIt(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	s := begin(t, conf(t, state, ""))
	s.must(200, "GET", "/", "")
	if code, body := s.ask("GET", "/healthz", ""); code != 200 || body != "ok\n" {
		t.Errorf("%d %s", code, body)
	}
	s.must(201, "POST", "/v1/nodes", `{"name":"n1","driver":"fake-hardware"}`)
	s.must(202, "PUT", "/v1/nodes/n1/states/provision", `{"target":"manage"}`)
	s.await("n1", "manageable")
	s.must(202, "PUT", "/v1/nodes/n1/states/provision", `{"target":"provide"}`)
	s.await("n1", "available")
	resp, err := http.Get(s.introspection + "/v1/introspection")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("introspection: %d", resp.StatusCode)
	}
	s.stop()
	for _, name := range []string{"undercloud.db", "jobs.db"} {
		if st, err := os.Stat(filepath.Join(state, name)); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, st, err)
		}
	}
	again := begin(t, conf(t, state, ""))
	again.must(202, "PUT", "/v1/nodes/n1/states/provision", `{"target":"active"}`)
	again.await("n1", "active")
}

// TestStandaloneKilledGoesOn kills the service while a node is being deployed, as
// soon as it has promised to: the next one keeps the promise.
// An unknown machine becomes a node, and the rules of file and API make it what it is.
func TestStandaloneDiscoversMachines(t *testing.T) {
	rules := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(rules, []byte("- {actions: [{op: set-attribute, args: [/extra/by, file]}]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := begin(t, conf(t, filepath.Join(t.TempDir(), "state"), "discovery_driver = fake-hardware\nbuilt_in_rules = "+rules+
		"\npci_device_alias = {\"vendor_id\": \"1af4\", \"product_id\": \"1000\", \"name\": \"nics\"}\n"))
	const payload = `{"inventory":{"cpu":{"count":2},"bmc_address":"192.0.2.9","interfaces":[{"name":"eth0","mac_address":"52:54:00:00:00:77","lldp":[[2,"0737"]]}]},
		"pci_devices":[{"vendor_id":"1af4","product_id":"1000"}]}`
	in := &aService{t: t, url: s.introspection}
	in.must(201, "POST", "/v1/rules", `{"conditions":[{"op":"eq","field":"data://auto_discovered","value":true},{"op":"eq","field":"all_interfaces.eth0.mac","value":"52:54:00:00:00:77"}],
		"actions":[{"action":"set-attribute","path":"/extra/also_by","value":"{data[ipmi_address]}"}]}`)
	if code, answer := s.ask("POST", "/v1/inspection_rules", `{"actions":[{"op":"set-attribute","args":["/name","found-{inventory[cpu][count]}"]}]}`,
		"X-OpenStack-Ironic-API-Version", "1.96"); code != 201 {
		t.Fatalf("%d %s", code, answer)
	}
	uuid := in.must(200, "POST", "/v1/continue", payload)
	if again := in.must(200, "POST", "/v1/continue", payload); again != uuid {
		t.Errorf("twice: %s %s", uuid, again)
	}
	node := s.must(200, "GET", "/v1/nodes/found-2", "")
	for _, want := range []string{`"provision_state":"enroll"`, `"driver":"fake-hardware"`, `"by":"file"`, `"also_by":"192.0.2.9"`, `"cpus":"2"`, `"capabilities":"nics:1"`} {
		if !strings.Contains(node, want) {
			t.Errorf("no %s in %s", want, node)
		}
	}
	if data := in.must(200, "GET", "/v1/introspection/found-2/data", ""); !strings.Contains(data, `"lldp_processed":{"switch_port_id":"7"}`) {
		t.Errorf("%s", data)
	}
}

func TestStandaloneKilledGoesOn(t *testing.T) {
	if file := os.Getenv("STANDALONE_TEST_CHILD"); file != "" {
		os.Exit(run(context.Background(), []string{"undercloud", "serve", "--standalone", file}, io.Discard, os.Stderr))
	}
	file := conf(t, filepath.Join(t.TempDir(), "state"), "")
	child := func() *aService {
		cmd := exec.Command(os.Args[0], "-test.run=^TestStandaloneKilledGoesOn$")
		cmd.Env = append(os.Environ(), "STANDALONE_TEST_CHILD="+file)
		w := &watcher{ready: make(chan map[string]any, 1)}
		cmd.Stderr = w
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { _ = cmd.Wait(); close(ended) }()
		stop := func() { _ = cmd.Process.Kill(); <-ended }
		t.Cleanup(stop)
		select {
		case m := <-w.ready:
			return served(t, m, stop)
		case <-ended:
			t.Fatalf("the service ended:\n%s", w.text())
			return nil
		}
	}
	s := child()
	s.must(201, "POST", "/v1/nodes", `{"name":"n1","driver":"fake-hardware"}`)
	for _, step := range [][2]string{{"manage", "manageable"}, {"provide", "available"}, {"active", "active"}, {"deleted", "available"}} {
		s.must(202, "PUT", "/v1/nodes/n1/states/provision", `{"target":"`+step[0]+`"}`)
		s.stop()
		s = child()
		s.await("n1", step[1])
	}
	if out := failing(t, "--standalone", file); !strings.Contains(out, "is in use") || !strings.Contains(out, "hint: stop that service") {
		t.Errorf("two services over one state: %s", out)
	}
}

// withPassword is configuration in which a user of a file in dir has the password "secret".
func withPassword(t *testing.T, dir, user string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "htpasswd")
	if err := os.WriteFile(file, append([]byte(user+":"), hash...), 0o600); err != nil {
		t.Fatal(err)
	}
	return "auth_strategy = http_basic\nhttp_basic_auth_user_file = " + file + "\n"
}

func TestStandaloneAsksForThePassword(t *testing.T) {
	dir := t.TempDir()
	s := begin(t, conf(t, filepath.Join(dir, "state"), withPassword(t, dir, "admin")))
	if code, body := s.ask("GET", "/v1/nodes", ""); code != 401 || !strings.Contains(body, `"message":"Authorization required"`) {
		t.Errorf("%d %s", code, body)
	}
	right := "Basic " + base64.StdEncoding.EncodeToString([]byte("admin:secret"))
	if code, body := s.ask("GET", "/v1/nodes", "", "Authorization", right); code != 200 {
		t.Errorf("%d %s", code, body)
	}
	for _, open := range []string{"/", "/v1", "/healthz"} {
		s.must(200, "GET", open, "")
	}
	if code, body := s.ask("GET", "/v1/lookup?addresses=52:54:00:00:00:01", ""); code != 404 || strings.Contains(body, "Authorization") {
		t.Errorf("a ramdisk is asked for a password: %d %s", code, body)
	}
	resp, err := http.Get(s.introspection + "/v1/introspection")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 401 {
		t.Errorf("introspection without a password: %d", resp.StatusCode)
	}
}

// failing runs the service where it cannot start and returns what it prints.
func failing(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var out bytes.Buffer
	if code := run(ctx, append([]string{"undercloud", "serve"}, args...), io.Discard, &out); code == 0 {
		t.Errorf("%v: it ran", args)
	}
	return out.String()
}

func TestStandaloneSaysWhyItDoesNotStart(t *testing.T) {
	dir := t.TempDir()
	open := filepath.Join(dir, "htpasswd")
	if err := os.WriteFile(open, []byte("admin:x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(dir, "state")
	for name, c := range map[string]struct {
		more  string
		words []string
	}{
		"open user file":   {"http_basic_auth_user_file = " + open + "\nauth_strategy = http_basic\n", []string{"http_basic_auth_user_file: " + open + " has mode 0644", "hint: chmod 600 " + open}},
		"unknown driver":   {"discovery_driver = ilo\n", []string{`discovery_driver is "ilo"; expected one of those that enabled_hardware_types names: ipmi, fake-hardware`}},
		"no alias":         {"pci_device_alias = {\"name\": \"gpu\"}\n", []string{"pci_device_alias: alias 1 of PCI devices: expected vendor_id"}},
		"no rules":         {"built_in_rules = /nowhere/rules.yaml\n", []string{"built_in_rules: open /nowhere/rules.yaml"}},
		"unknown hardware": {"enabled_hardware_types = ipmii\n", []string{`enabled_hardware_types names "ipmii"; expected some of fake-hardware, ipmi; did you mean "ipmi"?`}},
		"no certificate":   {"tls_certificate_file = /nowhere/c\ntls_key_file = /nowhere/k\n", []string{"tls_certificate_file", "/nowhere/c"}},
	} {
		file := conf(t, state, c.more)
		out := failing(t, "--standalone", file)
		for _, w := range append(c.words, file+":6: ") {
			if !strings.Contains(out, w) {
				t.Errorf("%s: %q does not say %q", name, out, w)
			}
		}
	}
	if out := failing(t, "--standalone", conf(t, state, ""), "--config", "x"); !strings.Contains(out, "exclude each other") {
		t.Error(out)
	}
	file := filepath.Join(t.TempDir(), "c")
	if err := os.WriteFile(file, []byte("listen = 192.0.2.1:6385\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := failing(t, "--standalone", file); !strings.Contains(out, file+":1: listen is 192.0.2.1:6385") {
		t.Error(out)
	}
}

// TestTheBootDoorHasTheAgentsCallsOnly: machines that boot reach nothing else of the API.
func TestTheBootDoorHasTheAgentsCallsOnly(t *testing.T) {
	named := func(name string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) })
	}
	door := bootDoor(named("boot"), named("api"))
	for path, want := range map[string]string{"/": "api", "/v1": "api", "/v1/": "api", "/v1/lookup": "api", "/v1/heartbeat/x": "api", "/v1/continue_inspection": "api",
		"/boot.ipxe": "boot", "/images/x": "boot", "/v1/nodes": "boot", "/v1/nodes/x/states/power": "boot", "/v1/lookup/x": "boot"} {
		w := &answer{header: http.Header{}}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		if err != nil {
			t.Fatal(err)
		}
		door.ServeHTTP(w, req)
		if w.String() != want {
			t.Errorf("%s is answered by %q", path, w.String())
		}
	}
}

type answer struct {
	bytes.Buffer
	header http.Header
}

func (a *answer) Header() http.Header { return a.header }
func (a *answer) WriteHeader(int)     {}
