package install

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink"

	"trefoil/internal/errs"
	"trefoil/internal/yaml"
	"trefoil/undercloud/config"
	"trefoil/undercloud/secret"
)

// Uninstall stops the service and takes back what Run did: the bridge (its
// addresses go back to local_interface), NAT, files. The state with all images
// and nodes goes, too. Passwords, stackrc's twin, stay unless purge: a new
// installation then has the same. SSH keys and ip_forward, if something else
// switched it on, always stay. It can be repeated, and finishes what was cut off.
func Uninstall(ctx context.Context, o Options, purge bool) error {
	o = o.withDefaults()
	if o.EUID() != 0 {
		return errs.New(errs.Forbidden, "removing the undercloud needs root").WithHint("run it with sudo")
	}
	if filepath.Clean(o.StateDir) == "/" || !filepath.IsAbs(o.StateDir) {
		return errs.New(errs.Invalid, "state directory %q is not one that could be removed", o.StateDir)
	}
	if err := checkOurs(o.StateDir); err != nil {
		return err
	}
	rec, err := loadRecord(o.StateDir)
	if err != nil {
		return err
	}
	if err := errors.Join(removeUnit(ctx, &o), NewProcess(o.Binary, o.StateDir, nil).Stop(ctx)); err != nil {
		return err // a running service would write on
	}
	if err := errors.Join(restoreNetwork(rec, o.StateDir), dropNAT(ctx), restoreForward(rec)); err != nil {
		return err // the record stays for another try
	}
	files := []string{o.etc("sysctl.d", sysctlFile)}
	if ours, err := isOurNetConfig(o.etc("os-net-config", "config.json")); err != nil {
		return err
	} else if ours {
		files = append(files, o.etc("os-net-config", "config.json"))
	}
	files = append(files, o.stackrcPath(), o.authorityPath())
	if purge {
		files = append(files, o.passwordsPath())
	}
	all := []error{cleanHosts(o.etc("hosts")), removeCloud(o.home(".config", "openstack", "clouds.yaml"), o.Home)}
	for _, f := range files {
		all = append(all, removeIfExists(f))
	}
	if err := errors.Join(all...); err != nil {
		return err
	}
	return removeState(o.StateDir)
}

// marks are the files that tell an undercloud's state directory from any other.
func marks(stateDir string) []string {
	return []string{config.ServicePath(stateDir), recordPath(stateDir), filepath.Join(stateDir, "key")}
}

// checkOurs refuses to remove a directory that no undercloud made, as when
// UNDERCLOUD_STATE_DIR names a home directory.
func checkOurs(stateDir string) error {
	list, err := os.ReadDir(stateDir)
	if errors.Is(err, os.ErrNotExist) || err == nil && len(list) == 0 {
		return nil // removed already, or nothing is lost
	}
	if err != nil {
		return fmt.Errorf("look into state directory: %w", err)
	}
	for _, f := range marks(stateDir) {
		if info, err := os.Lstat(f); err == nil && info.Mode().IsRegular() {
			return nil
		}
	}
	return errs.New(errs.Invalid, "%s is not the state directory of an undercloud: it holds none of undercloud.json, network.json and key", stateDir).
		WithHint("set UNDERCLOUD_STATE_DIR as it was for the installation, or remove the directory by hand")
}

// removeState removes the marks last, so that another run knows the directory again.
func removeState(stateDir string) error {
	list, err := os.ReadDir(stateDir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, e := range list {
		if path := filepath.Join(stateDir, e.Name()); !slices.Contains(marks(stateDir), path) {
			if err := os.RemoveAll(path); err != nil {
				return err
			}
		}
	}
	return os.RemoveAll(stateDir)
}

// restoreNetwork gives the interface its MTU and addresses back and removes the bridge.
func restoreNetwork(rec *netRecord, stateDir string) error {
	if rec.Interface == "" {
		return nil // nothing was ever changed
	}
	bridge, err := netlink.LinkByName(config.Bridge)
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		bridge, err = nil, nil
	}
	if err != nil {
		return fmt.Errorf("find %s: %w", config.Bridge, err)
	}
	member, err := netlink.LinkByName(rec.Interface)
	if err != nil && !errors.As(err, &missing) {
		return fmt.Errorf("find %s: %w", rec.Interface, err)
	}
	if bridge != nil {
		if err := rec.leaveBridge(stateDir, bridge); err != nil {
			return err
		}
	}
	if member == nil {
		return nil // the interface was unplugged
	}
	boot, err := bootID()
	if err != nil {
		return fmt.Errorf("read boot id: %w", err)
	}
	back := rec.take(boot, rec.Addresses, nil)
	return errors.Join(action("set MTU of "+rec.Interface, netlink.LinkSetMTU(member, rec.MTU)), back.arrive(nil, member))
}

// leaveBridge notes what goes back to the interface and removes the bridge with it.
func (r *netRecord) leaveBridge(stateDir string, bridge netlink.Link) error {
	gateways, err := gatewayRoutes(bridge)
	if err != nil {
		return err
	}
	boot, err := bootID()
	if err != nil {
		return fmt.Errorf("read boot id: %w", err)
	}
	r.Transit = r.take(boot, r.Addresses, r.reachable(gateways))
	if err := r.save(stateDir); err != nil {
		return err
	}
	return action("remove "+config.Bridge, netlink.LinkDel(bridge))
}

// reachable are the routes whose gateway the interface's own addresses reach; others were ours.
func (r *netRecord) reachable(all []route) []route {
	return slices.DeleteFunc(all, func(x route) bool {
		return !slices.ContainsFunc(r.Addresses, func(a string) bool { return address(a).Contains(x.Via.AsSlice()) })
	})
}

func restoreForward(rec *netRecord) error {
	if rec.Forward == "" {
		return nil
	}
	return os.WriteFile(forwardPath, []byte(rec.Forward+"\n"), 0o644)
}

// isOurNetConfig tells whether the file describes our bridge.
func isOurNetConfig(path string) (bool, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var c struct {
		Network []struct {
			Name, Type string
		} `json:"network_config"`
	}
	if json.Unmarshal(data, &c) != nil {
		return false, nil
	}
	return len(c.Network) == 1 && c.Network[0].Name == config.Bridge && c.Network[0].Type == "linux_bridge", nil
}

// cleanHosts removes the lines that carry our mark.
func cleanHosts(path string) error {
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	kept := withoutMarked(data)
	if len(kept) == len(data) {
		return nil
	}
	return replaceHosts(path, kept)
}

// withoutMarked drops the lines that the installer wrote.
func withoutMarked(hosts []byte) []byte {
	var kept bytes.Buffer
	for _, line := range strings.SplitAfter(string(hosts), "\n") {
		if !strings.HasSuffix(strings.TrimSpace(line), " "+hostsMark) {
			kept.WriteString(line)
		}
	}
	return kept.Bytes()
}

// replaceHosts writes /etc/hosts, also where it is a mount, as in containers.
func replaceHosts(path string, data []byte) error {
	err := secret.WriteFile(path, data, 0o644)
	if errors.Is(err, syscall.EBUSY) {
		return os.WriteFile(path, data, 0o644)
	}
	return err
}

// removeCloud takes our cloud out of clouds.yaml and the file with it when it was the only one.
func removeCloud(path, home string) error {
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	root, err := yaml.Parse(path, data)
	if err != nil || root == nil || root.Kind != yaml.MappingNode {
		return err
	}
	clouds := child(root, "clouds", &yaml.Node{Kind: yaml.MappingNode})
	for i := 0; i+1 < len(clouds.Content); i += 2 {
		if clouds.Content[i].Value == "undercloud" {
			clouds.Content = slices.Delete(clouds.Content, i, i+2)
			break
		}
	}
	if len(clouds.Content) == 0 && len(root.Content) == 2 {
		return removeIfExists(path)
	}
	if data, err = yaml.Marshal(root); err != nil {
		return err
	}
	if err := secret.WriteFile(path, data, 0o600); err != nil {
		return err
	}
	return giveToOwner(home, path)
}
