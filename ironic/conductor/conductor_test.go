package conductor_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/ironic/conductor"
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

// The boot flags of such a node are UEFI's, too.
func TestANodeWhoseBootModeNobodyKnowsBootsByUEFI(t *testing.T) {
	for known, ran := range map[string]string{"": "execute_deploy_step install_bootloader", "boot_mode:bios": "execute_deploy_step"} {
		w := newWorld(t, nil)
		w.node("available")
		w.set(func(n *ironic.Node) { n.Properties = map[string]any{"capabilities": known} })
		w.provision("active")
		w.await("active")
		if got := strings.Join(w.ran, " "); got != ran {
			t.Errorf("%q: the agent ran %s, want %s", known, got, ran)
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
		"FTP":                     {"active", func(n *ironic.Node) { n.InstanceInfo["image_source"] = "ftp://me:secret@x/y" }, errs.Invalid, `image_source "ftp://x/y" is fetched by ftp://, which is not spoken here`},
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
	if n := w.await("clean failed"); !strings.Contains(n.LastError, "node does not support this clean step: {'interface': 'deploy', 'step': 'polish'}") || n.TargetProvisionState != "manageable" {
		t.Errorf("%q, target %q", n.LastError, n.TargetProvisionState)
	}
	w.provision("manage")
	w.await("manageable")
	w.say("fail")
	w.provision("clean", steps("erase_devices_metadata"))
	if n := w.await("clean failed"); !n.Maintenance || n.Fault != "clean failure" {
		t.Errorf("maintenance %v, fault %q", n.Maintenance, n.Fault)
	}
	w.say("")
	w.provision("manage") // which heals it, so that it may be cleaned again
	w.await("manageable")
	w.provision("clean", steps("erase_devices_metadata"))
	w.await("manageable")
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
	if !v["power"].Result || !v["deploy"].Result || v["boot"].Result || !strings.Contains(v["boot"].Reason, "deploy_kernel") || !v["rescue"].Result {
		t.Errorf("%+v", v)
	}
}
