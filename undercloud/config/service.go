package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"trefoil/internal/errs"
	"trefoil/undercloud/secret"
)

// Bridge is the interface that the undercloud serves nodes on.
const Bridge = "br-ctlplane"

// Service is what the undercloud daemon is started with: the file
// undercloud.json in its state directory, written by the installer. It holds the
// administrator's password and is readable by root only.
type Service struct {
	Config
	StateDir      string         `json:"state_dir"`
	Bridge        string         `json:"bridge"`
	AdminPassword string         `json:"admin_password"`
	SSHPublicKey  string         `json:"ssh_public_key"` // the operator's; nodes let it in
	Ports         map[string]int `json:"ports"`          // service → TCP port on local_ip
}

// DefaultPorts are OpenStack's usual ports of the services that the undercloud has.
func DefaultPorts() map[string]int {
	return map[string]int{"identity": 5000, "baremetal": 6385, "introspection": 5050, "image": 9292,
		"network": 9696, "compute": 8774, "orchestration": 8004, "httpboot": 8088}
}

// AuthURL is where the identity service answers, without a path.
func (s *Service) AuthURL() string { return "http://" + s.Addr("identity") }

// Addr is where a service listens: host and port.
func (s *Service) Addr(service string) string {
	host := s.LocalIP.Addr().String()
	if s.LocalIP.Addr().Is6() {
		host = "[" + host + "]"
	}
	return fmt.Sprintf("%s:%d", host, s.Ports[service])
}

// ServicePath is the file in a state directory.
func ServicePath(stateDir string) string { return filepath.Join(stateDir, "undercloud.json") }

// LoadService reads undercloud.json. A missing file is an errs.NotFound that
// says how to make it.
func LoadService(path string) (*Service, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, errs.New(errs.NotFound, "%s does not exist: the undercloud is not installed", path).
			WithHint("openstack undercloud install")
	}
	if err != nil {
		return nil, fmt.Errorf("read service configuration: %w", err)
	}
	s := &Service{}
	if err := json.Unmarshal(data, s); err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "%s cannot be read", path).
			WithHint("write it again: openstack undercloud install")
	}
	return s, nil
}

// Save writes the file (0600) and tells whether that changed it.
func (s *Service) Save(path string) (changed bool, err error) {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return false, fmt.Errorf("encode service configuration: %w", err)
	}
	data = append(data, '\n')
	if old, err := os.ReadFile(path); err == nil && string(old) == string(data) {
		return false, nil
	}
	return true, secret.WriteFile(path, data, 0o600)
}
