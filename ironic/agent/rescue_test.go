package agent

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trefoil/ironic/agent/disk"
	"trefoil/ironic/agentapi"
)

func TestFinalizeRescueKeepsAHashAndEndsTheService(t *testing.T) {
	for name, c := range map[string]struct {
		params map[string]any
		want   string
	}{
		"hashed by the conductor": {map[string]any{"rescue_password": "$6$salt$hash", "hashed": true}, "$6$salt$hash"},
		"in the clear":            {map[string]any{"rescue_password": "geheim"}, "$6$"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			// The service ends at once, and the answer comes all the same.
			url := start(t, newAPI(t), func(cfg *Config) { cfg.Root, cfg.EndAfter = root, time.Nanosecond })
			base := url + "/v1/commands/?wait=true&agent_token=tok"
			code, st := post(t, base, "rescue.finalize_rescue", c.params)
			if code != http.StatusOK || st.Status != agentapi.Succeeded {
				t.Fatalf("%d %+v", code, st)
			}
			path := filepath.Join(root, rescueFile)
			b, err := os.ReadFile(path)
			if err != nil || !strings.HasPrefix(string(b), c.want) || strings.Contains(string(b), "geheim") {
				t.Errorf("%q %v", b, err)
			}
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%v %v", info, err)
			}
			servesNobody(t, url)
		})
	}
}

// servesNobody waits until the agent has ended its service.
func servesNobody(t *testing.T, url string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		resp, err := http.Get(url + "/v1/status")
		if err != nil {
			return
		}
		resp.Body.Close()
		if time.Now().After(deadline) {
			t.Fatal("the agent still serves")
		}
	}
}

// What must stay on is reset with the agent running: it obeys nobody until then.
func TestLockdownEndsTheService(t *testing.T) {
	vda := filepath.Join(t.TempDir(), "vda")
	if err := os.WriteFile(vda, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	url := start(t, newAPI(t), func(cfg *Config) {
		cfg.EndAfter, cfg.Disks = time.Nanosecond, func(string) (disk.Device, error) { return disk.System(vda) }
	})
	if code, st := post(t, url+"/v1/commands/?wait=true&agent_token=tok", "system.lockdown", nil); code != http.StatusOK || st.Status != agentapi.Succeeded {
		t.Fatalf("%d %+v", code, st)
	}
	servesNobody(t, url)
}

func TestFinalizeRescueWithoutAPasswordChangesNothing(t *testing.T) {
	root := t.TempDir()
	url := start(t, newAPI(t), func(cfg *Config) { cfg.Root = root })
	_, st := post(t, url+"/v1/commands/?wait=true&agent_token=tok", "rescue.finalize_rescue", map[string]any{"rescue_password": ""})
	if st.Status != agentapi.Failed || st.Error == nil || st.Error.Type != "InvalidCommandParamsError" {
		t.Errorf("%+v", st)
	}
	if files, err := os.ReadDir(root); err != nil || len(files) > 0 {
		t.Errorf("%v %v", files, err)
	}
	if _, st := post(t, url+"/v1/commands/?wait=true&agent_token=tok", "poll.get_hardware_info", nil); st.Status != agentapi.Succeeded {
		t.Errorf("the agent ended: %+v", st)
	}
}
