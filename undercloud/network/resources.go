package network

import (
	"net/http"
	"slices"
	"strings"

	"trefoil/internal/errs"
)

func (s *Service) createNetwork(tx Tx, r *http.Request) (string, error) {
	a, err := read[networkArgs](r, "network")
	if err != nil {
		return "", err
	}
	now := s.now()
	n := &Network{ID: s.cfg.NewID(), ProjectID: project(r), AdminStateUp: true, MTU: 1500, NetworkType: "flat",
		Tags: []string{}, CreatedAt: now, UpdatedAt: now}
	a.apply(n)
	if n.NetworkType != "flat" && n.NetworkType != "vlan" {
		return "", errs.New(errs.Invalid, "Invalid input for provider:network_type: '%s'; the undercloud has flat and vlan networks", n.NetworkType)
	}
	all, err := tx.Networks()
	if err != nil {
		return "", err
	}
	for _, o := range all {
		if n.NetworkType == "flat" && o.NetworkType == "flat" && n.PhysicalNetwork != "" && o.PhysicalNetwork == n.PhysicalNetwork {
			return "", errs.New(errs.Conflict, "Unable to create the flat network. Physical network %s is in use.", n.PhysicalNetwork)
		}
	}
	return n.ID, tx.PutNetwork(n)
}

func (s *Service) updateNetwork(tx Tx, id string, r *http.Request) error {
	a, err := read[networkArgs](r, "network")
	if err != nil {
		return err
	}
	return s.editNetwork(tx, id, func(n *Network) { a.apply(n) })
}

func (s *Service) tagNetwork(tx Tx, id string, tags []string) error {
	return s.editNetwork(tx, id, func(n *Network) { n.Tags = tags })
}

func (s *Service) editNetwork(tx Tx, id string, edit func(*Network)) error {
	n, err := find(tx.Networks, func(n *Network) bool { return n.ID == id }, "Network", id)
	if err != nil {
		return err
	}
	edit(n)
	n.Revision++
	n.UpdatedAt = s.now()
	return tx.PutNetwork(n)
}

func dropNetwork(tx Tx, id string) error {
	ports, err := tx.Ports()
	if err != nil {
		return err
	}
	if slices.ContainsFunc(ports, func(p *Port) bool { return p.NetworkID == id }) {
		return errs.New(errs.Conflict, "Unable to complete operation on network %s. There are one or more ports still in use on the network.", id)
	}
	subnets, err := tx.Subnets()
	if err != nil {
		return err
	}
	for _, n := range subnets {
		if n.NetworkID == id {
			if err := tx.DropSubnet(n.ID); err != nil {
				return err
			}
		}
	}
	return tx.DropNetwork(id)
}

func (s *Service) createSubnet(tx Tx, r *http.Request) (string, error) {
	a, err := read[subnetArgs](r, "subnet")
	if err != nil {
		return "", err
	}
	net, err := find(tx.Networks, func(n *Network) bool { return n.ID == a.NetworkID.v }, "Network", a.NetworkID.v)
	if err != nil {
		return "", err
	}
	n, err := newSubnet(a)
	if err != nil {
		return "", err
	}
	all, err := tx.Subnets()
	if err != nil {
		return "", err
	}
	for _, o := range all {
		if o.NetworkID == net.ID && o.CIDR.Overlaps(n.CIDR) {
			return "", errs.New(errs.Invalid, "Invalid input for operation: Requested subnet with cidr: %s for network: %s overlaps with another subnet.", n.CIDR, net.ID)
		}
	}
	n.ID, n.NetworkID, n.ProjectID = s.cfg.NewID(), net.ID, project(r)
	n.CreatedAt = s.now()
	n.UpdatedAt = n.CreatedAt
	return n.ID, tx.PutSubnet(n)
}

func (s *Service) updateSubnet(tx Tx, id string, r *http.Request) error {
	a, err := read[subnetArgs](r, "subnet")
	if err != nil {
		return err
	}
	if a.CIDR.set || a.NetworkID.set || a.IPVersion.set || a.IPv6AddressMode.set || a.IPv6RAMode.set {
		return errs.New(errs.Invalid, "Cannot update read-only attribute cidr, network_id, ip_version, ipv6_address_mode or ipv6_ra_mode of a subnet")
	}
	return s.editSubnet(tx, id, a.apply)
}

func (s *Service) tagSubnet(tx Tx, id string, tags []string) error {
	return s.editSubnet(tx, id, func(n *Subnet) error { n.Tags = tags; return nil })
}

func (s *Service) editSubnet(tx Tx, id string, edit func(*Subnet) error) error {
	n, err := find(tx.Subnets, func(n *Subnet) bool { return n.ID == id }, "Subnet", id)
	if err != nil {
		return err
	}
	if err := edit(n); err != nil {
		return err
	}
	if err := n.check(); err != nil {
		return err
	}
	n.Revision++
	n.UpdatedAt = s.now()
	return tx.PutSubnet(n)
}

func dropSubnet(tx Tx, id string) error {
	ports, err := tx.Ports()
	if err != nil {
		return err
	}
	if len(usedOn(id, ports)) > 0 {
		return errs.New(errs.Conflict, "Unable to complete operation on subnet %s: One or more ports have an IP allocation from this subnet.", id)
	}
	return tx.DropSubnet(id)
}

func (s *Service) createPortFrom(tx Tx, r *http.Request) (string, error) {
	a, err := read[portArgs](r, "port")
	if err != nil {
		return "", err
	}
	p, err := s.createPort(tx, a, project(r))
	if err != nil {
		return "", err
	}
	return p.ID, nil
}

func (s *Service) updatePortFrom(tx Tx, id string, r *http.Request) error {
	a, err := read[portArgs](r, "port")
	if err == nil {
		_, err = s.updatePort(tx, id, a)
	}
	return err
}

func (s *Service) tagPort(tx Tx, id string, tags []string) error {
	_, err := s.updatePort(tx, id, &portArgs{Tags: opt[[]string]{set: true, v: tags}})
	return err
}

const stamp = "2006-01-02T15:04:05Z"

func networkViews(tx Tx) ([]map[string]any, error) {
	nets, err := tx.Networks()
	if err != nil {
		return nil, err
	}
	subnets, err := tx.Subnets()
	if err != nil {
		return nil, err
	}
	var out []map[string]any
	for _, n := range nets {
		ids := []string{}
		for _, sub := range subnets {
			if sub.NetworkID == n.ID {
				ids = append(ids, sub.ID)
			}
		}
		out = append(out, map[string]any{"id": n.ID, "name": n.Name, "description": n.Description,
			"project_id": n.ProjectID, "tenant_id": n.ProjectID, "admin_state_up": n.AdminStateUp, "status": "ACTIVE",
			"shared": n.Shared, "router:external": n.External, "mtu": n.MTU, "subnets": ids,
			"provider:network_type": n.NetworkType, "provider:physical_network": orNull(n.PhysicalNetwork),
			"provider:segmentation_id": n.SegmentationID, "dns_domain": n.DNSDomain, "port_security_enabled": false,
			"availability_zones": []string{}, "availability_zone_hints": []string{}, "is_default": false,
			"ipv4_address_scope": nil, "ipv6_address_scope": nil, "qos_policy_id": nil, "vlan_transparent": nil,
			"tags": n.Tags, "revision_number": n.Revision,
			"created_at": n.CreatedAt.Format(stamp), "updated_at": n.UpdatedAt.Format(stamp)})
	}
	return out, nil
}

func subnetViews(tx Tx) ([]map[string]any, error) {
	subnets, err := tx.Subnets()
	if err != nil {
		return nil, err
	}
	var out []map[string]any
	for _, n := range subnets {
		version, gateway := 4, any(nil)
		if n.CIDR.Addr().Is6() {
			version = 6
		}
		if n.GatewayIP.IsValid() {
			gateway = n.GatewayIP.String()
		}
		out = append(out, map[string]any{"id": n.ID, "name": n.Name, "description": n.Description,
			"network_id": n.NetworkID, "project_id": n.ProjectID, "tenant_id": n.ProjectID, "cidr": n.CIDR.String(),
			"ip_version": version, "gateway_ip": gateway, "enable_dhcp": n.EnableDHCP,
			"allocation_pools": n.AllocationPools, "dns_nameservers": n.DNSNameservers, "host_routes": n.HostRoutes,
			"ipv6_address_mode": orNull(n.IPv6AddressMode), "ipv6_ra_mode": orNull(n.IPv6RAMode), "segment_id": nil, "service_types": []string{},
			"subnetpool_id": nil, "dns_publish_fixed_ip": false, "tags": n.Tags, "revision_number": n.Revision,
			"created_at": n.CreatedAt.Format(stamp), "updated_at": n.UpdatedAt.Format(stamp)})
	}
	return out, nil
}

func portViews(tx Tx) ([]map[string]any, error) {
	ports, err := tx.Ports()
	if err != nil {
		return nil, err
	}
	var out []map[string]any
	for _, p := range ports {
		status := "DOWN"
		if p.BindingHost != "" && p.AdminStateUp {
			status = "ACTIVE"
		}
		out = append(out, map[string]any{"id": p.ID, "name": p.Name, "description": p.Description,
			"network_id": p.NetworkID, "project_id": p.ProjectID, "tenant_id": p.ProjectID, "status": status,
			"mac_address": strings.ToLower(p.MACAddress), "fixed_ips": p.FixedIPs, "device_id": p.DeviceID,
			"device_owner": p.DeviceOwner, "admin_state_up": p.AdminStateUp, "dns_name": p.DNSName,
			"binding:host_id": p.BindingHost, "binding:vnic_type": p.VNICType, "binding:profile": p.Profile,
			"binding:vif_type": "other", "binding:vif_details": map[string]any{}, "allowed_address_pairs": []any{},
			"extra_dhcp_opts": []any{}, "security_groups": []any{}, "port_security_enabled": false, "qos_policy_id": nil,
			"tags": p.Tags, "revision_number": p.Revision,
			"created_at": p.CreatedAt.Format(stamp), "updated_at": p.UpdatedAt.Format(stamp)})
	}
	return out, nil
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}
