package resource

// NetworkConfigService is the service of a machine's own network, which no template brings.
const NetworkConfigService = "network_config"

// First tells whether a service is one that all others of the machine stand on, so that
// they begin a step when its own part is done: addresses that services listen at, names
// by which members of a cluster look for each other, and the firewall, since a Galera
// server gives all data to whoever joins it. The names are those of the service templates.
func First(service string) bool {
	switch service {
	case NetworkConfigService, "hosts", "tripleo_firewall":
		return true
	}
	return false
}
