package agent

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"trefoil/ironic/agent/disk"
	"trefoil/ironic/agentapi"
)

// traced is one line of a recording of Debian's Ironic and an agent.
type traced struct {
	Dir, Req string
	Body     agentapi.Command
	Reply    json.RawMessage
}

// box is a machine whose disk is a file.
type box struct{ disk string }

func (b box) Inventory() agentapi.Inventory {
	return agentapi.Inventory{Interfaces: []agentapi.Interface{{Name: "eth0", MACAddress: "52:54:00:11:22:33"}}, Disks: b.Disks(),
		Boot: agentapi.Boot{CurrentBootMode: "uefi"}}
}

func (b box) Disks() []agentapi.Disk { return []agentapi.Disk{{Name: b.disk, Size: 8 << 30}} }

// replayed plays the recorded Ironic to our agent.
type replayed struct {
	t      *testing.T
	lines  []traced
	image  []byte
	disk   string
	url    string // of Ironic and of the image
	lookup chan string
	beats  chan agentapi.Heartbeat
	off    chan struct{}
	open   chan struct{} // closed: lets the agent have its disk; nil: it always may

	agent   string // its callback URL
	held    bool   // the disk, until Ironic saw the command running
	running bool   // a command that no heartbeat has followed yet
}

func newReplayed(t *testing.T, name string) *replayed {
	t.Helper()
	r := &replayed{t: t, disk: filepath.Join(t.TempDir(), "vda"), lookup: make(chan string, 16), beats: make(chan agentapi.Heartbeat, 64), off: make(chan struct{})}
	f, err := os.Open("../conductor/testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		var l traced
		if err := json.Unmarshal(sc.Bytes(), &l); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		r.lines = append(r.lines, l)
	}
	r.image = bytes.Repeat([]byte("overcloud "), 1<<20)
	copy(r.image, make([]byte, 512))
	r.image[510], r.image[511] = 0x55, 0xaa
	copy(r.image[446:], []byte{0x80, 0, 0, 0, 0x83, 0, 0, 0, 0, 8, 0, 0, 0, 16, 0, 0}) // from sector 2048, 4096 long
	if err := errors.Join(os.WriteFile(r.disk, bytes.Repeat([]byte{0xaa}, 16<<20), 0o600), os.Truncate(r.disk, 128<<20)); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(srv.Close)
	r.url = srv.URL
	return r
}

// serve answers the agent as the trace has it.
func (r *replayed) serve(w http.ResponseWriter, req *http.Request) {
	switch {
	case req.URL.Path == "/v1":
		w.Header().Set("X-OpenStack-Ironic-API-Maximum-Version", "1.82")
	case req.URL.Path == "/v1/lookup":
		var reply map[string]any
		if err := json.Unmarshal(r.lines[0].Reply, &reply); err != nil {
			r.t.Error(err)
		}
		reply["node"] = map[string]any{"uuid": "node-1", "properties": map[string]any{}, "instance_info": map[string]any{}, "driver_internal_info": map[string]any{}, "links": []any{}}
		_ = json.NewEncoder(w).Encode(reply)
		r.lookup <- req.Method + " " + req.URL.Path + "?" + strings.ReplaceAll(req.URL.RawQuery, "%3A", ":")
	case req.URL.Path == "/v1/heartbeat/node-1" && req.Method == http.MethodPost:
		var hb agentapi.Heartbeat
		if err := json.NewDecoder(req.Body).Decode(&hb); err != nil {
			r.t.Error(err)
		}
		w.WriteHeader(http.StatusAccepted)
		r.beats <- hb
	case req.URL.Path == "/image.raw":
		http.ServeContent(w, req, "image.raw", time.Time{}, bytes.NewReader(r.image))
	default:
		r.t.Errorf("the agent asks for %s %s", req.Method, req.URL)
	}
}

// TestTheAgentServesTheRecordedIronic gives our agent all that Debian's Ironic sent to
// a recorded one, in its order, and holds what it answers to what that one answered.
func TestTheAgentServesTheRecordedIronic(t *testing.T) {
	for _, name := range []string{"ipa-trace-clean.jsonl", "ipa-trace-deploy.jsonl"} {
		t.Run(name, func(t *testing.T) {
			r := newReplayed(t, name)
			cfg := Config{APIURLs: []string{r.url}, Listen: "127.0.0.1:0", Hardware: box{r.disk}, Disks: r.opened,
				EndAfter: time.Millisecond, PowerOff: func() { close(r.off) }}
			done := make(chan error, 1)
			go func() { done <- New(cfg).Run(t.Context()) }()
			t.Cleanup(func() {
				if err := <-done; err != nil {
					t.Errorf("agent: %v", err)
				}
			})
			for i, l := range r.lines {
				r.play(i, l)
			}
			r.check(name)
		})
	}
}

// opened keeps the disk from a command that the recorded Ironic saw running.
func (r *replayed) opened(name string) (disk.Device, error) {
	if r.open != nil {
		<-r.open
	}
	return disk.System(name)
}

// play does what Ironic did in a line, and waits for what it waited for.
func (r *replayed) play(i int, l traced) {
	r.t.Helper()
	switch {
	case l.Dir == "ipa->ironic" && strings.HasPrefix(l.Req, "GET /v1/lookup"):
		if got := wait(r.t, r.lookup); got != l.Req {
			r.t.Errorf("the agent looks itself up by %s, the recorded one by %s", got, l.Req)
		}
	case l.Dir == "ipa->ironic" && l.Req == "heartbeat":
		r.heartbeat()
	case strings.HasPrefix(l.Req, "POST"):
		r.post(i, l)
	case strings.HasPrefix(l.Req, "GET /v1/commands/"):
		r.list(l)
	}
}

// heartbeat waits for the first one, and for that which says that a command ended.
func (r *replayed) heartbeat() {
	r.t.Helper()
	if r.agent != "" && !r.running {
		return // the recorded agent's interval was short
	}
	for {
		hb := wait(r.t, r.beats)
		if hb.AgentToken != "<token>" || hb.AgentVersion == "" || hb.CallbackURL == "" {
			r.t.Errorf("heartbeat %+v", hb)
		}
		if r.agent == "" || hb.AgentStatusMessage == "" {
			r.agent, r.running = hb.CallbackURL, false
			return
		}
	}
}

func (r *replayed) post(i int, l traced) {
	r.t.Helper()
	r.fill(l.Body.Params)
	_, query, _ := strings.Cut(l.Req, "?")
	waits := strings.HasPrefix(query, "wait=true")
	if r.open = nil; !waits && r.seenRunning(i) {
		r.open, r.held = make(chan struct{}), true
	}
	code, st := post(r.t, r.agent+strings.TrimPrefix(l.Req, "POST "), l.Body.Name, l.Body.Params)
	_, short, _ := strings.Cut(l.Body.Name, ".")
	begun := st.Status == agentapi.Running && !waits || st.Status == agentapi.Succeeded && r.open == nil
	if code != http.StatusOK || st.Name != short || !begun || st.Error != nil || st.ID == "" {
		r.t.Errorf("%s: status %d, %+v", l.Body.Name, code, st)
	}
	r.running = r.running || !waits
}

// seenRunning reports whether Ironic saw the command of a line before it had ended.
func (r *replayed) seenRunning(i int) bool {
	for _, l := range r.lines[i+1:] {
		if strings.HasPrefix(l.Req, "GET /v1/commands/") {
			return strings.Contains(string(l.Reply), agentapi.Running)
		}
	}
	return false
}

// fill puts in what the recording left out or what is elsewhere here.
func (r *replayed) fill(params map[string]any) {
	if _, ok := params["node"]; ok {
		params["node"], params["ports"] = map[string]any{"uuid": "node-1", "properties": map[string]any{}}, []any{}
	}
	step, _ := params["step"].(map[string]any)
	args, _ := step["args"].(map[string]any)
	info, ok := args["image_info"].(map[string]any)
	if !ok {
		return
	}
	info["urls"], info["os_hash_value"] = []string{r.url + "/image.raw"}, fmt.Sprintf("%x", sha256.Sum256(r.image))
	var packed bytes.Buffer
	gz := gzip.NewWriter(&packed)
	_, _ = gz.Write(append(make([]byte, 16*2048+40), "config-2 and the rest of the ISO"...))
	_ = gz.Close()
	drive := base64.StdEncoding.EncodeToString(packed.Bytes())
	info["configdrive"], args["configdrive"] = drive, drive
}

// list compares the agent's list of commands with the recorded one's.
func (r *replayed) list(l traced) {
	r.t.Helper()
	resp, err := http.Get(r.agent + strings.TrimPrefix(l.Req, "GET "))
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	var list agentapi.Commands
	var got, want [][]string
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
		r.t.Fatal(err)
	}
	if err := json.Unmarshal(l.Reply, &want); err != nil {
		r.t.Fatal(err)
	}
	for _, c := range list.Commands {
		got = append(got, []string{c.Name, c.Status})
		if c.Error != nil {
			r.t.Errorf("%s: %s", c.Name, c.Error.Message)
		}
	}
	if !slices.EqualFunc(got, want, slices.Equal) {
		r.t.Errorf("the agent lists %v, the recorded one %v", got, want)
	}
	if r.held {
		close(r.open)
		r.held = false
	}
}

// check looks at what became of the machine.
func (r *replayed) check(name string) {
	r.t.Helper()
	data, err := os.ReadFile(r.disk)
	if err != nil {
		r.t.Fatal(err)
	}
	if strings.Contains(name, "clean") {
		if !bytes.Equal(data, make([]byte, len(data))) {
			r.t.Error("the disk is not erased")
		}
		return
	}
	wait(r.t, r.off)
	if n := len(r.image); !bytes.Equal(data[1<<20:n], r.image[1<<20:]) || !bytes.Contains(data[n:], []byte("config-2 and the rest")) {
		r.t.Error("the disk does not hold image and config drive")
	}
}
