package ceph

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"trefoil/internal/errs"
	"trefoil/overcloud/resource"
)

// Disk is a whole block device of the node.
type Disk struct {
	Path    string // /dev/vdb
	Bytes   int64
	Use     string // what is on it; empty is nothing
	Mounted bool   // the system runs from it, or something holds it
	Remote  bool   // reached over a network: it may be a server's volume, and is taken only where it is named
}

const (
	osdDir    = "/var/lib/ceph/osd"
	intentDir = "/var/lib/os-apply-config/ceph-osd"
	blueStore = "ceph_bluestore" // what blkid calls a disk with an OSD
)

// OSD is one of this node.
type OSD struct {
	Disk string
	UUID string
	ID   int
	Key  string

	kept string // where its intent is
	made bool   // the disk carries it, complete
	zap  bool   // something else is to be overwritten
}

// intent is kept from before an OSD is asked for until it is made, so that a
// run that was killed is gone on with: the same UUID and key give the same number.
type intent struct {
	UUID string `json:"uuid"`
	Key  string `json:"key"`
}

// label is what an OSD's disk says of itself.
type label struct {
	UUID  string `json:"osd_uuid"`
	FSID  string `json:"ceph_fsid"`
	ID    string `json:"whoami"`
	Key   string `json:"osd_key"`
	Ready string `json:"ready"` // "ready" when it was made to the end
}

// Survey finds out what the chosen disks carry. Disks that must not be touched
// come together in one error.
func (n *Node) Survey(ctx context.Context, want *resource.CephOSD, all []Disk) ([]OSD, error) {
	disks, err := choose(want, all)
	if err != nil {
		return nil, err
	}
	var out []OSD
	var refused []string
	for _, d := range disks {
		o, why, err := n.look(ctx, want, d)
		if err != nil {
			return nil, err
		}
		if why != "" {
			refused = append(refused, fmt.Sprintf("%s (%.1f GiB) %s", d.Path, float64(d.Bytes)/(1<<30), why))
			continue
		}
		out = append(out, o)
	}
	if len(refused) > 0 {
		return nil, errs.New(errs.Conflict, "Ceph would overwrite what is on a disk: %s", strings.Join(refused, "; ")).
			WithHint("name the disks that are for Ceph in CephAnsibleDisksConfig (devices), clean the machine (openstack baremetal node clean), or set CephOsdZapDevices: true to lose what is on them")
	}
	if len(out) == 0 {
		return nil, noDisk(want, all)
	}
	return out, nil
}

// noDisk names the disks that would do, were they not reached over a network.
func noDisk(want *resource.CephOSD, all []Disk) error {
	hint, remote := "add disks to the machine, or lower CephOsdMinDiskSizeGB", ""
	for _, d := range all {
		if d.Remote && !d.Mounted && d.Bytes >= int64(want.MinSizeGB)<<30 {
			remote += " " + d.Path
		}
	}
	if remote != "" {
		hint += "; what is reached over a network may be a server's volume: where it is for Ceph, name it in CephAnsibleDisksConfig (devices)"
		remote = "; over a network:" + remote
	}
	return errs.New(errs.Invalid, "no data disk of at least %d GiB for Ceph%s", want.MinSizeGB, remote).WithHint("%s", hint)
}

// choose takes the disks that are named, or all of the machine's own that nothing is mounted from.
func choose(want *resource.CephOSD, all []Disk) ([]Disk, error) {
	var out []Disk
	if len(want.Devices) == 0 {
		for _, d := range all {
			if !d.Mounted && !d.Remote && d.Bytes >= int64(want.MinSizeGB)<<30 {
				out = append(out, d)
			}
		}
		return out, nil
	}
	for _, path := range want.Devices {
		i := slices.IndexFunc(all, func(d Disk) bool { return d.Path == path })
		switch {
		case i < 0:
			return nil, errs.New(errs.NotFound, "CephAnsibleDisksConfig: %s: no such disk", path)
		case all[i].Mounted && all[i].Use != blueStore:
			return nil, errs.New(errs.Conflict, "CephAnsibleDisksConfig: %s is in use by the system: %s", path, all[i].Use)
		}
		out = append(out, all[i])
	}
	return out, nil
}

// look tells what a disk carries, and why it must not be touched.
func (n *Node) look(ctx context.Context, want *resource.CephOSD, d Disk) (OSD, string, error) {
	o := OSD{Disk: d.Path, kept: n.intentPath(d.Path)}
	in, err := n.intent(o)
	if err != nil || d.Use == "" {
		o.UUID, o.Key = in.UUID, in.Key
		return o, "", err
	}
	if d.Use != blueStore {
		o.UUID, o.Key, o.zap = in.UUID, in.Key, true
		return o, unlessZap(want, "holds "+d.Use), nil
	}
	l, err := n.label(ctx, d.Path)
	switch {
	case errors.Is(err, errNoLabel):
		o.UUID, o.Key, o.zap = in.UUID, in.Key, true
		return o, unlessZap(want, "holds an OSD whose label cannot be read"), nil
	case err != nil:
		return o, "", err // it may be an OSD with data
	case l.FSID == want.FSID && l.Ready == "ready":
		o.UUID, o.Key, o.made = l.UUID, l.Key, true
		o.ID, err = strconv.Atoi(l.ID)
		return o, "", err
	case in.UUID != "" && l.UUID == in.UUID:
		o.UUID, o.Key, o.zap = in.UUID, in.Key, true // ours, not finished
		return o, "", nil
	case l.FSID != want.FSID:
		o.zap = true
		return o, unlessZap(want, fmt.Sprintf("holds an OSD of another Ceph cluster (%s)", l.FSID)), nil
	}
	o.zap = true
	return o, unlessZap(want, "holds an OSD that was not made to the end, and not by this program"), nil
}

func unlessZap(want *resource.CephOSD, why string) string {
	if want.Zap {
		return ""
	}
	return why
}

// errNoLabel is of a disk that was read and carries none. A disk that could not be read,
// or not in time, may carry one: that is any other error.
var errNoLabel = errors.New("no label")

// noLabel is what Ceph's tool says of the first; of a disk that fails, and of a label with
// a bad checksum, "(5) Input/output error".
const noLabel = "(2) No such file or directory"

// label asks Ceph's own tool; the answer holds the OSD's key.
func (n *Node) label(ctx context.Context, disk string) (label, error) {
	out, err := n.Run(ctx, Command{Args: []string{"ceph-bluestore-tool", "show-label", "--dev", disk}, Timeout: time.Minute})
	if err == nil {
		return parseLabel(out, disk)
	}
	if errors.Is(err, context.Canceled) {
		return label{}, err
	}
	if strings.Contains(err.Error(), noLabel) {
		return label{}, errNoLabel
	}
	return label{}, errs.Wrap(errs.Unavailable, err, "read which OSD is on %s", disk).
		WithHint("run the deploy again; if the disk may be lost, wipe it on the node: wipefs --all --force %s", disk)
}

func parseLabel(out, disk string) (label, error) {
	var labels map[string]label
	if err := json.Unmarshal([]byte(out), &labels); err != nil {
		return label{}, fmt.Errorf("label of %s: %w", disk, err)
	}
	l, ok := labels[disk]
	if !ok {
		return label{}, errs.New(errs.NotFound, "ceph-bluestore-tool shows no label of %s", disk)
	}
	return l, nil
}

// intentPath is by a name that the disk has at every boot: another disk may be /dev/vdb then.
func (n *Node) intentPath(disk string) string {
	return filepath.Join(intentDir, filepath.Base(n.lasting(disk))+".json")
}

// intent is what an earlier run kept of the OSD; empty when there was none.
func (n *Node) intent(o OSD) (in intent, err error) {
	b, err := os.ReadFile(n.path(o.kept))
	if errors.Is(err, fs.ErrNotExist) {
		return in, nil
	}
	if err == nil && json.Unmarshal(b, &in) != nil {
		err = errs.New(errs.Invalid, "%s cannot be read", o.kept).WithHint("remove it; the OSD of %s is then begun anew", o.Disk)
	}
	return in, err
}

// Started tells whether an OSD's directory is there for its unit to run in.
func (n *Node) Started(o OSD) bool {
	return o.made && n.exists(filepath.Join(o.dir(), "ready"))
}

func (o OSD) dir() string { return filepath.Join(osdDir, "ceph-"+strconv.Itoa(o.ID)) }

// Unit is the OSD's unit.
func (o OSD) Unit() string { return "ceph-osd@" + strconv.Itoa(o.ID) }

// Name is the OSD's name in the cluster.
func (o OSD) Name() string { return "osd." + strconv.Itoa(o.ID) }

// Units are the units of all OSDs whose directories are complete.
func (n *Node) Units() []string {
	dirs, _ := filepath.Glob(n.path(filepath.Join(osdDir, "ceph-*", "ready")))
	var out []string
	for _, d := range dirs {
		out = append(out, "ceph-osd@"+strings.TrimPrefix(filepath.Base(filepath.Dir(d)), "ceph-"))
	}
	return out
}

// Untaken tells whether a disk that OSDs would be made of has none, so that it must be looked
// at: Survey says what is on it. It starts no process. Of disks that are named, Units says it.
func (n *Node) Untaken(want *resource.CephOSD, all []Disk) bool {
	if len(want.Devices) > 0 {
		return false
	}
	taken := map[string]bool{}
	links, _ := filepath.Glob(n.path(filepath.Join(osdDir, "ceph-*", "block")))
	for _, l := range links {
		disk, err := os.Readlink(l) // as link made it
		if err != nil {
			continue
		}
		if to, err := os.Readlink(n.path(disk)); err == nil {
			disk = to
		}
		taken[filepath.Base(disk)] = true
	}
	disks, _ := choose(want, all) // it fails only for disks that are named
	return slices.ContainsFunc(disks, func(d Disk) bool { return !taken[filepath.Base(d.Path)] })
}
