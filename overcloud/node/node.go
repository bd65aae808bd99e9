// Package node is the operator's work on bare-metal nodes through the API:
// register from an inventory, manage, introspect, provide. It prints TripleO's
// lines as things happen.
package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/baremetal/v1/nodes"
	"github.com/gophercloud/gophercloud/v2/openstack/baremetal/v1/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
	"github.com/hashicorp/go-multierror"

	"trefoil/internal/errs"
	"trefoil/overcloud/inventory"
	"trefoil/overcloud/session"
)

// Workflow works on nodes. Not safe for concurrent use.
type Workflow struct {
	Session  *session.Session
	Out      io.Writer // the lines scripts know
	Progress io.Writer // who is being waited for, since when
	Poll     time.Duration
	Retries  int // attempts of introspection; TripleO makes 3

	bm *gophercloud.ServiceClient
}

// Time-outs of TripleO's workflows.
const (
	stateTimeout      = 20 * time.Minute
	introspectTimeout = 20 * time.Minute
)

func (w *Workflow) client() (*gophercloud.ServiceClient, error) {
	if w.bm == nil {
		bm, err := w.Session.Baremetal()
		if err != nil {
			return nil, err
		}
		w.bm = bm
	}
	return w.bm, nil
}

// started prints what TripleO prints when it hands work over. Our work is done
// by this process and the undercloud; the identifier is this command's own.
func (w *Workflow) started(name string) {
	fmt.Fprintf(w.Out, "Started Mistral Workflow tripleo.baremetal.v1.%s. Execution ID: %s\n", name, uuid.NewString())
	fmt.Fprintln(w.Out, "Waiting for messages on queue 'tripleo' with no timeout.")
}

// Register creates or updates a node for each machine, moves those that are new
// to manageable, and returns all their uuids in the file's order.
func (w *Workflow) Register(ctx context.Context, machines []inventory.Machine, deployImage bool) ([]string, error) {
	bm, err := w.client()
	if err != nil {
		return nil, err
	}
	w.started("register_or_update")
	if deployImage {
		if err := w.bootImages(ctx, machines); err != nil {
			return nil, err
		}
	}
	known, err := w.known(ctx, bm)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, m := range machines {
		id, err := w.register(ctx, bm, m, known)
		if err != nil {
			return nil, fmt.Errorf("Exception registering nodes: node #%d %s: %w", m.Index, m.Name, err) //nolint:staticcheck // TripleO's words
		}
		ids = append(ids, id)
	}
	fmt.Fprint(w.Out, "\n\n")
	if err := w.manageNew(ctx, bm, ids); err != nil {
		return nil, err
	}
	for _, id := range ids {
		fmt.Fprintf(w.Out, "Successfully registered node UUID %s\n", id)
	}
	return ids, nil
}

// bootImages points machines at the uploaded ramdisk.
func (w *Workflow) bootImages(ctx context.Context, machines []inventory.Machine) error {
	ic, err := w.Session.Image()
	if err != nil {
		return err
	}
	for key, name := range map[string]string{"deploy_kernel": "bm-deploy-kernel", "deploy_ramdisk": "bm-deploy-ramdisk"} {
		pages, err := images.List(ic, images.ListOpts{Name: name}).AllPages(ctx)
		if err != nil {
			return session.Explain(err)
		}
		all, err := images.ExtractImages(pages)
		if err != nil {
			return err
		}
		if len(all) != 1 {
			return errs.New(errs.NotFound, "No image with the name '%s' found - make sure you have uploaded boot images.", name).
				WithHint("openstack overcloud image upload --image-path ~/images/; or import with --no-deploy-image")
		}
		for _, m := range machines {
			if m.DriverInfo[key] == nil {
				m.DriverInfo[key] = all[0].ID
			}
		}
	}
	return nil
}

// known maps what identifies a node (MAC, BMC, uuid) to the uuids that have it.
func (w *Workflow) known(ctx context.Context, bm *gophercloud.ServiceClient) (map[string]map[string]bool, error) {
	out := map[string]map[string]bool{}
	add := func(key, id string) {
		if out[key] == nil {
			out[key] = map[string]bool{}
		}
		out[key][id] = true
	}
	pages, err := nodes.ListDetail(bm, nodes.ListOpts{}).AllPages(ctx)
	if err != nil {
		return nil, session.Explain(err)
	}
	all, err := nodes.ExtractNodes(pages)
	if err != nil {
		return nil, err
	}
	for _, n := range all {
		add("uuid "+n.UUID, n.UUID)
		if a := fmt.Sprint(n.DriverInfo["ipmi_address"]); n.DriverInfo["ipmi_address"] != nil {
			port := "623"
			if p := n.DriverInfo["ipmi_port"]; p != nil {
				port = fmt.Sprint(p)
			}
			add("bmc "+a+":"+port, n.UUID)
		}
	}
	pages, err = ports.ListDetail(bm, ports.ListOpts{}).AllPages(ctx)
	if err != nil {
		return nil, session.Explain(err)
	}
	ps, err := ports.ExtractPorts(pages)
	if err != nil {
		return nil, err
	}
	for _, p := range ps {
		add("mac "+strings.ToLower(p.Address), p.NodeUUID)
	}
	return out, nil
}

func (w *Workflow) register(ctx context.Context, bm *gophercloud.ServiceClient, m inventory.Machine, known map[string]map[string]bool) (string, error) {
	match := map[string]bool{}
	if m.UUID != "" {
		maps.Copy(match, known["uuid "+m.UUID])
	}
	if m.BMC != "" {
		maps.Copy(match, known["bmc "+m.BMC])
	}
	for _, mac := range m.MACs {
		maps.Copy(match, known["mac "+mac])
	}
	ids := slices.Sorted(maps.Keys(match))
	switch len(ids) {
	case 0:
		return w.create(ctx, bm, m)
	case 1:
		return ids[0], w.update(ctx, bm, ids[0], m, known)
	}
	return "", errs.New(errs.Conflict, "Several candidates found for the same node data: %s", strings.Join(ids, ", ")).
		WithHint("give the entry the uuid of the right one, or delete the others")
}

func (w *Workflow) create(ctx context.Context, bm *gophercloud.ServiceClient, m inventory.Machine) (string, error) {
	opts := nodes.CreateOpts{Name: m.Name, Driver: m.Driver, DriverInfo: m.DriverInfo, Properties: m.Properties, ResourceClass: m.ResourceClass,
		BootInterface: m.Interfaces["boot_interface"], DeployInterface: m.Interfaces["deploy_interface"], InspectInterface: m.Interfaces["inspect_interface"],
		ManagementInterface: m.Interfaces["management_interface"], PowerInterface: m.Interfaces["power_interface"], NetworkInterface: m.Interfaces["network_interface"]}
	n, err := nodes.Create(ctx, bm, opts).Extract()
	if err != nil {
		return "", session.Explain(err)
	}
	for _, mac := range m.MACs {
		if err := w.addPort(ctx, bm, n.UUID, mac); err != nil {
			// A node without its ports would be matched by its BMC next time and never get them.
			if derr := session.Explain(nodes.Delete(ctx, bm, n.UUID).ExtractErr()); derr != nil {
				return "", errors.Join(err, fmt.Errorf("and the half-made node stays: %w", derr))
			}
			return "", err
		}
	}
	return n.UUID, nil
}

func (w *Workflow) addPort(ctx context.Context, bm *gophercloud.ServiceClient, id, mac string) error {
	_, err := ports.Create(ctx, bm, ports.CreateOpts{NodeUUID: id, Address: mac}).Extract()
	return session.Explain(err)
}

// update brings a known node to what the file says; nothing that the file does
// not mention is touched. Ports that are missing are added.
func (w *Workflow) update(ctx context.Context, bm *gophercloud.ServiceClient, id string, m inventory.Machine, known map[string]map[string]bool) error {
	var patch nodes.UpdateOpts
	add := func(path string, v any) {
		patch = append(patch, nodes.UpdateOperation{Op: nodes.AddOp, Path: path, Value: v})
	}
	if m.Name != "" {
		add("/name", m.Name)
	}
	for _, k := range sorted(m.DriverInfo) {
		add("/driver_info/"+k, m.DriverInfo[k])
	}
	for _, k := range sorted(m.Properties) {
		if k == "capabilities" {
			continue // a profile that the operator has set since would be lost
		}
		add("/properties/"+k, m.Properties[k])
	}
	if len(patch) > 0 {
		if _, err := nodes.Update(ctx, bm, id, patch).Extract(); err != nil {
			return session.Explain(err)
		}
	}
	for _, mac := range m.MACs {
		if known["mac "+mac] == nil {
			if err := w.addPort(ctx, bm, id, mac); err != nil {
				return err
			}
		}
	}
	return nil
}

func sorted(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// manageNew moves nodes that are in enroll to manageable.
func (w *Workflow) manageNew(ctx context.Context, bm *gophercloud.ServiceClient, ids []string) error {
	var fresh []string
	for _, id := range ids {
		n, err := nodes.Get(ctx, bm, id).Extract()
		if err != nil {
			return session.Explain(err)
		}
		if n.ProvisionState == "enroll" {
			fresh = append(fresh, id)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	if err := w.move(ctx, fresh, nodes.TargetManage, "manageable"); err != nil {
		return err
	}
	fmt.Fprintf(w.Out, "%d node(s) successfully moved to the \"manageable\" state.\n", len(fresh))
	return nil
}

// Provide moves nodes to available.
func (w *Workflow) Provide(ctx context.Context, ids []string) error {
	w.started("provide")
	if err := w.move(ctx, ids, nodes.TargetProvide, "available"); err != nil {
		return fmt.Errorf("Failed to set nodes to available state: %w", err) //nolint:staticcheck // TripleO's words
	}
	fmt.Fprintf(w.Out, "%d node(s) successfully moved to the \"available\" state.\n", len(ids))
	return nil
}

// move asks for target on all nodes and waits until each is in state.
func (w *Workflow) move(ctx context.Context, ids []string, target nodes.TargetProvisionState, state string) error {
	bm, err := w.client()
	if err != nil {
		return err
	}
	var failed *multierror.Error
	var asked []string
	for _, id := range ids {
		n, err := nodes.Get(ctx, bm, id).Extract()
		if err != nil {
			return session.Explain(err)
		}
		if n.ProvisionState == state {
			continue
		}
		if err := session.Explain(nodes.ChangeProvisionState(ctx, bm, id, nodes.ProvisionStateOpts{Target: target}).ExtractErr()); err != nil {
			failed = multierror.Append(failed, fmt.Errorf("node %s: %w", label(n), err))
			continue
		}
		asked = append(asked, id)
	}
	for id, why := range w.wait(ctx, asked, state, stateTimeout) {
		failed = multierror.Append(failed, fmt.Errorf("node %s: %w", id, why))
	}
	return failed.ErrorOrNil()
}

func label(n *nodes.Node) string {
	if n.Name != "" {
		return n.Name
	}
	return n.UUID
}
