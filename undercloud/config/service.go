package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"

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
	SSHPublicKey  string         `json:"ssh_public_key"`      // the operator's; nodes let it in
	Ports         map[string]int `json:"ports"`               // service → TCP port on local_ip
	TLSPorts      map[string]int `json:"tls_ports,omitempty"` // service → TCP port for TLS on undercloud_public_host; empty: no TLS
}

// DefaultPorts are OpenStack's usual ports of the services that the undercloud has.
func DefaultPorts() map[string]int {
	return map[string]int{"identity": 5000, "baremetal": 6385, "introspection": 5050, "image": 9292,
		"network": 9696, "compute": 8774, "orchestration": 8004, "httpboot": 8088}
}

// DefaultTLSPorts are those on which TripleO's undercloud answers over TLS. Machines that
// boot have no authority to trust: httpboot has none.
func DefaultTLSPorts() map[string]int {
	return map[string]int{"identity": 13000, "baremetal": 13385, "introspection": 13050, "image": 13292,
		"network": 13696, "compute": 13774, "orchestration": 13004}
}

// AuthURL is where the identity service answers the undercloud itself, without a path.
func (s *Service) AuthURL() string { return s.URL("identity") }

// URL is where a service answers the undercloud itself and nodes, without a path.
func (s *Service) URL(service string) string { return "http://" + s.Addr(service) }

// PublicURL is where a service answers users, without a path.
func (s *Service) PublicURL(service string) string {
	if len(s.TLSPorts) == 0 {
		return s.URL(service)
	}
	return "https://" + net.JoinHostPort(s.PublicHost, strconv.Itoa(s.TLSPorts[service]))
}

// TLSAddr is where a service listens for TLS: undercloud_public_host if that is an
// address, local_ip if it is a name.
func (s *Service) TLSAddr(service string) string {
	host := s.PublicHost
	if _, err := netip.ParseAddr(host); err != nil {
		host = s.LocalIP.Addr().String()
	}
	return net.JoinHostPort(host, strconv.Itoa(s.TLSPorts[service]))
}

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
	if errors.Is(err, os.ErrPermission) {
		return nil, errs.Wrap(errs.Forbidden, err, "read service configuration").WithHint("it is root's alone: run this as root, with sudo for example")
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
