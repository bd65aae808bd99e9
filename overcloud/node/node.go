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
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/baremetal/v1/nodes"
	"github.com/gophercloud/gophercloud/v2/openstack/baremetal/v1/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"

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
// (or failed to become manageable earlier) to manageable, and returns all their
// uuids in the file's order. Nothing is changed before it is clear which machine
// is which node.
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
	ids, err := match(machines, known)
	if err != nil {
		return nil, fmt.Errorf("Exception registering nodes: %w", err) //nolint:staticcheck // TripleO's words
	}
	for i, m := range machines {
		if ids[i] == "" {
			ids[i], err = w.create(ctx, bm, m)
		} else {
			err = w.update(ctx, bm, ids[i], m, known)
		}
		if err != nil {
			return nil, fmt.Errorf("Exception registering nodes: node #%d %s: %w", m.Index, m.Name, err) //nolint:staticcheck // TripleO's words
		}
	}
	fmt.Fprint(w.Out, "\n\n")
	if err := w.manageNew(ctx, ids); err != nil {
		return nil, fmt.Errorf("Exception registering nodes: %w", err) //nolint:staticcheck // TripleO's words
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
	for _, key := range []string{"deploy_kernel", "deploy_ramdisk"} {
		name := "bm-" + strings.ReplaceAll(key, "_", "-")
		pages, err := images.List(ic, images.ListOpts{Name: name, Status: images.ImageStatusActive}).AllPages(ctx)
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

// index maps what identifies a node (MAC, BMC, uuid) to the uuids that have it, and a node to its driver.
type index map[string]map[string]bool

func (x index) add(key, id string) {
	if x[key] == nil {
		x[key] = map[string]bool{}
	}
	x[key][id] = true
}

// known reads what identifies all nodes: two lists, however many nodes there are.
func (w *Workflow) known(ctx context.Context, bm *gophercloud.ServiceClient) (index, error) {
	out := index{}
	all, err := session.All[nodes.Node](ctx, bm, "nodes", url.Values{"fields": {"uuid,driver,driver_info"}})
	if err != nil {
		return nil, err
	}
	for _, n := range all {
		out.add("uuid "+n.UUID, n.UUID)
		out.add("driver of "+n.UUID, n.Driver)
		if a := n.DriverInfo["ipmi_address"]; a != nil {
			port := "623"
			if p := n.DriverInfo["ipmi_port"]; p != nil {
				port = fmt.Sprint(p)
			}
			out.add(fmt.Sprintf("bmc %v:%s", a, port), n.UUID)
		}
	}
	ps, err := session.All[ports.Port](ctx, bm, "ports", url.Values{"fields": {"address,node_uuid"}})
	if err != nil {
		return nil, err
	}
	for _, p := range ps {
		out.add("mac "+strings.ToLower(p.Address), p.NodeUUID)
	}
	return out, nil
}

// match finds each machine's node; "" is a new one.
func match(machines []inventory.Machine, known index) ([]string, error) {
	ids, taken := make([]string, len(machines)), map[string]int{}
	for i, m := range machines {
		found := map[string]bool{}
		if m.UUID != "" {
			maps.Copy(found, known["uuid "+m.UUID])
		}
		if m.BMC != "" {
			maps.Copy(found, known["bmc "+m.BMC])
		}
		for _, mac := range m.MACs {
			maps.Copy(found, known["mac "+mac])
		}
		candidates := slices.Sorted(maps.Keys(found))
		switch len(candidates) {
		case 0:
			continue
		case 1:
		default:
			return nil, errs.New(errs.Conflict, "node #%d %s: Several candidates found for the same node data: %s", m.Index, m.Name, strings.Join(candidates, ", ")).
				WithHint("one has the BMC of the entry, another its MAC: correct the entry, or delete the node that is not there any more (openstack baremetal node delete)")
		}
		if other, twice := taken[candidates[0]]; twice {
			return nil, errs.New(errs.Conflict, "node #%d %s: entry #%d is the same node already: %s", m.Index, m.Name, machines[other].Index, candidates[0]).
				WithHint("openstack baremetal node show %s; correct the MAC or the BMC of one of the two entries", candidates[0])
		}
		if is := known["driver of "+candidates[0]]; len(is) > 0 && !is[m.Driver] {
			return nil, errs.New(errs.Conflict, "node #%d %s: pm_type means the driver %s, and the node is registered with %s: %s", m.Index, m.Name,
				m.Driver, strings.Join(slices.Sorted(maps.Keys(is)), ", "), candidates[0]).
				WithHint("correct pm_type; or openstack baremetal node set --driver %s %s, with the driver_info that it needs", m.Driver, candidates[0])
		}
		ids[i], taken[candidates[0]] = candidates[0], i
	}
	return ids, nil
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
func (w *Workflow) update(ctx context.Context, bm *gophercloud.ServiceClient, id string, m inventory.Machine, known index) error {
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

func sorted(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }
