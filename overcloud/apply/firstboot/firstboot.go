// Package firstboot makes a freshly written overcloud image into the machine
// that the deployer asked for: it reads the config drive (label config-2,
// openstack/latest/*) and sets host name, network, administrator's keys, SSH
// host key, iSCSI initiator name and the size of the root filesystem. It runs before the network
// and before sshd, once per instance; on later boots it only checks its stamp.
package firstboot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// User is the administrator of every node; it is made with the image.
const User = "heat-admin"

// stampPath records which instance has been set up.
const stampPath = "var/lib/os-apply-config/first-boot.json"

// Machine is what first boot changes outside of files. The real one is Linux.
type Machine interface {
	// ConfigDrive waits until a config drive shows up, mounts it read-only at
	// dir, and returns the function that takes it away again.
	ConfigDrive(ctx context.Context, dir string) (release func(), err error)
	// SetHostname changes the running kernel's host name.
	SetHostname(name string) error
	// GrowRoot lets the root filesystem take the space behind it; it returns
	// the bytes gained, 0 when there is nothing to gain.
	GrowRoot() (int64, error)
	// NewHostKey writes a new ed25519 key pair to path and path.pub.
	NewHostKey(path string) error
	// Chown gives a path (below the real root) to a user of this machine.
	Chown(path, user string) error
}

// Options of one run. Root and Machine are replaced in tests.
type Options struct {
	Root    string // directory of the machine's files; "/" in earnest
	User    string // administrator; must exist in the image
	Machine Machine
	Log     io.Writer // one line a fact, for the journal and the console
	Wait    time.Duration
}

type stamp struct {
	Instance string `json:"instance"`
	At       string `json:"at"`
}

type runner struct {
	Options
	began time.Time
}

// Run does everything that can be done even when one part fails, so that the
// machine stays reachable where possible, and returns all failures joined.
func Run(ctx context.Context, o Options) error {
	r := runner{Options: o, began: time.Now()}
	mnt := r.path("run/config-drive")
	if err := os.MkdirAll(mnt, 0o700); err != nil {
		return fmt.Errorf("make mount point: %w", err)
	}
	waiting, cancel := context.WithTimeout(ctx, o.Wait)
	defer cancel()
	release, err := o.Machine.ConfigDrive(waiting, mnt)
	if err != nil {
		return errors.Join(fmt.Errorf("find config drive: %w", err), r.fallbackNetwork(), r.hostKey(nil), r.initiator(), r.grow())
	}
	drive, err := ReadDrive(os.DirFS(mnt))
	release()
	if err != nil {
		return errors.Join(err, r.fallbackNetwork(), r.hostKey(nil), r.initiator(), r.grow())
	}
	for _, w := range drive.Warnings {
		r.say("warning: %s", w)
	}
	if r.done(drive.Meta.UUID) {
		r.say("instance %s is set up already", drive.Meta.UUID)
		return r.Machine.SetHostname(drive.Hostname())
	}
	err = errors.Join(r.hostname(drive), r.network(drive), r.keys(drive), r.hostKey(drive.User.SSHKeys), r.initiator(), r.grow())
	if err != nil {
		return err
	}
	return r.stamp(drive.Meta.UUID)
}

func (r runner) path(p string) string { return filepath.Join(r.Root, p) }

func (r runner) say(format string, args ...any) {
	fmt.Fprintf(r.Log, "first-boot: %s (%d ms)\n", fmt.Sprintf(format, args...), time.Since(r.began).Milliseconds())
}

func (r runner) done(instance string) bool {
	var s stamp
	b, err := os.ReadFile(r.path(stampPath))
	return err == nil && json.Unmarshal(b, &s) == nil && s.Instance == instance && instance != ""
}

func (r runner) stamp(instance string) error {
	b, err := json.Marshal(stamp{instance, time.Now().UTC().Format(time.RFC3339)})
	if err != nil {
		return err
	}
	r.say("done")
	return r.write(stampPath, string(b)+"\n", 0o600)
}

func (r runner) hostname(d *Drive) error {
	name := d.Hostname()
	short, _, _ := strings.Cut(name, ".")
	var hosts strings.Builder
	hosts.WriteString("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n")
	own := "127.0.1.1"
	if a := d.Network.FirstAddress(); a != "" {
		own = a
	}
	// The machine must find its own name, or each sudo waits for DNS.
	fmt.Fprintf(&hosts, "%s %s", own, name)
	if short != name {
		fmt.Fprintf(&hosts, " %s", short)
	}
	hosts.WriteString("\n")
	r.say("host name %s", name)
	return errors.Join(r.write("etc/hostname", name+"\n", 0o644), r.write("etc/hosts", hosts.String(), 0o644), r.Machine.SetHostname(name))
}

func (r runner) network(d *Drive) error {
	files, err := d.Network.Networkd()
	if err != nil {
		return fmt.Errorf("network_data.json: %w", err)
	}
	if len(files) == 0 {
		return r.fallbackNetwork()
	}
	for name, content := range files {
		if err := r.write(filepath.Join("etc/systemd/network", name), content, 0o644); err != nil {
			return err
		}
	}
	r.say("network: %d links, address %s", len(d.Network.Links), d.Network.FirstAddress())
	if dns := d.Network.Nameservers(); len(dns) > 0 {
		return r.write("etc/resolv.conf", "nameserver "+strings.Join(dns, "\nnameserver ")+"\n", 0o644)
	}
	return nil
}

// fallbackNetwork asks DHCP on every Ethernet link: what a machine without
// network data can still be reached by.
func (r runner) fallbackNetwork() error {
	r.say("no network data: DHCP on all links")
	return r.write("etc/systemd/network/90-dhcp.network", "[Match]\nType=ether\nKind=!*\n\n[Network]\nDHCP=yes\n", 0o644)
}

func (r runner) keys(d *Drive) error {
	keys := d.AuthorizedKeys()
	if len(keys) == 0 {
		return fmt.Errorf("no public key in meta_data.json public_keys: nobody will be able to log in as %s", r.User)
	}
	dir := filepath.Join("home", r.User, ".ssh")
	if err := os.MkdirAll(r.path(dir), 0o700); err != nil {
		return err
	}
	file := filepath.Join(dir, "authorized_keys")
	if err := r.write(file, strings.Join(keys, "\n")+"\n", 0o600); err != nil {
		return err
	}
	r.say("%d keys for %s", len(keys), r.User)
	return errors.Join(r.Machine.Chown(r.path(dir), r.User), r.Machine.Chown(r.path(file), r.User))
}

// hostKey installs the deployer's host key, so that it can pin it, or makes
// one where there is none.
func (r runner) hostKey(given map[string]string) error {
	const file = "etc/ssh/ssh_host_ed25519_key"
	if private := given["ed25519_private"]; private != "" {
		if !strings.HasSuffix(private, "\n") {
			private += "\n"
		}
		err := r.write(file, private, 0o600)
		if public := given["ed25519_public"]; public != "" {
			err = errors.Join(err, r.write(file+".pub", strings.TrimSpace(public)+"\n", 0o644))
		}
		r.say("SSH host key from the config drive")
		return err
	}
	if _, err := os.Stat(r.path(file)); err == nil {
		return nil
	}
	r.say("new SSH host key")
	return r.Machine.NewHostKey(r.path(file))
}

func (r runner) grow() error {
	n, err := r.Machine.GrowRoot()
	if err != nil {
		return fmt.Errorf("grow root filesystem: %w", err)
	}
	r.say("root filesystem grown by %d MiB", n>>20)
	return nil
}

// write replaces a file as a whole: a machine that loses power here boots again
// with the old or the new one.
func (r runner) write(p, content string, mode os.FileMode) error {
	full := r.path(p)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		return fmt.Errorf("write %s: %w", p, err)
	}
	f, err := os.CreateTemp(filepath.Dir(full), ".first-boot-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", p, err)
	}
	_, err = f.WriteString(content)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), full)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("write %s: %w", p, err)
	}
	return nil
}
