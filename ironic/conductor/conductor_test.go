package conductor_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/agentapi"
	"trefoil/ironic/api"
	"trefoil/ironic/conductor"
	"trefoil/ironic/driver"
)

func TestANodeGoesTheWholeWay(t *testing.T) {
	w := newWorld(t, nil)
	w.node("enroll")
	w.provision("manage")
	if n := w.await("manageable"); n.PowerState != ironic.PowerOff || n.LastError != "" {
		t.Errorf("after manage: power %q, error %q", n.PowerState, n.LastError)
	}
	w.provision("inspect")
	n := w.await("manageable")
	want := map[string]any{"cpus": "4", "memory_mb": "8192", "local_gb": "59", "cpu_arch": "x86_64",
		"capabilities": "profile:control,boot_mode:uefi,cpu_aes:true,cpu_vt:true"}
	for k, v := range want {
		if n.Properties[k] != v {
			t.Errorf("property %s is %v, want %v", k, n.Properties[k], v)
		}
	}
	if n.InspectionFinishedAt == nil || n.PowerState != ironic.PowerOff {
		t.Errorf("after inspection: %v, power %q", n.InspectionFinishedAt, n.PowerState)
	}
	inv, err := w.db.Inventory(t.Context(), n.UUID)
	if err != nil || inv.Inventory["cpu"] == nil || inv.PluginData["logs"] != nil {
		t.Errorf("%+v %v", inv, err)
	}
	w.provision("provide")
	if n := w.await("available"); n.TargetProvisionState != "" {
		t.Errorf("target %q", n.TargetProvisionState)
	}
	w.provision("active", func(r *api.ProvisionRequest) {
		r.ConfigDrive = map[string]any{"meta_data": map[string]any{"hostname": "overcloud-controller-0"}}
	})
	n = w.await("active")
	if n.PowerState != ironic.PowerOn || conductor.Token(n) != "" {
		t.Errorf("active: power %q, %v", n.PowerState, n.DriverInternalInfo)
	}
	if dev, persistent, _ := w.c.BootDevice(t.Context(), "control-1"); dev != ironic.BootDisk || !persistent {
		t.Errorf("boots from %s %v", dev, persistent)
	}
	if _, on := w.net.entry(n.UUID); on {
		t.Error("network boot is still published")
	}
	w.provision("deleted")
	n = w.await("available")
	if len(n.InstanceInfo) != 0 || n.InstanceUUID != "" || n.PowerState != ironic.PowerOff {
		t.Errorf("after undeploy: %v %q power %q", n.InstanceInfo, n.InstanceUUID, n.PowerState)
	}
	if got := strings.Join(w.ran, " "); got != "execute_deploy_step install_bootloader execute_clean_step" {
		t.Errorf("agents ran %s", got)
	}
}

func TestTheNetworkBootCarriesWhatTheAgentNeeds(t *testing.T) {
	w := newWorld(t, func(c *conductor.Config) { c.KernelParams = []string{"console=ttyS0"} })
	n := w.node("manageable")
	w.script[n.UUID] = "dead"
	w.provision("inspect")
	w.await("inspect wait")
	e, _ := w.net.entry(n.UUID)
	if got := strings.Join(e.Params, " "); got != "ipa-inspection-callback-url=http://192.0.2.1:6385/v1/continue_inspection console=ttyS0" {
		t.Errorf("inspection boots with %s", got)
	}
	if !slices.Equal(e.MACs, []string{mac}) || e.Kernel != "/k" || e.Ramdisk != "/r" || e.BootMode != "uefi" {
		t.Errorf("%+v", e)
	}
}

func TestANodeWithoutABootablePortIsToldSo(t *testing.T) {
	w := newWorld(t, nil)
	w.node("manageable")
	if _, err := w.db.UpdatePort(t.Context(), "p1", func(p *ironic.Port) error { p.PXEEnabled = false; return nil }); err != nil {
		t.Fatal(err)
	}
	w.provision("inspect")
	if n := w.await("inspect failed"); !strings.Contains(n.LastError, "no port with PXE enabled (of 1)") || !strings.Contains(n.LastError, "port create") {
		t.Errorf("%q", n.LastError)
	}
}

func TestAWaitThatEndsSaysHowFarTheBootCame(t *testing.T) {
	w := newWorld(t, func(c *conductor.Config) { c.InspectTimeout = 20 * time.Millisecond })
	n := w.node("manageable")
	w.script[n.UUID] = "dead"
	for phase, words := range map[driver.BootPhase][]string{
		driver.PhaseNone:    {"control-1", "no DHCP request", "MAC address"},
		driver.PhaseDHCP:    {"did not fetch the iPXE script", "TFTP"},
		driver.PhaseRamdisk: {"did not call back", "console"},
	} {
		w.net.mu.Lock()
		w.net.phase = phase
		w.net.mu.Unlock()
		w.provision("inspect")
		got := w.await("inspect failed")
		for _, word := range words {
			if !strings.Contains(got.LastError, word) {
				t.Errorf("phase %q: %q does not say %q", phase, got.LastError, word)
			}
		}
		if got.PowerState != ironic.PowerOff {
			t.Errorf("power %q", got.PowerState)
		}
		if _, on := w.net.entry(n.UUID); on {
			t.Error("network boot is still published")
		}
	}
}

func TestAWrongPasswordLeavesTheNodeEnrolledWithTheReason(t *testing.T) {
	w := newWorld(t, nil)
	w.drv.Fail = func(string, string) error {
		return errs.New(errs.Unauthorized, "wrong password").WithHint("openstack baremetal node set --driver-info ipmi_password=…")
	}
	w.node("enroll")
	w.provision("manage")
	n := w.await("enroll")
	for _, word := range []string{"Failed to get power state for node control-1", "wrong password", "Try: openstack"} {
		if !strings.Contains(n.LastError, word) {
			t.Errorf("%q does not say %q", n.LastError, word)
		}
	}
}

func TestAFailedWriteFailsTheDeploymentAndSwitchesOff(t *testing.T) {
	w := newWorld(t, nil)
	n := w.node("available")
	w.script[n.UUID] = "fail"
	w.provision("active")
	got := w.await("deploy failed")
	if !strings.Contains(got.LastError, "Error verifying image checksum: want abc") || got.PowerState != ironic.PowerOff {
		t.Errorf("%q, power %q", got.LastError, got.PowerState)
	}
	w.mu.Lock()
	w.script[n.UUID] = ""
	w.mu.Unlock()
	w.provision("active") // and it can be tried again
	w.await("active")
}

func TestWrongRequestsAreRefused(t *testing.T) {
	w := newWorld(t, nil)
	n := w.node("available")
	for name, c := range map[string]struct {
		target string
		change func(*ironic.Node)
		code   errs.Code
		word   string
	}{
		"verb that does not fit":  {"abort", nil, errs.Invalid, `The requested action "abort" can not be performed on node`},
		"no verb at all":          {"fly", nil, errs.Invalid, "fly"},
		"no image source":         {"active", func(n *ironic.Node) { n.InstanceInfo = nil }, errs.Invalid, "image_source"},
		"unknown image":           {"active", func(n *ironic.Node) { n.InstanceInfo["image_source"] = "x" }, errs.NotFound, "no image x"},
		"URL without checksum":    {"active", func(n *ironic.Node) { n.InstanceInfo["image_source"] = "http://x/y" }, errs.Invalid, "checksum"},
		"deploying a broken node": {"active", func(n *ironic.Node) { n.Maintenance = true }, errs.Invalid, "maintenance"},
	} {
		t.Run(name, func(t *testing.T) {
			before, err := w.db.Node(t.Context(), n.UUID)
			if err != nil {
				t.Fatal(err)
			}
			set := func(f func(*ironic.Node)) {
				if _, err := w.db.UpdateNode(t.Context(), n.UUID, func(n *ironic.Node) error { f(n); return nil }); err != nil {
					t.Fatal(err)
				}
			}
			if c.change != nil {
				set(c.change)
			}
			err = w.c.Provision(t.Context(), n.UUID, api.ProvisionRequest{Target: c.target})
			if !errs.Is(err, c.code) || !strings.Contains(err.Error(), c.word) {
				t.Errorf("got %v", err)
			}
			set(func(n *ironic.Node) { n.InstanceInfo, n.Maintenance = before.InstanceInfo, false })
			if after, _ := w.db.Node(t.Context(), n.UUID); after.ProvisionState != "available" || after.Reservation != "" {
				t.Errorf("a refused request left %q, %q", after.ProvisionState, after.Reservation)
			}
		})
	}
	if err := w.c.Provision(t.Context(), "nothing", api.ProvisionRequest{Target: "manage"}); !errs.Is(err, errs.NotFound) {
		t.Error(err)
	}
}

func TestAnImageLargerThanTheDiskIsRefusedBeforeTheMachineStarts(t *testing.T) {
	w := newWorld(t, nil)
	n := w.node("available")
	if _, err := w.db.UpdateNode(t.Context(), n.UUID, func(n *ironic.Node) error { n.Properties["local_gb"] = "0.5"; return nil }); err != nil {
		t.Fatal(err)
	}
	if err := conductor.FitsDisk(&ironic.Node{Name: "a", Properties: map[string]any{"local_gb": "9"}}, "big", 11*conductor.GiB); err == nil || !strings.Contains(err.Error(), "needs 11 GiB, the root disk of node a has 10 GiB") {
		t.Error(err)
	}
	if err := conductor.FitsDisk(&ironic.Node{Properties: map[string]any{"local_gb": 9.0}}, "fits", 10*conductor.GiB); err != nil {
		t.Error(err)
	}
}

func TestABMCThatIsAwayForAMomentFailsNothing(t *testing.T) {
	w := newWorld(t, func(c *conductor.Config) { c.BMCPatience = time.Second })
	w.node("available")
	var mu sync.Mutex
	away := map[string]int{"power off": 1, "boot device": 1, "power on": 1}
	w.drv.Fail = func(_, action string) error {
		mu.Lock()
		defer mu.Unlock()
		if away[action] > 0 {
			away[action]--
			return errs.New(errs.Unavailable, "no answer")
		}
		return nil
	}
	w.provision("active")
	w.await("active")
}

func TestThePhasesOfABootAreInTheHistory(t *testing.T) {
	w := newWorld(t, nil)
	n := w.node("manageable")
	w.script[n.UUID] = "dead"
	w.net.mu.Lock()
	w.net.phase = driver.PhaseKernel
	w.net.mu.Unlock()
	w.provision("inspect")
	w.await("inspect wait")
	for !strings.Contains(w.history(), "network boot: the kernel was fetched, the ramdisk was not") {
		time.Sleep(time.Millisecond)
	}
}

func TestAbortEndsAWaitAndTidiesUp(t *testing.T) {
	w := newWorld(t, nil)
	n := w.node("available")
	w.script[n.UUID] = "dead"
	w.provision("active")
	w.await("wait call-back")
	w.provision("abort")
	got := w.await("deploy failed")
	if !strings.Contains(got.LastError, "aborted") || got.PowerState != ironic.PowerOff {
		t.Errorf("%q, power %q", got.LastError, got.PowerState)
	}
	if _, on := w.net.entry(n.UUID); on {
		t.Error("network boot is still published")
	}
	w.provision("deleted")
	w.mu.Lock()
	w.script[n.UUID] = ""
	w.mu.Unlock()
	w.await("available")
}

func TestUndeployReachesANodeThatWaits(t *testing.T) {
	w := newWorld(t, nil)
	n := w.node("available")
	w.script[n.UUID] = "dead"
	w.provision("active")
	w.await("wait call-back")
	w.mu.Lock()
	w.script[n.UUID] = ""
	w.mu.Unlock()
	w.provision("deleted")
	w.await("available")
}

func TestManualCleaningEndsManageable(t *testing.T) {
	w := newWorld(t, nil)
	w.node("manageable")
	steps := func(name string) func(*api.ProvisionRequest) {
		return func(r *api.ProvisionRequest) {
			r.CleanSteps = []map[string]any{{"interface": "deploy", "step": name}}
		}
	}
	w.provision("clean", steps("erase_devices_metadata"))
	w.await("manageable")
	w.provision("clean", steps("polish"))
	if n := w.await("clean failed"); !strings.Contains(n.LastError, "no step deploy.polish") || n.TargetProvisionState != "manageable" {
		t.Errorf("%q, target %q", n.LastError, n.TargetProvisionState)
	}
	w.provision("manage")
	w.await("manageable")
}

func TestTheAgentProtocolIsThatOfTheTraces(t *testing.T) {
	w := newWorld(t, nil)
	n := w.node("available")
	w.script[n.UUID] = "dead"
	if _, err := w.c.Lookup(t.Context(), []string{mac}, ""); !errs.Is(err, errs.NotFound) || !strings.Contains(err.Error(), "available") {
		t.Errorf("lookup of a resting node: %v", err)
	}
	w.provision("active")
	w.await("wait call-back")
	if _, err := w.c.Lookup(t.Context(), []string{"52:54:00:ff:ff:ff"}, ""); !errs.Is(err, errs.NotFound) {
		t.Errorf("unknown address: %v", err)
	}
	first, err := w.c.Lookup(t.Context(), []string{"52:54:00:FF:00:00", strings.ToUpper(mac)}, "")
	if err != nil {
		t.Fatal(err)
	}
	second, err := w.c.Lookup(t.Context(), []string{mac}, "")
	if err != nil {
		t.Fatal(err)
	}
	if len(first.Config.AgentToken) < 32 || second.Config.AgentToken != "******" || !first.Config.AgentTokenRequired || first.Config.HeartbeatTimeout != 300 {
		t.Errorf("%+v then %+v", first.Config, second.Config)
	}
	if b, _ := json.Marshal(second); strings.Contains(string(b), first.Config.AgentToken) {
		t.Error("the token shows in the node of a later lookup")
	}
	for words, hb := range map[string]agentapi.Heartbeat{
		"Agent token is required for heartbeat processing.":                               {CallbackURL: "http://a"},
		"Invalid or missing agent token received.":                                        {CallbackURL: "http://a", AgentToken: "wrong"},
		`callback_url "file:///etc/passwd" is not the http or https address of an agent.`: {CallbackURL: "file:///etc/passwd", AgentToken: first.Config.AgentToken},
	} {
		if err := w.c.Heartbeat(t.Context(), n.UUID, hb); !errs.Is(err, errs.Invalid) || err.Error() != words {
			t.Errorf("got %v, want %s", err, words)
		}
	}
}

func TestTheTokenNeverShowsInHistoryOrErrors(t *testing.T) {
	w := newWorld(t, func(c *conductor.Config) { c.AgentSilence = 20 * time.Millisecond })
	n := w.node("available")
	w.script[n.UUID] = "hang"
	w.provision("active")
	var token string
	for token == "" {
		got, err := w.db.Node(t.Context(), n.UUID)
		if err != nil {
			t.Fatal(err)
		}
		if got.ProvisionState == "wait call-back" && len(got.DeployStep) > 0 {
			token = conductor.Token(got)
		}
		time.Sleep(time.Millisecond)
	}
	w.mu.Lock()
	w.agents[n.UUID].stop()
	w.mu.Unlock()
	got := w.await("deploy failed")
	if !strings.Contains(got.LastError, "does not answer") || strings.Contains(got.LastError+w.history(), token) {
		t.Errorf("%q", got.LastError)
	}
}

func TestAnInventoryWithoutANodeIsExplained(t *testing.T) {
	w := newWorld(t, nil)
	w.node("manageable")
	_, err := w.c.ContinueInspection(t.Context(), []byte(inventory))
	if !errs.Is(err, errs.NotFound) || !strings.Contains(err.Error(), `control-1, which is in state "manageable"`) {
		t.Errorf("%v", err)
	}
	_, err = w.c.ContinueInspection(t.Context(), []byte(strings.ReplaceAll(inventory, "52:54:00:00:00", "52:54:00:00:99")))
	if !errs.Is(err, errs.NotFound) || !strings.Contains(err.Error(), "no port has any of these addresses; the ramdisk saw no BMC") {
		t.Errorf("%v", err)
	}
	if _, err = w.c.ContinueInspection(t.Context(), []byte("{")); !errs.Is(err, errs.Invalid) {
		t.Errorf("%v", err)
	}
	// Fifteen megabytes of empty disks once took more than two gigabytes of memory.
	bomb := `{"inventory":{"disks":[{}` + strings.Repeat(",{}", 100_000) + `]}}`
	if _, err = w.c.ContinueInspection(t.Context(), []byte(bomb)); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "holds 100000 values") {
		t.Errorf("%v", err)
	}
	long := strings.Replace(inventory, "{", `{"logs":"\"`+strings.Repeat(",", 100_000)+`",`, 1)
	if _, err = w.c.ContinueInspection(t.Context(), []byte(long)); !errs.Is(err, errs.NotFound) {
		t.Errorf("commas in a text count: %v", err)
	}
}

func TestPowerActionsAndLocks(t *testing.T) {
	w := newWorld(t, func(c *conductor.Config) { c.LockWait = 30 * time.Millisecond })
	n := w.node("manageable")
	if err := w.c.SetPower(t.Context(), n.UUID, ironic.PowerOn, 0); err != nil {
		t.Fatal(err)
	}
	if got := w.await("manageable"); got.PowerState != ironic.PowerOn || got.TargetPowerState != "" {
		t.Errorf("power %q, target %q", got.PowerState, got.TargetPowerState)
	}
	if err := w.c.SetPower(t.Context(), n.UUID, "sideways", 0); !errs.Is(err, errs.Invalid) {
		t.Error(err)
	}
	_, release, err := w.c.Hold(t.Context(), n.UUID, "a long talk")
	if err != nil {
		t.Fatal(err)
	}
	err = w.c.SetPower(t.Context(), n.UUID, ironic.PowerOff, 0)
	if !errs.Is(err, errs.Locked) || !strings.Contains(err.Error(), "a long talk since") {
		t.Errorf("%v", err)
	}
	release()
	w.script[n.UUID] = "dead"
	w.provision("inspect")
	w.await("inspect wait")
	if err := w.c.SetPower(t.Context(), n.UUID, ironic.PowerOff, 0); !errs.Is(err, errs.Locked) || !strings.Contains(err.Error(), "inspect is under way") {
		t.Errorf("%v", err)
	}
}

func TestShortConflictsWaitInsteadOfFailing(t *testing.T) {
	w := newWorld(t, nil)
	n := w.node("manageable")
	_, release, err := w.c.Hold(t.Context(), n.UUID, "something short")
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan error, 1)
	go func() { got <- w.c.SetBootDevice(context.Background(), n.UUID, ironic.BootPXE, false) }()
	release()
	if err := <-got; err != nil {
		t.Error(err)
	}
}

func TestAcceptedPowerActionsGoFirst(t *testing.T) {
	w := newWorld(t, nil)
	n := w.node("enroll")
	for _, target := range []string{ironic.PowerOn, ironic.PowerOff, ironic.PowerOn} {
		if err := w.c.SetPower(t.Context(), n.UUID, target, 0); err != nil {
			t.Fatal(err)
		}
	}
	w.provision("manage")
	if got := w.await("manageable"); got.PowerState != ironic.PowerOn || got.TargetPowerState != "" {
		t.Errorf("power %q, target %q", got.PowerState, got.TargetPowerState)
	}
}

func TestPowerSyncTakesOverWhatTheMachineSays(t *testing.T) {
	w := newWorld(t, nil)
	n := w.node("manageable")
	sync := w.c.Syncer()
	w.drv.Force(n, ironic.PowerOn)
	sync(t.Context())
	get := func() *ironic.Node {
		got, err := w.db.Node(t.Context(), n.UUID)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := get(); got.PowerState != ironic.PowerOn {
		t.Errorf("power %q", got.PowerState)
	}
	w.drv.Fail = func(string, string) error { return errs.New(errs.Unavailable, "silent") }
	for range conductor.SyncTries {
		sync(t.Context())
	}
	if got := get(); !got.Maintenance || got.Fault != conductor.FaultPower || !strings.Contains(got.MaintenanceReason, "silent") {
		t.Errorf("%v %q %q", got.Maintenance, got.Fault, got.MaintenanceReason)
	}
	w.drv.Fail = nil
	sync(t.Context())
	if got := get(); got.Maintenance || got.Fault != "" {
		t.Errorf("the fault stays: %v %q", got.Maintenance, got.Fault)
	}
}

func TestForcedPowerSyncSetsTheMachineBack(t *testing.T) {
	w := newWorld(t, func(c *conductor.Config) { c.ForcePower = true })
	n := w.node("manageable")
	sync := w.c.Syncer()
	sync(t.Context()) // learns that it is off
	w.drv.Force(n, ironic.PowerOn)
	sync(t.Context())
	if state, _ := w.drv.PowerState(t.Context(), n); state != ironic.PowerOff {
		t.Errorf("the machine is in %q", state)
	}
}

func TestDeletingANodeAsksItsState(t *testing.T) {
	w := newWorld(t, nil)
	n := w.node("active")
	if err := w.c.DeleteNode(t.Context(), n.UUID); !errs.Is(err, errs.Conflict) {
		t.Errorf("%v", err)
	}
	if _, err := w.db.UpdateNode(t.Context(), n.UUID, func(n *ironic.Node) error { n.ProvisionState = "manageable"; return nil }); err != nil {
		t.Fatal(err)
	}
	if err := w.c.DeleteNode(t.Context(), "control-1"); err != nil {
		t.Error(err)
	}
	if _, err := w.db.Node(t.Context(), n.UUID); !errs.Is(err, errs.NotFound) {
		t.Error(err)
	}
}

// What deploy_kernel names is served to everybody on the network.
func TestSecretFilesAreNotBooted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := path + "-link"
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{path, link, t.TempDir()} {
		if _, err := conductor.PublicFile("deploy_kernel", p); !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %v", p, err)
		}
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := conductor.PublicFile("deploy_kernel", path); err != nil || got != path {
		t.Errorf("%q, %v", got, err)
	}
}

func TestValidateNamesWhatIsMissing(t *testing.T) {
	w := newWorld(t, func(c *conductor.Config) { c.DeployKernel = "" })
	w.node("available")
	v, err := w.c.Validate(t.Context(), "control-1")
	if err != nil {
		t.Fatal(err)
	}
	if !v["power"].Result || !v["deploy"].Result || v["boot"].Result || !strings.Contains(v["boot"].Reason, "deploy_kernel") || v["rescue"].Result {
		t.Errorf("%+v", v)
	}
}
