package conductor_test

import (
	"strings"
	"testing"

	"trefoil/ironic"
	"trefoil/ironic/api"
)

// A job that can not be stored leaves the node as it was, free and ready for
// another try.
func TestAJobThatCanNotBeStoredLeavesTheNodeAsItWas(t *testing.T) {
	for _, c := range []struct{ from, verb, to string }{
		{"enroll", "manage", "manageable"},
		{"manageable", "inspect", "manageable"},
		{"manageable", "clean", "manageable"},
		{"available", "active", "active"},
		{"active", "deleted", "available"},
	} {
		t.Run(c.verb, func(t *testing.T) {
			w := newWorld(t, nil)
			n := w.node(c.from)
			more := func(r *api.ProvisionRequest) {
				r.CleanSteps = []map[string]any{{"interface": "deploy", "step": "erase_devices_metadata"}}
				r.ConfigDrive = map[string]any{"meta_data": map[string]any{"hostname": "a"}}
			}
			req := api.ProvisionRequest{Target: c.verb}
			more(&req)
			w.refuseJobs(true)
			if err := w.c.Provision(t.Context(), n.UUID, req); err == nil || !strings.Contains(err.Error(), "control-1: disk full") {
				t.Errorf("got %v", err)
			}
			got := w.await(c.from)
			if got.TargetProvisionState != "" || got.InstanceInfo["configdrive"] != nil || got.DriverInternalInfo["clean_steps"] != nil ||
				got.InspectionStartedAt != nil || got.InstanceInfo["image_source"] == nil || !strings.Contains(got.LastError, "disk full") {
				t.Errorf("%+v", got)
			}
			w.refuseJobs(false)
			w.provision(c.verb, more)
			if got := w.await(c.to); got.LastError != "" {
				t.Errorf("error %q", got.LastError)
			}
		})
	}
}

func TestAPowerActionThatCanNotBeStoredLeavesTheNodeFree(t *testing.T) {
	w := newWorld(t, nil)
	n := w.node("manageable")
	w.refuseJobs(true)
	if err := w.c.SetPower(t.Context(), n.UUID, ironic.PowerOn, 7); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("got %v", err)
	}
	got := w.await("manageable")
	if got.TargetPowerState != "" || len(got.DriverInternalInfo) != 0 || !strings.Contains(got.LastError, "disk full") {
		t.Errorf("target %q, %v, %q", got.TargetPowerState, got.DriverInternalInfo, got.LastError)
	}
	w.refuseJobs(false)
	if err := w.c.SetPower(t.Context(), n.UUID, ironic.PowerOn, 0); err != nil {
		t.Fatal(err)
	}
	if got := w.await("manageable"); got.PowerState != ironic.PowerOn {
		t.Errorf("power %q", got.PowerState)
	}
}

// Where the job before is gone there is no way back: the node rests in the state
// of the failure, its machine off.
func TestAWaitWhoseNextJobCanNotBeStoredRests(t *testing.T) {
	for verb, to := range map[string]string{"abort": "deploy failed", "deleted": "error"} {
		t.Run(verb, func(t *testing.T) {
			w := newWorld(t, nil)
			n := w.node("available")
			w.script[n.UUID] = "dead"
			w.provision("active")
			w.await("wait call-back")
			w.refuseJobs(true)
			if err := w.c.Provision(t.Context(), n.UUID, api.ProvisionRequest{Target: verb}); err == nil || !strings.Contains(err.Error(), "disk full") {
				t.Errorf("got %v", err)
			}
			got := w.await(to)
			if _, on := w.net.entry(n.UUID); on || got.PowerState != ironic.PowerOff {
				t.Errorf("published: %v, power %q", on, got.PowerState)
			}
		})
	}
}
