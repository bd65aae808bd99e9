package conductor_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"

	"trefoil/ironic"
	"trefoil/ironic/agentapi"
	"trefoil/ironic/driver"
)

// agent plays ironic-python-agent as the recorded traces show it.
type agent struct {
	w     *world
	uuid  string
	srv   *httptest.Server
	quit  chan struct{}
	done  sync.WaitGroup
	once  sync.Once
	token string

	mu       sync.Mutex
	commands []agentapi.CommandStatus
	wasBusy  bool
}

func startAgent(w *world, uuid string, e driver.BootEntry) *agent {
	a := &agent{w: w, uuid: uuid, quit: make(chan struct{})}
	a.srv = httptest.NewServer(http.HandlerFunc(a.serve))
	life := a.live
	for _, p := range e.Params {
		if strings.HasPrefix(p, "ipa-inspection-callback-url=") {
			life = a.report
		}
	}
	a.done.Go(life)
	return a
}

func (a *agent) stop() {
	a.once.Do(func() { close(a.quit); a.srv.Close() })
}

func (a *agent) sleep() bool {
	select {
	case <-a.quit:
		return false
	case <-time.After(3 * time.Millisecond):
		return true
	}
}

// live looks the node up, then sends heartbeats.
func (a *agent) live() {
	for a.sleep() {
		c := a.w.conductor()
		if c == nil {
			continue
		}
		if a.token == "" {
			if l, err := c.Lookup(context.Background(), []string{mac}, ""); err == nil && l.Config.AgentToken != "******" {
				a.token = l.Config.AgentToken
			}
			continue
		}
		_ = c.Heartbeat(context.Background(), a.uuid, agentapi.Heartbeat{CallbackURL: a.srv.URL, AgentToken: a.token, AgentVersion: "9"})
	}
}

// report sends an inventory until it is taken.
func (a *agent) report() {
	for a.sleep() {
		if c := a.w.conductor(); c != nil {
			if _, err := c.ContinueInspection(context.Background(), []byte(inventory)); err == nil {
				return
			}
		}
	}
}

func (a *agent) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("agent_token") != a.token {
		http.Error(w, `{"faultcode":"Client","faultstring":"Invalid agent token."}`, http.StatusUnauthorized)
		return
	}
	if r.Method == http.MethodGet {
		a.mu.Lock()
		defer a.mu.Unlock()
		json.NewEncoder(w).Encode(agentapi.Commands{Commands: a.commands})
		return
	}
	var cmd agentapi.Command
	if err := json.NewDecoder(r.Body).Decode(&cmd); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if cmd.Name == "standby.sync" && !a.wasBusy && a.w.told(a.uuid) == "busy at first" {
		a.wasBusy = true
		http.Error(w, `{"faultcode":"Client","faultstring":"Agent is busy."}`, http.StatusConflict)
		return
	}
	if n := len(a.commands); n > 0 && a.commands[n-1].Status == agentapi.Running {
		http.Error(w, `{"faultcode":"Client","faultstring":"Agent is busy."}`, http.StatusConflict)
		return
	}
	json.NewEncoder(w).Encode(a.run(cmd))
}

// run begins a command; the caller holds mu.
func (a *agent) run(cmd agentapi.Command) agentapi.CommandStatus {
	_, short, _ := strings.Cut(cmd.Name, ".")
	st := agentapi.CommandStatus{ID: fmt.Sprintf("c%d", len(a.commands)), Name: short, Status: agentapi.Succeeded}
	a.w.took(cmd)
	switch cmd.Name {
	case "clean.get_clean_steps", "deploy.get_deploy_steps", "service.get_service_steps":
		kind := strings.TrimPrefix(short, "get_")
		st.Result = map[string]any{kind: map[string]any{"GenericHardwareManager": a.w.offer(kind)},
			"hardware_manager_version": map[string]any{"generic_hardware_manager": a.w.announced()}}
	case "standby.get_partition_uuids":
		st.Result = map[string]any{} // as of an image of a whole disk
	case "standby.sync":
		if a.w.told(a.uuid) == "fail sync" {
			st.Status, st.Error = agentapi.Failed, &agentapi.CommandError{Type: "CommandExecutionError", Message: "input/output error on /dev/vda"}
		}
	case "rescue.finalize_rescue", "system.lockdown":
		go a.stop() // the machine is a person's now, or about to be reset
	case "standby.power_off":
		go func() {
			_ = a.w.drv.SetPower(context.Background(), &ironic.Node{UUID: a.uuid}, ironic.PowerOff)
		}()
	default:
		if listedByAnother(cmd) {
			st.Status, st.Error = agentapi.CleanVersionMismatch, &agentapi.CommandError{Type: "VersionMismatch", Code: 409, Message: "Hardware managers version mismatch, reload agent with correct version"}
			break
		}
		st.Status = agentapi.Running
		a.w.mu.Lock()
		a.w.ran = append(a.w.ran, short)
		say := a.w.script[a.uuid]
		step := stepOf(cmd)
		fail := say == "fail" || step != "" && say == "fail "+step
		hang := say == "hang" || step != "" && say == "hang "+step
		a.w.mu.Unlock()
		if !hang {
			st.Result = a.w.resultOf(step)
			go a.finish(st.ID, fail)
		}
	}
	a.commands = append(a.commands, st)
	return st
}

// hardwareVersion is what agents check steps against.
const hardwareVersion = "1.2"

// resultOf is what a step comes to.
func (w *world) resultOf(step string) map[string]any {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.results[step]
}

// announced is the version that a list of steps names.
func (w *world) announced() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stale > 0 {
		w.stale--
		return "1.1"
	}
	return hardwareVersion
}

// listedByAnother reports whether a step was announced by another version than the agent's.
func listedByAnother(cmd agentapi.Command) bool {
	kind, _, _ := strings.Cut(cmd.Name, ".")
	v, ok := cmd.Params[kind+"_version"].(map[string]any)
	return ok && v["generic_hardware_manager"] != hardwareVersion
}

// stepOf names the step that a command runs; empty if it runs none.
func stepOf(cmd agentapi.Command) string {
	step, _ := cmd.Params["step"].(map[string]any)
	name, _ := step["step"].(string)
	return name
}

func (a *agent) finish(id string, fail bool) {
	a.sleep()
	a.mu.Lock()
	defer a.mu.Unlock()
	i := slices.IndexFunc(a.commands, func(c agentapi.CommandStatus) bool { return c.ID == id })
	a.commands[i].Status = agentapi.Succeeded
	if fail {
		a.commands[i].Status = agentapi.Failed
		a.commands[i].Error = &agentapi.CommandError{Type: "ImageChecksumError", Message: "Error verifying image checksum:", Details: "want abc"}
	}
}

const inventory = `{"inventory": {"cpu": {"count": 4, "architecture": "x86_64", "flags": ["vmx", "aes"]},
 "memory": {"total": 8000000000, "physical_mb": 8192},
 "disks": [{"name": "/dev/vdb", "size": 107374182400}, {"name": "/dev/vda", "size": 64424509440}],
 "interfaces": [{"name": "lo", "mac_address": "00:00:00:00:00:00"}, {"name": "eth0", "mac_address": "52:54:00:00:00:01", "has_carrier": true},
  {"name": "eth1", "mac_address": "52:54:00:00:00:02", "has_carrier": true}],
 "boot": {"current_boot_mode": "uefi"}}, "boot_interface": "01-52-54-00-00-00-01", "logs": "AAAA", "error": null}`
