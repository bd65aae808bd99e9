package ceph

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"trefoil/internal/errs"
	"trefoil/overcloud/resource"
)

// bootstrapName may ask for new OSDs and nothing else.
const bootstrapName = "client.bootstrap-osd"

// MakeOSDs makes those that are not there yet and fills in their numbers. All
// are asked for in one conversation. It can be killed at any instant and be run again.
func (n *Node) MakeOSDs(ctx context.Context, want *resource.CephOSD, osds []OSD) error {
	uid, gid, err := n.Owner(User, User)
	if err != nil {
		return errs.Wrap(errs.NotFound, err, "find the owner").WithHint("package ceph-osd is not in the image: rebuild overcloud-full with the roles that you deploy")
	}
	if err := n.register(ctx, want, osds); err != nil {
		return err
	}
	if err := n.formatAll(ctx, osds, uid, gid); err != nil {
		return err
	}
	for i := range osds {
		o := &osds[i]
		if err := n.directory(want.FSID, o, uid, gid); err != nil {
			return fmt.Errorf("directory of %s: %w", o.Name(), err)
		}
		if err := os.Remove(n.path(o.kept)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// register gives every OSD that is not made a UUID and a key, keeps both, and
// has the monitors number them.
func (n *Node) register(ctx context.Context, want *resource.CephOSD, osds []OSD) error {
	var questions []question
	var of []*OSD
	for i := range osds {
		o := &osds[i]
		if o.made {
			continue
		}
		if err := n.intend(o); err != nil {
			return err
		}
		q := ask("osd new", "uuid", o.UUID)
		secret, err := json.Marshal(map[string]string{"cephx_secret": o.Key})
		if err != nil {
			return err
		}
		q.Input = string(secret)
		questions, of = append(questions, q), append(of, o)
	}
	if len(questions) == 0 {
		return nil
	}
	answers, err := n.talk(ctx, bootstrapName, want.Keyring, questions)
	if err != nil {
		return err
	}
	for i, a := range answers {
		var got struct {
			ID int `json:"osdid"`
		}
		if err := a.read(&got); err != nil {
			return err
		}
		of[i].ID = got.ID
	}
	return nil
}

// intend makes UUID and key, unless an earlier run did, and keeps them.
func (n *Node) intend(o *OSD) (err error) {
	if o.UUID != "" {
		return nil
	}
	if o.UUID, err = newUUID(); err != nil {
		return err
	}
	if o.Key, err = newKey(time.Now()); err != nil {
		return err
	}
	b, err := json.Marshal(intent{o.UUID, o.Key})
	if err != nil {
		return err
	}
	return n.Write(n.path(o.kept), append(b, '\n'), 0o600, -1, -1)
}

// formatsAtOnce bounds the disks that are formatted at the same time: each costs
// a processor and some hundred megabytes for seconds.
const formatsAtOnce = 4

// formatAll writes empty OSDs onto all disks that have none.
func (n *Node) formatAll(ctx context.Context, osds []OSD, uid, gid int) error {
	failed := make([]error, len(osds))
	slots := make(chan struct{}, formatsAtOnce)
	var wg sync.WaitGroup
	for i := range osds {
		o := &osds[i]
		if o.made {
			continue
		}
		wg.Add(1)
		go func() {
			defer wg.Done()
			slots <- struct{}{}
			defer func() { <-slots }()
			if err := n.format(ctx, o, uid, gid); err != nil {
				failed[i] = fmt.Errorf("%s on %s: %w", o.Name(), o.Disk, err)
			}
		}()
	}
	wg.Wait()
	return errors.Join(failed...)
}

// wiped is how much of a disk's beginning is overwritten: labels and the tables of partitions.
const wiped = 10 << 20

// format writes an empty OSD onto the disk.
func (n *Node) format(ctx context.Context, o *OSD, uid, gid int) error {
	if o.zap {
		if err := n.wipe(ctx, o.Disk); err != nil {
			return err
		}
	}
	dir := o.dir()
	if err := removed(nil, n.path(dir)); err != nil {
		return err
	}
	if err := n.mkdir(dir, uid, gid); err != nil {
		return err
	}
	if err := n.files(dir, uid, gid, map[string]string{"type": "bluestore\n", "keyring": entity{Name: o.Name(), Key: o.Key}.section()}); err != nil {
		return err
	}
	if err := n.link(o); err != nil {
		return err
	}
	if uid >= 0 { // the udev rule does the same at the next boot
		if err := os.Chown(n.path(o.Disk), uid, gid); err != nil {
			return err
		}
	}
	_, err := n.Run(ctx, Command{Args: []string{"ceph-osd", "--mkfs", "--no-mon-config", "--id", strconv.Itoa(o.ID), "--osd-uuid", o.UUID, "--keyfile", "-"},
		Stdin: o.Key, User: User, Timeout: 10 * time.Minute})
	return err
}

// wipe takes signatures and the beginning of the disk away.
func (n *Node) wipe(ctx context.Context, disk string) error {
	if _, err := n.Run(ctx, Command{Args: []string{"wipefs", "--all", "--force", disk}, Timeout: time.Minute}); err != nil {
		return err
	}
	f, err := os.OpenFile(n.path(disk), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, wiped))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("wipe %s: %w", disk, err)
	}
	// The kernel's events make the disk root's again: they must be over.
	for _, args := range [][]string{{"blockdev", "--rereadpt", disk}, {"udevadm", "settle"}} {
		if _, err := n.Run(ctx, Command{Args: args, Timeout: time.Minute}); err != nil {
			return err
		}
	}
	return nil
}

// directory is where the daemon finds its disk and its key; it can be made
// again from what the disk's label says. The file ready comes last.
func (n *Node) directory(fsid string, o *OSD, uid, gid int) error {
	if n.exists(filepath.Join(o.dir(), "ready")) {
		return nil
	}
	if err := n.mkdir(o.dir(), uid, gid); err != nil {
		return err
	}
	if err := n.link(o); err != nil {
		return err
	}
	err := n.files(o.dir(), uid, gid, map[string]string{"type": "bluestore\n", "keyring": entity{Name: o.Name(), Key: o.Key}.section(),
		"fsid": o.UUID + "\n", "ceph_fsid": fsid + "\n", "whoami": strconv.Itoa(o.ID) + "\n"})
	if err != nil {
		return err
	}
	return n.files(o.dir(), uid, gid, map[string]string{"ready": "ready\n"})
}

func (n *Node) files(dir string, uid, gid int, content map[string]string) error {
	for name, text := range content {
		if err := n.Write(n.path(filepath.Join(dir, name)), []byte(text), 0o600, uid, gid); err != nil {
			return err
		}
	}
	return nil
}

// link points to the disk by a name that it has at every boot.
func (n *Node) link(o *OSD) error {
	name := filepath.Join(n.path(o.dir()), "block")
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Symlink(n.lasting(o.Disk), name)
}

// lasting is the disk's name by its serial number or its place, where udev made one. A name
// by what is on the disk goes when that is wiped.
func (n *Node) lasting(disk string) string {
	for _, dir := range []string{"by-id", "by-path"} {
		links, _ := filepath.Glob(n.path(filepath.Join("/dev/disk", dir, "*")))
		for _, l := range links {
			if to, err := os.Readlink(l); err == nil && filepath.Base(to) == filepath.Base(disk) && !strings.HasPrefix(filepath.Base(l), "lvm-pv-uuid-") {
				return filepath.Join("/dev/disk", dir, filepath.Base(l))
			}
		}
	}
	return disk
}
