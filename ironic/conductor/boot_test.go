package conductor_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/ironic/conductor"
	"trefoil/ironic/driver"
)

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
	err := w.c.Provision(t.Context(), "control-1", api.ProvisionRequest{Target: "inspect"})
	if err == nil || !strings.Contains(err.Error(), "no port with PXE enabled (of 1)") || !strings.Contains(errs.HintOf(err), "port create") {
		t.Errorf("%v", err)
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

func TestThePhasesOfABootAreInTheHistory(t *testing.T) {
	w := newWorld(t, nil)
	n := w.node("manageable")
	w.script[n.UUID] = "dead"
	w.net.mu.Lock()
	w.net.phase = driver.PhaseKernel
	w.net.mu.Unlock()
	w.provision("inspect")
	w.await("inspect wait")
	for !strings.Contains(w.history(), "network boot: the kernel is fetched") {
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
