package api_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/baremetal/noauth"
	"github.com/gophercloud/gophercloud/v2/openstack/baremetal/v1/conductors"
	"github.com/gophercloud/gophercloud/v2/openstack/baremetal/v1/drivers"
	"github.com/gophercloud/gophercloud/v2/openstack/baremetal/v1/nodes"
	"github.com/gophercloud/gophercloud/v2/openstack/baremetal/v1/ports"
	"github.com/gophercloud/gophercloud/v2/pagination"

	"trefoil/ironic"
)

func client(r *rig) *gophercloud.ServiceClient {
	r.Helper()
	c, err := noauth.NewBareMetalNoAuth(noauth.EndpointOpts{IronicEndpoint: r.url + "/v1"})
	if err != nil {
		r.Fatal(err)
	}
	c.Microversion = "1.82"
	return c
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestGophercloudTakesANodeThroughItsLife(t *testing.T) {
	r, ctx := newRig(t), context.Background()
	c := client(r)
	n := must[*nodes.Node](t)(nodes.Create(ctx, c, nodes.CreateOpts{Name: "control-0", Driver: "ipmi", ResourceClass: "baremetal",
		DriverInfo: map[string]any{"ipmi_address": "127.0.0.1", "ipmi_password": "secret"}, Properties: map[string]any{"cpus": 4}}).Extract())
	if n.ProvisionState != "enroll" || n.DriverInfo["ipmi_password"] != "******" || n.Conductor != "localhost" {
		t.Errorf("created %+v", n)
	}
	p := must[*ports.Port](t)(ports.Create(ctx, c, ports.CreateOpts{NodeUUID: n.UUID, Address: "52:54:00:00:00:01"}).Extract())
	for _, step := range []struct {
		target nodes.TargetProvisionState
		ends   nodes.ProvisionState
	}{{nodes.TargetManage, nodes.Manageable}, {nodes.TargetInspect, nodes.Manageable}, {nodes.TargetProvide, nodes.Available},
		{nodes.TargetActive, nodes.Active}, {nodes.TargetDeleted, nodes.Available}} {
		opts := nodes.ProvisionStateOpts{Target: step.target}
		if step.target == nodes.TargetActive {
			opts.ConfigDrive = nodes.ConfigDrive{UserData: "#!/bin/sh"}
		}
		if err := nodes.ChangeProvisionState(ctx, c, n.UUID, opts).ExtractErr(); err != nil {
			t.Fatalf("%s: %v", step.target, err)
		}
		wait, cancel := context.WithTimeout(ctx, time.Minute)
		if err := nodes.WaitForProvisionState(wait, c, n.UUID, step.ends); err != nil {
			t.Fatalf("%s: %v", step.target, err)
		}
		cancel()
	}
	n = must[*nodes.Node](t)(nodes.Update(ctx, c, "control-0", nodes.UpdateOpts{nodes.UpdateOperation{Op: nodes.AddOp,
		Path: "/properties/capabilities", Value: "profile:control"}}).Extract())
	if n.Properties["capabilities"] != "profile:control" || n.InspectionFinishedAt == nil {
		t.Errorf("updated %+v", n)
	}
	if err := nodes.ChangePowerState(ctx, c, n.UUID, nodes.PowerStateOpts{Target: nodes.PowerOn}).ExtractErr(); err != nil {
		t.Fatal(err)
	}
	if err := nodes.SetBootDevice(ctx, c, n.UUID, nodes.BootDeviceOpts{BootDevice: "pxe"}).ExtractErr(); err != nil {
		t.Fatal(err)
	}
	validation := must[*nodes.NodeValidation](t)(nodes.Validate(ctx, c, n.UUID).Extract())
	if !validation.Power.Result || !validation.Deploy.Result {
		t.Errorf("validation %+v", validation)
	}
	if err := ports.Delete(ctx, c, p.UUID).ExtractErr(); err != nil {
		t.Fatal(err)
	}
	if err := nodes.Delete(ctx, c, n.UUID).ExtractErr(); err != nil {
		t.Fatal(err)
	}
	if _, err := nodes.Get(ctx, c, n.UUID).Extract(); !gophercloud.ResponseCodeIs(err, http.StatusNotFound) {
		t.Errorf("after deletion: %v", err)
	}
}

// gophercloud looks for nodes_links, which Ironic never had; so it reads one page
// and callers go on with a marker.
func TestGophercloudReadsPagesByMarker(t *testing.T) {
	r, ctx := newRig(t), context.Background()
	for range 12 {
		r.add(ironic.Node{})
	}
	seen, pages := 0, 0
	for opts := (nodes.ListOpts{Limit: 5}); ; pages++ {
		page := must[pagination.Page](t)(nodes.ListDetail(client(r), opts).AllPages(ctx))
		list := must[[]nodes.Node](t)(nodes.ExtractNodes(page))
		if len(list) == 0 {
			break
		}
		seen, opts.Marker = seen+len(list), list[len(list)-1].UUID
	}
	if seen != 12 || pages != 3 {
		t.Errorf("%d nodes on %d pages", seen, pages)
	}
}

func TestGophercloudReadsErrorsDriversAndConductors(t *testing.T) {
	r, ctx := newRig(t), context.Background()
	c := client(r)
	_, err := nodes.Create(ctx, c, nodes.CreateOpts{Driver: "abacus"}).Extract()
	var code gophercloud.ErrUnexpectedResponseCode
	if !errors.As(err, &code) || code.Actual != http.StatusBadRequest {
		t.Errorf("error %v", err)
	}
	list := must[[]drivers.Driver](t)(drivers.ExtractDrivers(must[pagination.Page](t)(drivers.ListDrivers(c, drivers.ListDriversOpts{Detail: true}).AllPages(ctx))))
	if len(list) != 2 || list[0].DefaultPowerInterface != "fake" {
		t.Errorf("drivers %+v", list)
	}
	d := must[*drivers.DriverProperties](t)(drivers.GetDriverProperties(ctx, c, "ipmi").Extract())
	if (*d)["ipmi_address"] == nil {
		t.Errorf("properties %v", *d)
	}
	h := must[*conductors.Conductor](t)(conductors.Get(ctx, c, "localhost").Extract())
	if !h.Alive {
		t.Errorf("conductor %+v", h)
	}
}

// What gophercloud's acceptance tests ask of versions above 1.82, where the
// hardware itself has nothing to do.
func TestGophercloudAtItsNewestVersions(t *testing.T) {
	r, a := newAbleRig(t)
	ctx, c := context.Background(), client(r)
	c.Microversion = "1.93"
	firmware := must[[]nodes.FirmwareComponent](t)(nodes.ListFirmware(ctx, c, "n").Extract())
	if firmware == nil || len(firmware) != 0 {
		t.Errorf("firmware %v", firmware)
	}
	attach := nodes.AttachVirtualMediaOpts{DeviceType: nodes.VirtualMediaCD, ImageURL: "http://127.0.0.1:17"}
	for name, err := range map[string]error{
		"attach":     nodes.AttachVirtualMedia(ctx, c, "n", attach).ExtractErr(),
		"detach one": nodes.DetachVirtualMedia(ctx, c, "n", nodes.DetachVirtualMediaOpts{DeviceTypes: []nodes.VirtualMediaDeviceType{nodes.VirtualMediaCD}}).ExtractErr(),
		"detach all": nodes.DetachVirtualMedia(ctx, c, "n", nodes.DetachVirtualMediaOpts{}).ExtractErr(),
		"get":        nodes.GetVirtualMedia(ctx, c, "n").Err,
		"nmi":        nodes.InjectNMI(ctx, c, "n").ExtractErr(),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(a.did) != 4 {
		t.Errorf("the conductor did %q", a.did)
	}
	c.Microversion = "1.110"
	yes := true
	n := must[*nodes.Node](t)(nodes.Create(ctx, c, nodes.CreateOpts{Driver: "ipmi", Name: "new", FirmwareInterface: "no-firmware", DisablePowerOff: &yes}).Extract())
	if !n.DisablePowerOff || n.FirmwareInterface != "no-firmware" {
		t.Errorf("node %+v", n)
	}
	page := must[pagination.Page](t)(nodes.List(c, nodes.ListOpts{Health: "OK"}).AllPages(ctx))
	if list := must[[]nodes.Node](t)(nodes.ExtractNodes(page)); len(list) != 0 {
		t.Errorf("healthy nodes %+v", list)
	}
}
