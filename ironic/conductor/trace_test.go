package conductor_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"trefoil/ironic"
	"trefoil/ironic/agentapi"
	"trefoil/ironic/api"
	"trefoil/ironic/conductor"
)

// traced is one command that Debian's Ironic sent to a recorded agent.
type traced struct {
	Dir, Req string
	Body     agentapi.Command
}

func readTrace(t *testing.T, name string) []agentapi.Command {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []agentapi.Command
	for sc := bufio.NewScanner(f); sc.Scan(); {
		var line traced
		if err := json.Unmarshal(sc.Bytes(), &line); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if line.Dir == "ironic->ipa" && strings.HasPrefix(line.Req, "POST") {
			out = append(out, line.Body)
		}
	}
	if len(out) == 0 {
		t.Fatalf("%s holds no command", name)
	}
	return out
}

// An agent that announces what the recorded one announced is sent what the real
// Ironic sent that one: the same commands in the same order, with the same
// parameters, and each step word for word.
func TestAutomatedCleaningIsThatOfTheTrace(t *testing.T) {
	w := newWorld(t, func(c *conductor.Config) { c.CleanOnProvide = true })
	w.node("manageable")
	offer := func(name string, priority int) any {
		return map[string]any{"step": name, "priority": priority, "interface": "deploy", "reboot_requested": false, "abortable": true}
	}
	w.offers = map[string][]any{"clean_steps": {offer("erase_devices", 10), offer("erase_devices_metadata", 99), offer("create_configuration", 0)}}
	w.provision("provide")
	n := w.await("available")
	if n.PowerState != "power off" || len(n.CleanStep) > 0 || len(n.DriverInternalInfo) > 0 {
		t.Errorf("power %q, step %v, %v", n.PowerState, n.CleanStep, n.DriverInternalInfo)
	}
	w.sentAs(readTrace(t, "ipa-trace-clean.jsonl"))
	for i, want := range readTrace(t, "ipa-trace-clean.jsonl") {
		if got := w.sent[i]; !reflect.DeepEqual(got.Params["step"], want.Params["step"]) {
			t.Errorf("%s runs %v, want %v", got.Name, got.Params["step"], want.Params["step"])
		}
	}
}

// A deployment of a whole-disk image from a web server is commanded as the real Ironic
// commanded it: the same commands in the same order, with the same parameters, down to
// the members of image_info.
func TestADeploymentIsThatOfTheTrace(t *testing.T) {
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "image.raw", time.Time{}, bytes.NewReader(bootImage()))
	}))
	defer files.Close()
	w := newWorld(t, nil)
	n := w.node("available")
	if _, err := w.db.UpdateNode(t.Context(), n.UUID, func(n *ironic.Node) error {
		n.InstanceInfo = map[string]any{"image_source": files.URL + "/image.raw", "image_disk_format": "raw",
			"image_os_hash_algo": "sha256", "image_os_hash_value": fmt.Sprintf("%x", sha256.Sum256(bootImage()))}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	w.provision("active", func(r *api.ProvisionRequest) {
		r.ConfigDrive = map[string]any{"meta_data": map[string]any{"hostname": "h"}}
	})
	if n := w.await("active"); n.PowerState != "power on" || len(n.DeployStep) > 0 {
		t.Errorf("power %q, step %v", n.PowerState, n.DeployStep)
	}
	want := readTrace(t, "ipa-trace-deploy.jsonl")
	w.sentAs(want)
	args := func(c agentapi.Command) (step, args, info map[string]any) {
		step, _ = c.Params["step"].(map[string]any)
		args, _ = step["args"].(map[string]any)
		info, _ = args["image_info"].(map[string]any)
		return step, args, info
	}
	for i := range want {
		step, given, info := args(w.sent[i])
		wantStep, wantArgs, wantInfo := args(want[i])
		for _, m := range [][2]map[string]any{{step, wantStep}, {given, wantArgs}, {info, wantInfo}} {
			if !slices.Equal(keys(m[0]), keys(m[1])) {
				t.Errorf("%s has %v, want %v", want[i].Name, keys(m[0]), keys(m[1]))
			}
		}
		if given["configdrive"] != info["configdrive"] || step["step"] != wantStep["step"] || step["interface"] != wantStep["interface"] {
			t.Errorf("%s has the step %v", want[i].Name, step)
		}
		for _, k := range []string{"id", "disk_format", "stream_raw_images", "os_hash_algo"} {
			if info[k] != wantInfo[k] {
				t.Errorf("image_info: %s is %v, want %v", k, info[k], wantInfo[k])
			}
		}
	}
	if last := want[3]; !reflect.DeepEqual(w.sent[3].Params, last.Params) {
		t.Errorf("%s has %v, want %v", last.Name, w.sent[3].Params, last.Params)
	}
}

func keys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

// sentAs holds what agents were sent to commands of the real Ironic: names and order,
// the names of parameters, and the versions that were announced.
func (w *world) sentAs(want []agentapi.Command) {
	w.t.Helper()
	names := func(list []agentapi.Command) (out []string) {
		for _, c := range list {
			out = append(out, c.Name)
		}
		return out
	}
	if got := names(w.sent); !slices.Equal(got, names(want)) {
		w.t.Fatalf("agents were sent\n%v, the trace has\n%v", got, names(want))
	}
	for i, got := range w.sent {
		if !slices.Equal(keys(got.Params), keys(want[i].Params)) {
			w.t.Errorf("%s has the parameters %v, want %v", got.Name, keys(got.Params), keys(want[i].Params))
		}
		for _, k := range []string{"clean_version", "deploy_version"} {
			if !reflect.DeepEqual(got.Params[k], want[i].Params[k]) {
				w.t.Errorf("%s %s is %v, want %v", got.Name, k, got.Params[k], want[i].Params[k])
			}
		}
	}
}
