package eval

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"sort"
	"strings"

	"trefoil/overcloud/hot"
)

// Types that the engine treats by name.
const (
	none      = "OS::Heat::None"
	groupType = "OS::Heat::ResourceGroup"
	chainType = "OS::Heat::ResourceChain"
)

// kind is a built-in resource type: what it accepts and what is planned of it.
type kind struct {
	properties []string // nil: any
	required   []string
	attributes []string // nil: any; what is not planned is null until deployment
	plan       func(r *Resource) error
	attribute  func(r *Resource, path []any, from hot.Origin) (any, error)
}

// words splits a table's row.
func words(s string) []string { return strings.Fields(s) }

// deployment is what the deployments of software share.
const deployment = "config server servers input_values actions name signal_transport"

// builtin finds a built-in type; nil if there is none.
func builtin(name string) *kind {
	if k := heatType(name); k != nil {
		return k
	}
	if k := cloudType(name); k != nil {
		return k
	}
	if slices.Contains(passive(), name) {
		return &kind{}
	}
	return nil
}

// heatType are Heat's own types.
func heatType(name string) *kind {
	switch name {
	case none:
		return &kind{}
	case groupType:
		return &kind{properties: words("count index_var resource_def removal_policies removal_policies_mode"), required: words("resource_def"), plan: planGroup, attribute: listAttribute}
	case chainType:
		return &kind{properties: words("resources concurrent resource_properties"), required: words("resources"), plan: planChain, attribute: listAttribute}
	case "OS::Heat::Value":
		return &kind{properties: words("value type"), required: words("value"), attributes: words("value"), plan: planValue}
	case "OS::Heat::RandomString":
		return &kind{properties: words("length sequence character_classes character_sequences salt"), attributes: words("value"), plan: planRandom}
	case "OS::Heat::SoftwareConfig":
		return &kind{properties: words("group config options inputs outputs"), attributes: words("config")}
	case "OS::Heat::StructuredConfig":
		return &kind{properties: words("group config options inputs outputs input_key input_values_validate"), attributes: words("config")}
	case "OS::Heat::CloudConfig":
		return &kind{properties: words("cloud_config"), attributes: words("config")}
	case "OS::Heat::MultipartMime":
		return &kind{properties: words("parts group options inputs outputs"), attributes: words("config")}
	case "OS::Heat::SoftwareDeployment":
		return &kind{properties: words(deployment)}
	case "OS::Heat::StructuredDeployment":
		return &kind{properties: words(deployment + " input_key input_values_validate")}
	case "OS::Heat::SoftwareDeployments", "OS::Heat::SoftwareDeploymentGroup", "OS::Heat::StructuredDeployments", "OS::Heat::StructuredDeploymentGroup":
		return &kind{properties: words(deployment + " input_key input_values_validate"), attribute: perServer}
	case "OS::Heat::DeployedServer":
		return &kind{properties: words("name software_config_transport deployment_swift_data metadata"), plan: planDeployedServer}
	}
	return nil
}

// cloudType are types of other services that are planned.
func cloudType(name string) *kind {
	switch name {
	case "OS::Nova::Server":
		return &kind{properties: words(`name image block_device_mapping block_device_mapping_v2 flavor flavor_update_policy
			image_update_policy key_name admin_user availability_zone security_groups networks scheduler_hints metadata
			user_data_format user_data_update_policy user_data software_config_transport reservation_id config_drive
			diskConfig personality admin_pass tags deployment_swift_data`), plan: planServer}
	case "OS::Neutron::Net":
		return &kind{properties: words(`name admin_state_up value_specs shared dns_domain dhcp_agent_ids port_security_enabled
			availability_zone_hints qos_policy tags tenant_id`), plan: planNet}
	case "OS::Neutron::Subnet":
		return &kind{properties: words(`network network_id cidr ip_version name gateway_ip dns_nameservers enable_dhcp
			allocation_pools host_routes tenant_id ipv6_ra_mode ipv6_address_mode segment subnetpool prefixlen value_specs tags`), plan: planSubnet}
	case "OS::Neutron::Port":
		return &kind{properties: words(`network network_id name value_specs admin_state_up fixed_ips mac_address device_id
			security_groups allowed_address_pairs device_owner binding:vnic_type port_security_enabled qos_policy
			replacement_policy tags no_fixed_ips dns_name propagate_uplink_status`), plan: planPort}
	}
	return nil
}

// passive are types that are accepted; nothing of them is planned.
func passive() []string {
	return words(`OS::Nova::KeyPair OS::Nova::Flavor OS::Nova::ServerGroup OS::Nova::HostAggregate OS::Neutron::SecurityGroup OS::Neutron::Router
		OS::Neutron::RouterInterface OS::Neutron::FloatingIP OS::Neutron::FloatingIPAssociation OS::Neutron::Segment
		OS::Cinder::Volume OS::Cinder::VolumeAttachment OS::Mistral::Workflow OS::Mistral::ExternalResource OS::Mistral::CronTrigger
		OS::Zaqar::Queue OS::Zaqar::Subscription OS::Zaqar::MistralTrigger OS::Swift::Container OS::Glance::WebImage
		OS::Heat::WaitCondition OS::Heat::WaitConditionHandle OS::Heat::UpdateWaitConditionHandle OS::Heat::TestResource
		OS::Heat::Stack OS::Heat::SwiftSignal OS::Heat::SwiftSignalHandle OS::Heat::AccessPolicy OS::Heat::Delay OS::Heat::SoftwareComponent
		OS::Keystone::User OS::Keystone::Project OS::Keystone::Role OS::Keystone::Service OS::Keystone::Endpoint`)
}

// builtins are the names of all built-in types, sorted.
func builtins() []string {
	out := append(passive(), words(`OS::Heat::None OS::Heat::ResourceGroup OS::Heat::ResourceChain OS::Heat::Value OS::Heat::RandomString
		OS::Heat::SoftwareConfig OS::Heat::StructuredConfig OS::Heat::CloudConfig OS::Heat::MultipartMime OS::Heat::SoftwareDeployment
		OS::Heat::StructuredDeployment OS::Heat::SoftwareDeployments OS::Heat::SoftwareDeploymentGroup OS::Heat::StructuredDeployments
		OS::Heat::StructuredDeploymentGroup OS::Heat::DeployedServer OS::Nova::Server OS::Neutron::Net OS::Neutron::Subnet OS::Neutron::Port`)...)
	sort.Strings(out)
	return out
}

// planValue checks the value against the type that is asked for. As in Heat the
// attribute is the value as it was given: "3" of type number stays text.
func planValue(r *Resource) error {
	typ := hot.String(r.Properties["type"])
	if typ == "" {
		return nil
	}
	if problem := hot.CheckValue(typ, r.Properties["value"]); problem != "" {
		r.stack.ev.problems.add(r.propertyOrigin("value"), "value of %s %s", r.Name, problem)
	}
	return nil
}

// maxRandom is Heat's own bound.
const maxRandom = 512

func planRandom(r *Resource) error {
	n, ok := whole(r.Properties["length"], 32)
	if !ok || n < 1 || n > maxRandom {
		r.stack.ev.problems.add(r.propertyOrigin("length"), "length of %s must be a number from 1 to %d, got %s", r.Name, maxRandom, hot.String(r.Properties["length"]))
		return nil
	}
	r.stack.personal()
	make := r.stack.ev.Random
	if make == nil {
		make = fromPath
	}
	text := make(r.Path(), n)
	r.state = map[string]any{"value": text}
	r.stack.ev.told.secrets = append(r.stack.ev.told.secrets, text)
	return nil
}

// fromPath makes a text of hexadecimal digits that follows from a path.
func fromPath(path string, length int) string {
	out := ""
	for sum := sha256.Sum256([]byte(path)); len(out) < length; sum = sha256.Sum256(sum[:]) {
		out += hex.EncodeToString(sum[:])
	}
	return out[:length]
}

// perServer is an attribute of a group of deployments: a map by server that is
// empty until they have run.
func perServer(*Resource, []any, hot.Origin) (any, error) { return map[string]any{}, nil }
