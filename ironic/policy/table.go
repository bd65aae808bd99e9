package policy

// Sets of roles that many policies have. Their names are those of Ironic's own.
const (
	systemRead = systemReader | systemService

	systemOrProjectReader = systemRead | ownerReader | lesseeReader | ownerService
	systemOrProjectMember = systemMember | systemService | ownerMember | lesseeMember
	systemOrOwnerReader   = systemRead | ownerReader | ownerService

	// systemOrOwnerMemberAndLesseeAdmin is for work on a machine in use, such as provisioning.
	systemOrOwnerMemberAndLesseeAdmin = systemMember | systemService | ownerMember | ownerService | lesseeAdmin | lesseeManager

	systemAdminOrOwnerAdmin        = systemAdmin | systemService | ownerAdmin | ownerManager | ownerService
	systemMemberOrOwnerAdmin       = systemMember | systemService | ownerAdmin | ownerManager | ownerService
	systemMemberOrOwnerMember      = systemMember | systemService | ownerMember | ownerService
	systemMemberOrOwnerLesseeAdmin = systemMemberOrOwnerAdmin | lesseeAdmin | lesseeManager

	// Allocations and runbooks have an owner and no lessee.
	allocationMember = systemMember | ownerMember
	allocationReader = systemRead | ownerReader
	runbookAdmin     = systemMember | ownerManager | anyService
	runbookReader    = systemRead | ownerReader | anyService

	apiReader = anyReader | anyService
)

// rule is one line of the table.
type rule struct {
	name string
	who  who
}

// table has every policy, in the order in which people look for them.
func table() []rule {
	t := []rule{
		// Secrets are masked for everybody.
		{"show_password", nobody},
		{"show_instance_secrets", nobody},
	}
	t = append(t, nodeTable()...)
	t = append(t, nodeFieldTable()...)
	t = append(t, partTable()...)
	return append(t, serviceTable()...)
}

// nodeTable is about nodes and what lies below them.
func nodeTable() []rule {
	return []rule{
		{"baremetal:node:create", systemAdmin | systemService},
		{"baremetal:node:create:self_owned_node", anyAdmin | anyService},
		{"baremetal:node:list", apiReader},
		{"baremetal:node:list_all", systemRead},
		{"baremetal:node:get", systemOrProjectReader},
		{"baremetal:node:delete", systemAdmin},
		{"baremetal:node:delete:self_owned_node", ownerAdmin},
		{"baremetal:node:validate", systemOrOwnerMemberAndLesseeAdmin},
		{"baremetal:node:set_maintenance", systemOrOwnerMemberAndLesseeAdmin},
		{"baremetal:node:clear_maintenance", systemOrOwnerMemberAndLesseeAdmin},
		{"baremetal:node:get_boot_device", systemMemberOrOwnerAdmin},
		{"baremetal:node:set_boot_device", systemMemberOrOwnerAdmin},
		{"baremetal:node:get_indicator_state", systemOrProjectReader},
		{"baremetal:node:set_indicator_state", systemMemberOrOwnerMember},
		{"baremetal:node:inject_nmi", systemMemberOrOwnerAdmin},
		{"baremetal:node:get_states", systemOrProjectReader},
		{"baremetal:node:set_power_state", systemOrProjectMember},
		{"baremetal:node:set_boot_mode", systemOrProjectMember},
		{"baremetal:node:set_secure_boot", systemOrProjectMember},
		{"baremetal:node:set_provision_state", systemOrOwnerMemberAndLesseeAdmin},
		{"baremetal:node:set_provision_state:clean_steps", systemOrOwnerMemberAndLesseeAdmin},
		{"baremetal:node:set_provision_state:service_steps", systemOrOwnerMemberAndLesseeAdmin},
		{"baremetal:node:set_raid_state", systemMemberOrOwnerMember},
		{"baremetal:node:get_console", systemMemberOrOwnerMember},
		{"baremetal:node:set_console_state", systemMemberOrOwnerMember},
		{"baremetal:node:vif:list", systemOrProjectReader},
		{"baremetal:node:vif:attach", systemOrOwnerMemberAndLesseeAdmin},
		{"baremetal:node:vif:detach", systemOrOwnerMemberAndLesseeAdmin},
		{"baremetal:node:traits:list", systemOrProjectReader},
		{"baremetal:node:traits:set", systemMemberOrOwnerAdmin},
		{"baremetal:node:traits:delete", systemMemberOrOwnerAdmin},
		{"baremetal:node:bios:get", systemOrProjectReader},
		{"baremetal:node:firmware:get", systemOrProjectReader},
		{"baremetal:node:history:get", systemOrOwnerReader},
		{"baremetal:node:inventory:get", systemOrOwnerReader},
		{"baremetal:node:vmedia:attach", systemOrProjectMember},
		{"baremetal:node:vmedia:detach", systemOrProjectMember},
		{"baremetal:node:vmedia:get", systemOrProjectReader},
		{"baremetal:node:vendor_passthru", systemAdmin},
	}
}

// nodeFieldTable is about single fields of nodes: who sees them, who changes them.
func nodeFieldTable() []rule {
	return []rule{
		{"baremetal:node:get:filter_threshold", systemRead},
		{"baremetal:node:get:last_error", systemOrOwnerReader},
		{"baremetal:node:get:reservation", systemOrOwnerReader},
		{"baremetal:node:get:driver_internal_info", systemOrOwnerReader},
		{"baremetal:node:get:driver_info", systemOrOwnerReader},
		{"baremetal:node:update", systemOrProjectMember},
		{"baremetal:node:update_extra", systemOrProjectMember},
		{"baremetal:node:update_instance_info", systemOrOwnerMemberAndLesseeAdmin},
		{"baremetal:node:update_owner_provisioned", systemAdmin},
		{"baremetal:node:update:driver_info", systemMemberOrOwnerMember},
		{"baremetal:node:update:properties", systemMemberOrOwnerMember},
		{"baremetal:node:update:chassis_uuid", systemAdmin},
		{"baremetal:node:update:instance_uuid", systemMemberOrOwnerMember},
		{"baremetal:node:update:lessee", systemMemberOrOwnerMember},
		{"baremetal:node:update:owner", systemMember},
		{"baremetal:node:update:driver_interfaces", systemMemberOrOwnerAdmin},
		{"baremetal:node:update:network_data", systemMemberOrOwnerMember},
		{"baremetal:node:update:conductor_group", systemMember},
		{"baremetal:node:update:name", systemMemberOrOwnerMember},
		{"baremetal:node:update:retired", systemMemberOrOwnerMember},
		{"baremetal:node:update:shard", systemAdmin},
		{"baremetal:node:update:parent_node", systemMember},
		{"baremetal:node:update:disable_power_off", systemAdmin},
		{"baremetal:node:disable_cleaning", systemAdmin},
	}
}

// partTable is about what belongs to a node, whose owner and lessee count, and
// about allocations, which have an owner of their own.
func partTable() []rule {
	return []rule{
		{"baremetal:port:get", systemOrProjectReader},
		{"baremetal:port:list", apiReader},
		{"baremetal:port:list_all", systemRead},
		{"baremetal:port:create", systemAdminOrOwnerAdmin},
		{"baremetal:port:delete", systemAdminOrOwnerAdmin},
		{"baremetal:port:update", systemMemberOrOwnerAdmin},
		{"baremetal:portgroup:get", systemOrProjectReader},
		{"baremetal:portgroup:list", apiReader},
		{"baremetal:portgroup:list_all", systemRead},
		{"baremetal:portgroup:create", systemAdminOrOwnerAdmin},
		{"baremetal:portgroup:delete", systemAdminOrOwnerAdmin},
		{"baremetal:portgroup:update", systemMemberOrOwnerAdmin},
		{"baremetal:volume:get", systemOrProjectReader},
		{"baremetal:volume:list", apiReader},
		{"baremetal:volume:list_all", systemRead},
		{"baremetal:volume:create", systemMemberOrOwnerLesseeAdmin},
		{"baremetal:volume:delete", systemMemberOrOwnerLesseeAdmin},
		{"baremetal:volume:update", systemOrOwnerMemberAndLesseeAdmin},
		{"baremetal:volume:view_target_properties", systemRead | anyAdmin},
		{"baremetal:allocation:get", allocationReader},
		{"baremetal:allocation:list", apiReader},
		{"baremetal:allocation:list_all", systemRead},
		{"baremetal:allocation:create", systemMember | anyMember},
		{"baremetal:allocation:create_restricted", systemMember},
		{"baremetal:allocation:delete", allocationMember},
		{"baremetal:allocation:update", allocationMember},
	}
}

// serviceTable is about what the service itself has.
func serviceTable() []rule {
	return []rule{
		{"baremetal:chassis:get", systemRead},
		{"baremetal:chassis:create", systemAdmin},
		{"baremetal:chassis:delete", systemAdmin},
		{"baremetal:chassis:update", systemMember},
		{"baremetal:driver:get", systemRead},
		{"baremetal:driver:get_properties", systemRead},
		{"baremetal:driver:get_raid_logical_disk_properties", systemRead},
		{"baremetal:driver:vendor_passthru", systemAdmin},
		{"baremetal:conductor:get", systemRead},
		{"baremetal:shards:get", systemRead},
		{"baremetal:events:post", systemAdmin},
		{"baremetal:deploy_template:get", systemRead},
		{"baremetal:deploy_template:create", systemAdmin},
		{"baremetal:deploy_template:delete", systemAdmin},
		{"baremetal:deploy_template:update", systemAdmin},
		{"baremetal:runbook:get", runbookReader},
		{"baremetal:runbook:list", apiReader},
		{"baremetal:runbook:list_all", systemRead},
		{"baremetal:runbook:create", systemMember | anyManager | anyService},
		{"baremetal:runbook:delete", runbookAdmin},
		{"baremetal:runbook:update", runbookAdmin},
		{"baremetal:runbook:update:public", systemMember},
		{"baremetal:runbook:update:owner", systemMember},
		{"baremetal:runbook:use", runbookAdmin},
		{"baremetal:inspection_rule:get", systemRead},
		{"baremetal:inspection_rule:list_all", systemRead},
		{"baremetal:inspection_rule:create", systemAdmin},
		{"baremetal:inspection_rule:update", systemAdmin},
		{"baremetal:inspection_rule:delete", systemAdmin},
	}
}
