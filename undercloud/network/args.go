package network

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/jsonbody"
)

const maxBody = 1 << 20

// opt is an attribute that may be absent, null or a value.
type opt[T any] struct {
	set  bool
	null bool
	v    T
}

// UnmarshalJSON implements json.Unmarshaler; it is called for null, too.
func (o *opt[T]) UnmarshalJSON(data []byte) error {
	o.set = true
	if string(data) == "null" {
		o.null = true
		return nil
	}
	err := json.Unmarshal(data, &o.v)
	var text string
	if err != nil && json.Unmarshal(data, &text) == nil && json.Unmarshal([]byte(text), &o.v) == nil {
		return nil // "1450" for 1450: OpenStackClient sends what the user typed
	}
	return err
}

// into writes the value to dst when the request has one.
func (o opt[T]) into(dst *T) {
	if o.set && !o.null {
		*dst = o.v
	}
}

type networkArgs struct {
	Name            opt[string] `json:"name"`
	Description     opt[string] `json:"description"`
	AdminStateUp    opt[bool]   `json:"admin_state_up"`
	Shared          opt[bool]   `json:"shared"`
	External        opt[bool]   `json:"router:external"`
	MTU             opt[int]    `json:"mtu"`
	NetworkType     opt[string] `json:"provider:network_type"`
	PhysicalNetwork opt[string] `json:"provider:physical_network"`
	SegmentationID  opt[int]    `json:"provider:segmentation_id"`
	DNSDomain       opt[string] `json:"dns_domain"`
	ProjectID       opt[string] `json:"project_id"`
	TenantID        opt[string] `json:"tenant_id"`
	PortSecurity    opt[bool]   `json:"port_security_enabled"`
}

func (a networkArgs) apply(n *Network) {
	a.Name.into(&n.Name)
	a.Description.into(&n.Description)
	a.AdminStateUp.into(&n.AdminStateUp)
	a.Shared.into(&n.Shared)
	a.External.into(&n.External)
	a.MTU.into(&n.MTU)
	a.NetworkType.into(&n.NetworkType)
	a.PhysicalNetwork.into(&n.PhysicalNetwork)
	a.DNSDomain.into(&n.DNSDomain)
	if a.SegmentationID.set && !a.SegmentationID.null {
		n.SegmentationID = &a.SegmentationID.v
	}
}

type subnetArgs struct {
	NetworkID       opt[string]   `json:"network_id"`
	Name            opt[string]   `json:"name"`
	Description     opt[string]   `json:"description"`
	CIDR            opt[string]   `json:"cidr"`
	IPVersion       opt[int]      `json:"ip_version"`
	GatewayIP       opt[string]   `json:"gateway_ip"`
	EnableDHCP      opt[bool]     `json:"enable_dhcp"`
	AllocationPools opt[[]Pool]   `json:"allocation_pools"`
	DNSNameservers  opt[[]string] `json:"dns_nameservers"`
	HostRoutes      opt[[]Route]  `json:"host_routes"`
	ProjectID       opt[string]   `json:"project_id"`
	TenantID        opt[string]   `json:"tenant_id"`
	SegmentID       opt[string]   `json:"segment_id"`
	IPv6AddressMode opt[string]   `json:"ipv6_address_mode"`
	IPv6RAMode      opt[string]   `json:"ipv6_ra_mode"`
}

type portArgs struct {
	NetworkID     opt[string]         `json:"network_id"`
	Name          opt[string]         `json:"name"`
	Description   opt[string]         `json:"description"`
	MACAddress    opt[string]         `json:"mac_address"`
	FixedIPs      opt[[]FixedIP]      `json:"fixed_ips"`
	DeviceID      opt[string]         `json:"device_id"`
	DeviceOwner   opt[string]         `json:"device_owner"`
	AdminStateUp  opt[bool]           `json:"admin_state_up"`
	DNSName       opt[string]         `json:"dns_name"`
	BindingHost   opt[string]         `json:"binding:host_id"`
	VNICType      opt[string]         `json:"binding:vnic_type"`
	Profile       opt[map[string]any] `json:"binding:profile"`
	ProjectID     opt[string]         `json:"project_id"`
	TenantID      opt[string]         `json:"tenant_id"`
	PortSecurity  opt[bool]           `json:"port_security_enabled"`
	SecurityGroup opt[[]string]       `json:"security_groups"`
	Tags          opt[[]string]       `json:"tags"`
}

func (a portArgs) apply(p *Port) {
	a.Name.into(&p.Name)
	a.Description.into(&p.Description)
	a.DeviceID.into(&p.DeviceID)
	a.DeviceOwner.into(&p.DeviceOwner)
	a.AdminStateUp.into(&p.AdminStateUp)
	a.DNSName.into(&p.DNSName)
	a.BindingHost.into(&p.BindingHost)
	a.VNICType.into(&p.VNICType)
	a.Profile.into(&p.Profile)
	a.Tags.into(&p.Tags)
}

// read decodes {"network": {…}}. Unknown attributes are refused, as Neutron does.
func read[T any](r *http.Request, kind string) (*T, error) {
	var outer map[string]json.RawMessage
	if err := jsonbody.Object(r, maxBody, &outer); err != nil {
		return nil, err
	}
	inner, ok := outer[kind]
	if !ok || string(inner) == "null" {
		return nil, errs.New(errs.Invalid, "Unable to find '%s' in request body", kind)
	}
	out := new(T)
	d := json.NewDecoder(strings.NewReader(string(inner)))
	d.DisallowUnknownFields()
	err := d.Decode(out)
	if err != nil {
		if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
			return nil, errs.New(errs.Invalid, "Unrecognized attribute(s) '%s'", strings.Trim(field, `"`))
		}
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return nil, errs.New(errs.Invalid, "Invalid input for %s: expected %s, got %s", wrong.Field, wrong.Type, wrong.Value)
		}
		return nil, errs.Wrap(errs.Invalid, err, "Invalid input for %s", kind)
	}
	return out, nil
}
