package resource

// NetworkConfig is what os-net-config is given by TripleO's nic configs: the
// machine's interfaces, VLANs, bonds and bridges. It is tried before it is kept:
// where an address of Check that answered before does not answer any more, the
// machine goes back to what it had. The names nic1, nic2 … are the machine's
// active interfaces, those on the board first, by name, as they were when its network was
// first made: a card keeps its number, and one that comes later is behind.
type NetworkConfig struct {
	Objects []NetObject `json:"network_config" yaml:"network_config"`
	Check   []string    `json:"check,omitempty" yaml:"check,omitempty"` // IP addresses: the provisioning network's router
}

// NetObject is one object of a network_config; keys and meaning are os-net-config's.
type NetObject struct {
	Type       string       `json:"type" yaml:"type"` // interface, vlan, linux_bond, linux_bridge, ovs_bridge, ovs_bond
	Name       string       `json:"name,omitempty" yaml:"name,omitempty"`
	Device     string       `json:"device,omitempty" yaml:"device,omitempty"` // of a vlan: what it lies on
	VLANID     int          `json:"vlan_id,omitempty" yaml:"vlan_id,omitempty"`
	MTU        int          `json:"mtu,omitempty" yaml:"mtu,omitempty"` // bytes
	UseDHCP    bool         `json:"use_dhcp,omitempty" yaml:"use_dhcp,omitempty"`
	UseDHCPv6  bool         `json:"use_dhcpv6,omitempty" yaml:"use_dhcpv6,omitempty"`
	DefRoute   *bool        `json:"defroute,omitempty" yaml:"defroute,omitempty"` // whether DHCP gives the default route
	Addresses  []NetAddress `json:"addresses,omitempty" yaml:"addresses,omitempty"`
	Routes     []NetRoute   `json:"routes,omitempty" yaml:"routes,omitempty"`
	DNSServers []string     `json:"dns_servers,omitempty" yaml:"dns_servers,omitempty"`
	Members    []NetObject  `json:"members,omitempty" yaml:"members,omitempty"` // of bonds and bridges

	Primary        bool   `json:"primary,omitempty" yaml:"primary,omitempty"`                 // of a bond's members the one to use
	BondingOptions string `json:"bonding_options,omitempty" yaml:"bonding_options,omitempty"` // mode=active-backup miimon=100
	OVSOptions     string `json:"ovs_options,omitempty" yaml:"ovs_options,omitempty"`         // bond_mode=balance-slb
}

// NetAddress is an address with the length of its prefix: 192.168.24.5/24.
type NetAddress struct {
	IPNetmask string `json:"ip_netmask" yaml:"ip_netmask"`
}

// NetRoute is a route; Default means that IPNetmask is everything.
type NetRoute struct {
	IPNetmask   string `json:"ip_netmask,omitempty" yaml:"ip_netmask,omitempty"`
	Destination string `json:"destination,omitempty" yaml:"destination,omitempty"` // another word for it
	NextHop     string `json:"next_hop,omitempty" yaml:"next_hop,omitempty"`
	Nexthop     string `json:"nexthop,omitempty" yaml:"nexthop,omitempty"` // another spelling
	Default     bool   `json:"default,omitempty" yaml:"default,omitempty"`
}
