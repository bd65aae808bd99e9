package firstboot

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"

	"trefoil/internal/yaml"
)

// Drive is what a config drive says (OpenStack metadata, openstack/latest).
type Drive struct {
	Meta     Meta
	Network  Network
	User     UserData
	Warnings []string
}

// Meta is meta_data.json as far as it is used.
type Meta struct {
	UUID       string            `json:"uuid"`
	Name       string            `json:"name"`
	Host       string            `json:"hostname"`
	PublicKeys map[string]string `json:"public_keys"`
}

// UserData is the part of a cloud-config document (YAML, or JSON, which is
// YAML too) that is understood: the SSH host key that the deployer pins and
// further keys for the administrator. Other keys of a cloud-config are let pass.
type UserData struct {
	SSHKeys           map[string]string `yaml:"ssh_keys"` // ed25519_private, ed25519_public
	SSHAuthorizedKeys []string          `yaml:"ssh_authorized_keys"`
	Hostname          string            `yaml:"hostname"`
}

const maxFile = 1 << 20

var hostname = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,62})(\.[A-Za-z0-9][A-Za-z0-9-]{0,62})*$`)

// ReadDrive reads a mounted config drive. meta_data.json must be there;
// network_data.json and user_data need not. User data that is not a
// cloud-config gives a warning, not an error.
func ReadDrive(drive fs.FS) (*Drive, error) {
	var d Drive
	b, err := readSmall(drive, "meta_data.json")
	if err != nil {
		return nil, fmt.Errorf("read config drive: %w", err)
	}
	if err := json.Unmarshal(b, &d.Meta); err != nil {
		return nil, fmt.Errorf("parse meta_data.json: %w", err)
	}
	b, err = readSmall(drive, "network_data.json")
	if err == nil {
		err = json.Unmarshal(b, &d.Network)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("parse network_data.json: %w", err)
	}
	b, err = readSmall(drive, "user_data")
	if err == nil && len(b) > 0 {
		err = parseUserData(b, &d.User)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.Warnings = append(d.Warnings, "user_data is not used: "+err.Error())
	}
	if !hostname.MatchString(d.Hostname()) {
		return nil, fmt.Errorf("parse meta_data.json: hostname %q is not a host name", d.Hostname())
	}
	return &d, nil
}

func parseUserData(b []byte, out *UserData) error {
	first, _, _ := strings.Cut(string(b), "\n")
	if !strings.HasPrefix(first, "#cloud-config") && !strings.HasPrefix(strings.TrimSpace(first), "{") {
		return errors.New("it is neither #cloud-config nor a JSON object")
	}
	return yaml.Unmarshal("user_data", b, out)
}

func readSmall(drive fs.FS, name string) ([]byte, error) {
	p := "openstack/latest/" + name
	info, err := fs.Stat(drive, p)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s is of %d bytes; at most %d are read", name, info.Size(), maxFile)
	}
	return fs.ReadFile(drive, p)
}

// Hostname is the name the machine is to have.
func (d *Drive) Hostname() string {
	for _, n := range []string{d.User.Hostname, d.Meta.Host, d.Meta.Name} {
		if n != "" {
			return n
		}
	}
	return ""
}

// AuthorizedKeys are the public keys in a stable order, one line each.
func (d *Drive) AuthorizedKeys() []string {
	var keys []string
	all := slices.Clone(d.User.SSHAuthorizedKeys)
	for _, name := range slices.Sorted(maps.Keys(d.Meta.PublicKeys)) {
		all = append(all, d.Meta.PublicKeys[name])
	}
	for _, k := range all {
		for line := range strings.Lines(k) {
			if line = strings.TrimSpace(line); line != "" && !slices.Contains(keys, line) {
				keys = append(keys, line)
			}
		}
	}
	return keys
}
