// Package agentapi is the wire format between the conductor and the agent in
// the ramdisk: lookup, heartbeat, commands and the inventory. It is that of
// ironic-python-agent (IPA), so that either side can be replaced by upstream's.
package agentapi

// StayOn is the kernel parameter of a machine that must never be off (disable_power_off):
// where the ramdisk or the boot script would switch it off, it starts anew. It is ours; IPA
// passes it over.
const StayOn = stayOn + "=1"

const stayOn = "trefoil-stay-on"

// StaysOn reads StayOn from the parameters of a kernel.
func StaysOn(params map[string]string) bool { return params[stayOn] == "1" }

// LookupConfig is the configuration part of the answer to GET /v1/lookup.
type LookupConfig struct {
	HeartbeatTimeout   int    `json:"heartbeat_timeout"` // seconds
	AgentToken         string `json:"agent_token"`       // shown once; "******" afterwards
	AgentTokenRequired bool   `json:"agent_token_required"`
}

// LookupNode is the node part of that answer.
type LookupNode struct {
	UUID               string         `json:"uuid"`
	Properties         map[string]any `json:"properties"`
	InstanceInfo       map[string]any `json:"instance_info"`
	DriverInternalInfo map[string]any `json:"driver_internal_info"`
}

// Lookup is the answer to GET /v1/lookup?addresses=…&node_uuid=….
type Lookup struct {
	Node   LookupNode   `json:"node"`
	Config LookupConfig `json:"config"`
}

// Heartbeat is the body of POST /v1/heartbeat/{node}.
type Heartbeat struct {
	CallbackURL        string `json:"callback_url"`
	AgentToken         string `json:"agent_token,omitempty"`
	AgentVersion       string `json:"agent_version,omitempty"`
	AgentVerifyCA      string `json:"agent_verify_ca,omitempty"`
	AgentStatus        string `json:"agent_status,omitempty"`
	AgentStatusMessage string `json:"agent_status_message,omitempty"`
}

// Command states.
const (
	Running   = "RUNNING"
	Succeeded = "SUCCEEDED"
	Failed    = "FAILED"
)

// States of a step that was not begun, since other versions of the hardware managers announced it:
// IPA's, and the one it is about to use.
const (
	CleanVersionMismatch = "CLEAN_VERSION_MISMATCH"
	VersionMismatch      = "VERSION_MISMATCH"
)

// Command is the body of POST {agent}/v1/commands/?wait=…&agent_token=….
type Command struct {
	Name   string         `json:"name"`
	Params map[string]any `json:"params"`
}

// CommandError is why a command failed.
type CommandError struct {
	Type    string `json:"type"`
	Code    int    `json:"code"`
	Message string `json:"message"`
	Details string `json:"details"`
}

// CommandStatus is one command as the agent reports it.
type CommandStatus struct {
	ID     string         `json:"id"`
	Name   string         `json:"command_name"`
	Status string         `json:"command_status"`
	Error  *CommandError  `json:"command_error"`
	Result map[string]any `json:"command_result"`
}

// Commands is the answer to GET {agent}/v1/commands/.
type Commands struct {
	Commands []CommandStatus `json:"commands"`
}

// ImageInfo is the argument image_info of deploy step write_image and of
// standby.prepare_image. Bmap fields are ours: where the whole-image checksum
// of upstream costs too much (a sparse image on a slow machine), the agent may
// fetch the block map, check it against BmapSHA256, and then fetch, write and
// check only the blocks that hold data. An agent that does not know them uses the rest.
type ImageInfo struct {
	ID              string   `json:"id"`
	URLs            []string `json:"urls"`
	DiskFormat      string   `json:"disk_format"`
	ContainerFormat string   `json:"container_format"`
	StreamRawImages bool     `json:"stream_raw_images"`
	OSHashAlgo      string   `json:"os_hash_algo,omitempty"`
	OSHashValue     string   `json:"os_hash_value,omitempty"`
	Checksum        string   `json:"checksum,omitempty"`
	NodeUUID        string   `json:"node_uuid"`
	ConfigDrive     string   `json:"configdrive,omitempty"` // gzip+base64 ISO9660 or URL

	BmapURL    string `json:"bmap_url,omitempty"`
	BmapSHA256 string `json:"bmap_sha256,omitempty"`
}

// Interface is one network interface of an Inventory.
type Interface struct {
	Name        string  `json:"name"`
	MACAddress  string  `json:"mac_address"`
	IPv4Address string  `json:"ipv4_address"`
	IPv6Address string  `json:"ipv6_address"`
	HasCarrier  bool    `json:"has_carrier"`
	LLDP        [][]any `json:"lldp"`
	Vendor      string  `json:"vendor"`
	Product     string  `json:"product"`
	ClientID    *string `json:"client_id"`
	BIOSDevName *string `json:"biosdevname"`
	SpeedMbps   *int    `json:"speed_mbps"`
	PCIAddress  string  `json:"pci_address"`
	Driver      string  `json:"driver"`
}

// Disk is one block device of an Inventory; Size is in bytes.
type Disk struct {
	Name               string  `json:"name"` // /dev/vda
	Model              string  `json:"model"`
	Size               int64   `json:"size"`
	Rotational         bool    `json:"rotational"`
	WWN                *string `json:"wwn"`
	Serial             string  `json:"serial"`
	Vendor             string  `json:"vendor"`
	WWNWithExtension   *string `json:"wwn_with_extension"`
	WWNVendorExtension *string `json:"wwn_vendor_extension"`
	HCTL               *string `json:"hctl"`
	ByPath             string  `json:"by_path"`
	LogicalSectors     int     `json:"logical_sectors"`
	PhysicalSectors    int     `json:"physical_sectors"`
	Transport          string  `json:"tran"`
}

// CPU of an Inventory. Frequency is in MHz, as text, as IPA sends it.
type CPU struct {
	ModelName    string   `json:"model_name"`
	Frequency    string   `json:"frequency"`
	Count        int      `json:"count"`
	Architecture string   `json:"architecture"`
	Flags        []string `json:"flags"`
	SocketCount  int      `json:"socket_count"`
}

// Memory of an Inventory: Total in bytes as the kernel sees it, PhysicalMB in MiB as installed.
type Memory struct {
	Total      int64 `json:"total"`
	PhysicalMB int64 `json:"physical_mb"`
}

// Firmware of a SystemVendor.
type Firmware struct {
	Vendor    string `json:"vendor"`
	Version   string `json:"version"`
	BuildDate string `json:"build_date"`
}

// SystemVendor of an Inventory.
type SystemVendor struct {
	ProductName  string   `json:"product_name"`
	SerialNumber string   `json:"serial_number"`
	Manufacturer string   `json:"manufacturer"`
	Firmware     Firmware `json:"firmware"`
}

// Boot of an Inventory.
type Boot struct {
	CurrentBootMode string `json:"current_boot_mode"`
	PXEInterface    string `json:"pxe_interface"`
}

// Inventory is what the agent found, in IPA's schema.
type Inventory struct {
	Interfaces   []Interface  `json:"interfaces"`
	CPU          CPU          `json:"cpu"`
	Disks        []Disk       `json:"disks"`
	Memory       Memory       `json:"memory"`
	BMCAddress   string       `json:"bmc_address"`
	BMCV6Address string       `json:"bmc_v6address"`
	SystemVendor SystemVendor `json:"system_vendor"`
	Boot         Boot         `json:"boot"`
	Hostname     string       `json:"hostname"`
}

// InspectionData is the body the agent posts to /v1/continue_inspection (or the
// inspector's /v1/continue).
type InspectionData struct {
	Inventory     Inventory      `json:"inventory"`
	RootDisk      *Disk          `json:"root_disk,omitempty"`
	BootInterface string         `json:"boot_interface,omitempty"` // "01-mac-with-dashes"
	Configuration map[string]any `json:"configuration,omitempty"`
	Error         *string        `json:"error"`
	Logs          string         `json:"logs,omitempty"` // base64 of a tar.gz
}
