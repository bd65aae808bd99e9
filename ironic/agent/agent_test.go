package agent

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"trefoil/ironic/agent/disk"
	"trefoil/ironic/agentapi"
)

// machine is hardware with one disk and one interface.
type machine struct{}

func (machine) Inventory() agentapi.Inventory {
	return agentapi.Inventory{Interfaces: []agentapi.Interface{{Name: "eth0", MACAddress: "52:54:00:00:00:01"}}, Disks: machine{}.Disks(),
		Boot: agentapi.Boot{CurrentBootMode: "bios", PXEInterface: "52:54:00:00:00:01"}}
}

func (machine) Disks() []agentapi.Disk {
	return []agentapi.Disk{{Name: "/dev/vda", Size: 10 << 30}}
}

// api is the conductor's side.
type api struct {
	t *testing.T
	*httptest.Server
	beats     chan agentapi.Heartbeat
	inventory chan agentapi.InspectionData
	mu        sync.Mutex
	refuse    int // so many lookups and inventories are refused first
	versions  []string
}

func newAPI(t *testing.T) *api {
	t.Helper()
	a := &api{t: t, beats: make(chan agentapi.Heartbeat, 16), inventory: make(chan agentapi.InspectionData, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-OpenStack-Ironic-API-Maximum-Version", "1.95")
	})
	mux.HandleFunc("GET /v1/lookup", func(w http.ResponseWriter, r *http.Request) {
		if a.refused() || r.URL.Query().Get("addresses") != "52:54:00:00:00:01" {
			http.Error(w, "{}", http.StatusNotFound)
			return
		}
		_ = json.NewEncoder(w).Encode(agentapi.Lookup{Node: agentapi.LookupNode{UUID: "node-1"},
			Config: agentapi.LookupConfig{HeartbeatTimeout: 3000, AgentToken: "tok", AgentTokenRequired: true}})
	})
	mux.HandleFunc("POST /v1/heartbeat/node-1", func(w http.ResponseWriter, r *http.Request) {
		var hb agentapi.Heartbeat
		if err := json.NewDecoder(r.Body).Decode(&hb); err != nil {
			t.Error(err)
		}
		a.mu.Lock()
		a.versions = append(a.versions, r.Header.Get("X-OpenStack-Ironic-API-Version"))
		a.mu.Unlock()
		w.WriteHeader(http.StatusAccepted)
		a.beats <- hb
	})
	mux.HandleFunc("POST /inspect", func(w http.ResponseWriter, r *http.Request) {
		if a.refused() {
			http.Error(w, "not waiting", http.StatusNotFound)
			return
		}
		var d agentapi.InspectionData
		if err := json.NewDecoder(r.Body).Decode(&d); err != nil {
			t.Error(err)
		}
		a.inventory <- d
	})
	a.Server = httptest.NewServer(mux)
	t.Cleanup(a.Close)
	return a
}

func (a *api) refused() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refuse--
	return a.refuse >= 0
}

func wait[T any](t *testing.T, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(time.Minute):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// start runs an agent until the test ends and returns its URL from the first heartbeat.
func start(t *testing.T, a *api, change func(*Config)) string {
	t.Helper()
	cfg := Config{APIURLs: []string{a.URL}, Listen: "127.0.0.1:0", Hardware: machine{}, LogTail: func() []byte { return []byte("log") }}
	if change != nil {
		change(&cfg)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- New(cfg).Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("agent: %v", err)
		}
	})
	return wait(t, a.beats).CallbackURL
}

func post(t *testing.T, url, name string, params map[string]any) (int, agentapi.CommandStatus) {
	t.Helper()
	body, err := json.Marshal(agentapi.Command{Name: name, Params: params})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(url, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var st agentapi.CommandStatus
	_ = json.NewDecoder(resp.Body).Decode(&st)
	return resp.StatusCode, st
}

func TestLookupHeartbeatAndSteps(t *testing.T) {
	a := newAPI(t)
	a.refuse = 1 // not yet waiting for us
	url := start(t, a, nil)
	for kind, step := range map[string]string{"clean": "erase_devices_metadata", "deploy": "write_image", "service": "service_steps"} {
		code, st := post(t, url+"/v1/commands/?wait=true&agent_token=tok", kind+".get_"+kind+"_steps", nil)
		if code != 200 || st.Status != agentapi.Succeeded || !strings.Contains(fmt.Sprint(st.Result), step) || st.Result["hardware_manager_version"] == nil {
			t.Errorf("%s steps: %d %+v", kind, code, st)
		}
	}
	if v := a.versions[0]; v != "1.72" {
		t.Errorf("heartbeat spoke %s", v)
	}
	for _, path := range []string{"/", "/v1/", "/v1/status", "/v1/commands/", "/v1/commands"} {
		resp, err := http.Get(url + path)
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("%s: %v %v", path, resp, err)
		}
		resp.Body.Close()
	}
}

func TestTokenGuardsCommands(t *testing.T) {
	url := start(t, newAPI(t), nil)
	for _, q := range []string{"", "?agent_token=wrong"} {
		if code, _ := post(t, url+"/v1/commands/"+q, "standby.power_off", nil); code != http.StatusUnauthorized {
			t.Errorf("%q: %d", q, code)
		}
	}
	resp, err := http.Get(url + "/v1/commands/?agent_token=wrong")
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("reading with a wrong token: %v %v", resp, err)
	}
	if code, _ := post(t, url+"/v1/commands/?agent_token=tok", "no.such", nil); code != http.StatusNotFound {
		t.Errorf("unknown command: %d", code)
	}
}

// held is a disk that cannot be opened before the test lets it.
func held(gate <-chan struct{}) disk.Opener {
	return func(string) (disk.Device, error) {
		<-gate
		return nil, errors.New("the disk has burnt down")
	}
}

func TestOneCommandAtATimeAndAHeartbeatAfterIt(t *testing.T) {
	a, gate := newAPI(t), make(chan struct{})
	url := start(t, a, func(c *Config) { c.Disks = held(gate) })
	base := url + "/v1/commands/"
	clean := map[string]any{"step": map[string]any{"step": "erase_devices_metadata"}, "node": map[string]any{"properties": map[string]any{}}}
	code, st := post(t, base+"?agent_token=tok", "clean.execute_clean_step", clean)
	if code != 200 || st.Status != agentapi.Running {
		t.Fatalf("%d %+v", code, st)
	}
	if code, _ := post(t, base+"?agent_token=tok", "standby.power_off", nil); code != http.StatusConflict {
		t.Errorf("a second command while one runs: %d", code)
	}
	if code, _ := post(t, base+"?agent_token=tok", "clean.get_clean_steps", nil); code != http.StatusOK {
		t.Errorf("a synchronous one must pass: %d", code)
	}
	close(gate)
	for wait(t, a.beats).AgentStatusMessage != "" { // progress first, then the end
	}
	resp, err := http.Get(base + st.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&st); err != nil {
		t.Fatal(err)
	}
	if st.Status != agentapi.Failed || st.Error == nil || !strings.Contains(st.Error.Message, "burnt down") {
		t.Errorf("%+v", st)
	}
}

// A step that another version of the agent has listed is not begun, and the conductor told so in IPA's words.
func TestAStepOfAnotherVersionIsNotBegun(t *testing.T) {
	url := start(t, newAPI(t), func(c *Config) {
		c.Disks = func(string) (disk.Device, error) { t.Error("a disk was opened"); return nil, errors.New("opened") }
	})
	for _, kind := range []string{"clean", "deploy"} {
		_, st := post(t, url+"/v1/commands/?wait=true&agent_token=tok", kind+".execute_"+kind+"_step", map[string]any{
			"step": map[string]any{"step": "erase_devices_metadata", "interface": "deploy"}, kind + "_version": map[string]any{managerName: "0"}})
		if st.Status != agentapi.CleanVersionMismatch || st.Error == nil || st.Error.Type != "VersionMismatch" || !strings.Contains(st.Error.Message, "version 0, the agent has "+stepsVersion) {
			t.Errorf("%s: %+v", kind, st)
		}
	}
}

func TestBadWriteImageTouchesNothing(t *testing.T) {
	opened := false
	url := start(t, newAPI(t), func(c *Config) {
		c.Disks = func(string) (disk.Device, error) { opened = true; return nil, errors.New("opened") }
	})
	step := func(args map[string]any, props map[string]any) agentapi.CommandStatus {
		_, st := post(t, url+"/v1/commands/?wait=true&agent_token=tok", "deploy.execute_deploy_step",
			map[string]any{"step": map[string]any{"step": "write_image", "args": args}, "node": map[string]any{"properties": props}})
		return st
	}
	info := map[string]any{"id": "i", "urls": []string{"http://127.0.0.1:1/x"}}
	if st := step(map[string]any{"image_info": info, "configdrive": "%"}, nil); st.Error == nil || !strings.Contains(st.Error.Message, "base64") {
		t.Errorf("bad config drive: %+v", st)
	}
	hint := map[string]any{"root_device": map[string]any{"serial": "other"}}
	if st := step(map[string]any{"image_info": info}, hint); st.Error == nil || st.Error.Type != "DeviceNotFound" {
		t.Errorf("no disk fits: %+v", st)
	}
	if opened {
		t.Error("a disk was opened")
	}
}

func TestInspection(t *testing.T) {
	a := newAPI(t)
	a.refuse = 1
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- New(Config{InspectURL: a.URL + "/inspect", Hardware: machine{}, LogTail: func() []byte { return []byte("log") }}).Run(ctx)
	}()
	d := wait(t, a.inventory)
	if d.BootInterface != "01-52-54-00-00-00-01" || d.RootDisk == nil || d.RootDisk.Name != "/dev/vda" || d.Error != nil {
		t.Errorf("%+v", d)
	}
	if gz, err := base64.StdEncoding.DecodeString(d.Logs); err != nil || len(gz) < 20 || gz[0] != 0x1f {
		t.Errorf("logs: %v", err)
	}
	cancel()
	if err := wait(t, done); err != nil {
		t.Error(err)
	}
}

func TestPowerOffComesAfterItsAnswer(t *testing.T) {
	off := make(chan struct{})
	url := start(t, newAPI(t), func(c *Config) { c.PowerOff = func() { close(off) } })
	if _, st := post(t, url+"/v1/commands/?wait=true&agent_token=tok", "standby.power_off", nil); st.Status != agentapi.Succeeded {
		t.Errorf("%+v", st)
	}
	wait(t, off)
}
