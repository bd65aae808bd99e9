package ceph

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"trefoil/internal/errs"
	"trefoil/overcloud/resource"
)

const (
	monDir = "/var/lib/ceph/mon"
	tmpDir = "/var/lib/ceph/tmp/os-apply-config"
)

// MonMade tells whether the monitor's store is there. It starts no process.
func (n *Node) MonMade(m *resource.CephMon) (bool, error) {
	b, err := os.ReadFile(n.path(filepath.Join(monDir, "ceph-"+m.ID, "done")))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if fsid := strings.TrimSpace(string(b)); fsid != m.FSID {
		return false, errs.New(errs.Conflict, "%s/ceph-%s holds a monitor of another cluster (%q)", monDir, m.ID, fsid).
			WithHint("give the plan that cluster's CephClusterFSID, or install the machine anew")
	}
	return true, nil
}

// MakeMon makes the store from a first map of monitors and the keyrings. What a
// run that was killed left is made anew; what somebody else made is kept, and is an error.
func (n *Node) MakeMon(ctx context.Context, m *resource.CephMon) (err error) {
	dir, begun := filepath.Join(monDir, "ceph-"+m.ID), filepath.Join(monDir, ".ceph-"+m.ID+".begun")
	if list, _ := os.ReadDir(n.path(dir)); len(list) > 0 && !n.exists(begun) {
		return errs.New(errs.Conflict, "%s is not empty, and this program did not make it", dir).
			WithHint("is it a monitor of another cluster? Move it away, or install the machine anew")
	}
	uid, gid, err := n.Owner(User, User)
	if err != nil {
		return errs.Wrap(errs.NotFound, err, "find the owner").WithHint("package ceph-mon is not in the image: rebuild overcloud-full with the roles that you deploy")
	}
	if err := n.Write(n.path(begun), nil, 0o600, -1, -1); err != nil {
		return err
	}
	if err := removed(nil, n.path(dir), n.path(tmpDir)); err != nil {
		return err
	}
	for _, d := range []string{dir, tmpDir} {
		if err := n.mkdir(d, uid, gid); err != nil {
			return err
		}
	}
	defer func() { err = removed(err, n.path(tmpDir)) }() // it holds keys
	if err := n.mkfs(ctx, m, uid, gid); err != nil {
		return err
	}
	if err := n.Write(n.path(filepath.Join(dir, "done")), []byte(m.FSID+"\n"), 0o644, uid, gid); err != nil {
		return err
	}
	return os.Remove(n.path(begun))
}

func (n *Node) mkfs(ctx context.Context, m *resource.CephMon, uid, gid int) error {
	monmap, keyring := filepath.Join(tmpDir, "monmap"), filepath.Join(tmpDir, "keyring")
	keys, err := n.keyrings(m.Keyrings)
	if err != nil {
		return err
	}
	if err := n.Write(n.path(keyring), []byte(keys), 0o600, uid, gid); err != nil {
		return err
	}
	create := []string{"monmaptool", "--create", "--clobber", "--fsid", m.FSID}
	addresses := resource.SplitList(m.Addresses)
	for i, name := range resource.SplitList(m.Members) {
		create = append(create, "--addv", name, monAddress(addresses[i]))
	}
	for _, args := range [][]string{append(create, monmap),
		{"ceph-mon", "--mkfs", "--id", m.ID, "--monmap", monmap, "--keyring", keyring}} {
		if _, err := n.Run(ctx, Command{Args: args, User: User, Timeout: 5 * time.Minute}); err != nil {
			return fmt.Errorf("make the store of monitor %s: %w", m.ID, err)
		}
	}
	return nil
}

// monAddress is both protocols at their registered ports.
func monAddress(ip string) string {
	if strings.Contains(ip, ":") {
		ip = "[" + ip + "]"
	}
	return fmt.Sprintf("[v2:%s:3300,v1:%s:6789]", ip, ip)
}

// keyrings is the text of all keyrings in a directory, in the order of their names.
func (n *Node) keyrings(dir string) (string, error) {
	names, err := filepath.Glob(filepath.Join(n.path(dir), "*.keyring"))
	if err != nil {
		return "", err
	}
	if len(names) == 0 {
		return "", errs.New(errs.NotFound, "no *.keyring in %s", dir).WithHint("file resources with the keys must stand before this one")
	}
	var all strings.Builder
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			return "", err
		}
		all.Write(b)
		all.WriteByte('\n')
	}
	return all.String(), nil
}

// mkdir makes a directory that only Ceph may enter.
func (n *Node) mkdir(dir string, uid, gid int) error {
	path := n.path(dir)
	if err := os.MkdirAll(path, 0o750); err != nil {
		return err
	}
	if uid < 0 {
		return nil
	}
	return os.Chown(path, uid, gid)
}
