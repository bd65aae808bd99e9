package deploy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"trefoil/internal/errs"
	"trefoil/overcloud/stack"
)

// Ceph asks the monitors of the cloud's Ceph, as its client.admin, on a node that has one
// of them. command is what follows the word ceph; output is what it prints. It holds no
// secret: it shows in the node's process list. limit is how long it may take, the login
// included.
type Ceph interface {
	Ceph(ctx context.Context, n stack.Node, command string, limit time.Duration) (output []byte, err error)
}

// How long one node may take: forced, what it says is wished for and not waited for.
const (
	cephLimit       = 5 * time.Minute
	forcedCephLimit = 2 * time.Minute
)

// Ceph implements Ceph, with a login of its own. The command ends by itself where no majority
// of monitors answers, or one loses it meanwhile.
func (r *Remote) Ceph(ctx context.Context, n stack.Node, command string, limit time.Duration) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	whole := limit * 4 / 5
	cephCommand := fmt.Sprintf("sudo timeout %.0f ceph --connect-timeout %.0f ", whole.Seconds(), (whole / 2).Seconds())
	c, err := r.Dialer.Dial(ctx, target(n))
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var out bytes.Buffer
	err = c.Run(ctx, cephCommand+command, nil, func(line []byte) {
		out.Write(line)
		out.WriteByte('\n')
	})
	return out.Bytes(), err
}

const (
	monService = "ceph_mon"
	osdService = "ceph_osd"
)

// askCeph asks over the first of the nodes with a monitor that can. An event tells what is
// waited for: where Ceph does not answer, that takes minutes for each of the nodes.
func (d *departure) askCeph(ctx context.Context, nodes []stack.Node, command string) (output []byte, err error) {
	nodes = d.running(monService, nodes)
	if d.r.Ceph == nil || len(nodes) == 0 {
		return nil, errs.New(errs.Unavailable, "there is no machine with a monitor of Ceph to ask")
	}
	limit := cephLimit
	if d.r.s.Input.Force {
		limit = forcedCephLimit
	}
	if err := d.tell(ctx, fmt.Sprintf("asks the monitors of Ceph: ceph %s; where they do not answer, that takes up to %.0f minutes for each of %s", command, limit.Minutes(), joined(nodes))); err != nil {
		return nil, err
	}
	err = overFirst(ctx, nodes, func(n stack.Node) (err error) {
		output, err = d.r.Ceph.Ceph(ctx, n, command, limit)
		return err
	})
	return output, err
}

// running are those of the nodes that run a service.
func (d *departure) running(service string, nodes []stack.Node) []stack.Node {
	return slices.DeleteFunc(slices.Clone(nodes), func(n stack.Node) bool { return d.plan == nil || !d.plan.Runs(n.Role, service) })
}

// overFirst does something over the first of the nodes with which it works.
func overFirst(ctx context.Context, nodes []stack.Node, do func(stack.Node) error) error {
	var all error
	for _, n := range nodes {
		err := do(n)
		if err == nil {
			return nil
		}
		all = errors.Join(all, fmt.Errorf("%s: %w", n.Name, err))
		if ctx.Err() != nil {
			break
		}
	}
	return all
}

// osdsOn are the reasons against a removal that Ceph's monitors know: OSDs of the nodes. A
// node whose OSDs were taken out of Ceph has none any more. Where the removal is forced the
// answer would change nothing, and a dead Ceph take minutes to give none: it is not asked.
func (d *departure) osdsOn(ctx context.Context) []stack.Failure {
	nodes := d.running(osdService, d.gone)
	if len(nodes) == 0 {
		return nil
	}
	var of map[string][]string
	var err error
	if !d.r.s.Input.Force {
		of, err = d.osds(ctx)
	}
	var out []stack.Failure
	for _, n := range nodes {
		f := stack.Failure{Node: n.Name, Phase: "removal", Service: osdService}
		switch {
		case d.r.s.Input.Force:
			f.Error = "its OSDs may hold data; Ceph was not asked which it has, since the removal is forced"
		case err != nil:
			f.Error = fmt.Sprintf("its OSDs may hold data, and Ceph did not say which it has: %v", err)
			f.Hint = cures(d.gone, "see what is with the monitors: sudo ceph -s, on a machine with one")
		case len(of[shortHost(n.Name)]) > 0:
			f.Error = fmt.Sprintf("its OSDs hold data: %s; marking them out and waiting for Ceph to copy it elsewhere is not done here", strings.Join(of[shortHost(n.Name)], ", "))
			f.Hint = cures(d.gone, "for each of them, on a machine with a monitor of Ceph: ceph osd out ID, wait until ceph osd safe-to-destroy ID agrees; on its own machine: systemctl stop ceph-osd@ID; on the first again: ceph osd purge ID --yes-i-really-mean-it")
		case len(of[unknownHost]) > 0:
			f.Error = fmt.Sprintf("its OSDs may hold data: Ceph does not tell on which machine %s ran", strings.Join(of[unknownHost], ", "))
			f.Hint = cures(d.gone, "see on the storage machines which of them has it (ls /var/lib/ceph/osd) and start it there; one that has never run, and is nowhere, goes with ceph osd purge ID --yes-i-really-mean-it, on a machine with a monitor of Ceph")
		default:
			continue
		}
		out = append(out, f)
	}
	return out
}

// osds are all OSDs by the host name of the machine that each ran on last. The monitors are
// asked for that, not for the CRUSH tree, where an OSD may be in any place that somebody chose.
func (d *departure) osds(ctx context.Context) (map[string][]string, error) {
	output, err := d.askCeph(ctx, slices.Concat(d.stay, d.gone), "osd metadata --format json-pretty")
	if err != nil {
		return nil, err
	}
	return osdsByHost(output)
}

// unknownHost holds the OSDs of which Ceph does not tell where they ran.
const unknownHost = ""

// osdsByHost reads the answer to ceph osd metadata: numbers of OSDs by short name of their
// host, in lower case. An answer is believed only if it is a list of OSDs with numbers: that
// there are none lets a machine go.
func osdsByHost(answer []byte) (map[string][]string, error) {
	const question = "the answer to ceph osd metadata"
	var list []struct {
		ID       *int   `json:"id"`
		Hostname string `json:"hostname"`
	}
	if err := json.Unmarshal(answer, &list); err != nil {
		return nil, fmt.Errorf("read %s: %w", question, err)
	}
	if list == nil {
		return nil, fmt.Errorf("%s is null, and not a list of OSDs", question)
	}
	out := map[string][]string{}
	for i, o := range list {
		if o.ID == nil || *o.ID < 0 {
			return nil, fmt.Errorf("%s: item %d of %d has no id of an OSD", question, i+1, len(list))
		}
		host := shortHost(o.Hostname)
		out[host] = append(out[host], fmt.Sprintf("osd.%d", *o.ID))
	}
	return out, nil
}

// shortHost is a host's name as it is compared: without domain, in lower case.
func shortHost(name string) string {
	host, _, _ := strings.Cut(strings.TrimSpace(name), ".")
	return strings.ToLower(host)
}

// forgetMonitor takes the monitor of a node that is off out of Ceph's map: there it would
// count for the majority that the others must be, and Ceph would never be healthy again. Of
// one that is not there, Ceph says so and agrees. The error's hint is what to type later.
func (d *departure) forgetMonitor(ctx context.Context, n stack.Node) error {
	if len(d.running(monService, []stack.Node{n})) == 0 || len(d.running(monService, d.stay)) == 0 || !d.plan.Clustered(monService) {
		return nil
	}
	command := "mon rm " + n.Name
	if _, err := d.askCeph(ctx, d.stay, command); err != nil {
		return errs.Wrap(errs.Unavailable, err, "ceph %s", command).
			WithHint("once Ceph answers, on a machine with a monitor: sudo ceph %s", command)
	}
	return nil
}
