// Package provision makes the networks, virtual addresses and node ports of a
// deployment in the network service, reads them back, and writes the
// environments that templates take them from. It does what Wallaby's
// tripleo-ansible modules do (tripleo_composable_network,
// tripleo_overcloud_network_vip_provision, tripleo_overcloud_network_ports and
// their *_populate_environment), with the same names and tags. Segments are not
// made: the undercloud's networks have one wire each.
//
// Every call looks at what is there and changes only what differs, so that it
// may be killed at any instant and be called again.
package provision

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gophercloud/gophercloud/v2"

	"trefoil/internal/errs"
	"trefoil/overcloud/network"
	"trefoil/overcloud/session"
)

// Client talks to the network service. Safe for concurrent use; two calls that
// change one network at the same time are not.
type Client struct{ c *gophercloud.ServiceClient }

// New makes a client of a session.
func New(s *session.Session) (*Client, error) {
	c, err := s.Network()
	if err != nil {
		return nil, err
	}
	return &Client{c}, nil
}

type netRow struct {
	ID           string   `json:"id"`
	Name         string   `json:"name"`
	AdminStateUp bool     `json:"admin_state_up"`
	Shared       bool     `json:"shared"`
	MTU          int      `json:"mtu"`
	DNSDomain    string   `json:"dns_domain"`
	Tags         []string `json:"tags"`
}

type poolRow struct {
	Start string `json:"start"`
	End   string `json:"end"`
}

type routeRow struct {
	Destination string `json:"destination"`
	Nexthop     string `json:"nexthop"`
}

type subnetRow struct {
	ID              string     `json:"id"`
	Name            string     `json:"name"`
	NetworkID       string     `json:"network_id"`
	CIDR            string     `json:"cidr"`
	IPVersion       int        `json:"ip_version"`
	GatewayIP       *string    `json:"gateway_ip"`
	EnableDHCP      bool       `json:"enable_dhcp"`
	AllocationPools []poolRow  `json:"allocation_pools"`
	HostRoutes      []routeRow `json:"host_routes"`
	DNSNameservers  []string   `json:"dns_nameservers"`
	IPv6AddressMode *string    `json:"ipv6_address_mode"`
	IPv6RAMode      *string    `json:"ipv6_ra_mode"`
	Tags            []string   `json:"tags"`
}

type fixedIP struct {
	SubnetID  string `json:"subnet_id,omitempty"`
	IPAddress string `json:"ip_address,omitempty"`
}

type portRow struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	NetworkID string    `json:"network_id"`
	DNSName   string    `json:"dns_name"`
	DeviceID  string    `json:"device_id"`
	FixedIPs  []fixedIP `json:"fixed_ips"`
	Tags      []string  `json:"tags"`
}

// list reads a collection: networks, subnets or ports.
func list[T any](ctx context.Context, c *Client, plural string, query url.Values) ([]T, error) {
	var body map[string][]T
	_, err := c.c.Get(ctx, c.c.ServiceURL(plural)+"?"+query.Encode(), &body, nil)
	return body[plural], session.Explain(err)
}

// create posts a new thing and reads it into out.
func create[T any](ctx context.Context, c *Client, singular string, attrs map[string]any) (*T, error) {
	body := map[string]*T{singular: new(T)}
	_, err := c.c.Post(ctx, c.c.ServiceURL(singular+"s"), map[string]any{singular: attrs}, &body, &gophercloud.RequestOpts{OkCodes: []int{http.StatusCreated}})
	return body[singular], session.Explain(err)
}

// update writes the attributes that differ; none is no request.
func (c *Client) update(ctx context.Context, singular, id string, attrs map[string]any) error {
	if len(attrs) == 0 {
		return nil
	}
	_, err := c.c.Put(ctx, c.c.ServiceURL(singular+"s", id), map[string]any{singular: attrs}, nil, &gophercloud.RequestOpts{OkCodes: []int{http.StatusOK}})
	return session.Explain(err)
}

// tag sets the tags where they differ.
func (c *Client) tag(ctx context.Context, singular, id string, have, want []string) error {
	if slices.Equal(slices.Sorted(slices.Values(have)), slices.Sorted(slices.Values(want))) {
		return nil
	}
	_, err := c.c.Put(ctx, c.c.ServiceURL(singular+"s", id, "tags"), map[string]any{"tags": want}, nil, &gophercloud.RequestOpts{OkCodes: []int{http.StatusOK}})
	return session.Explain(err)
}

// remove deletes a thing; one that is gone already is no error.
func (c *Client) remove(ctx context.Context, singular, id string) error {
	_, err := c.c.Delete(ctx, c.c.ServiceURL(singular+"s", id), nil)
	if err = session.Explain(err); errs.Is(err, errs.NotFound) {
		return nil
	}
	return err
}

// world is what the network service has.
type world struct {
	nets    []netRow
	subnets []subnetRow
}

func (c *Client) world(ctx context.Context) (*world, error) {
	nets, err := list[netRow](ctx, c, "networks", nil)
	if err != nil {
		return nil, err
	}
	subnets, err := list[subnetRow](ctx, c, "subnets", nil)
	return &world{nets, subnets}, err
}

// net finds a network by its name, or nil.
func (w *world) net(name string) *netRow {
	if i := slices.IndexFunc(w.nets, func(n netRow) bool { return n.Name == name }); i >= 0 {
		return &w.nets[i]
	}
	return nil
}

func (w *world) netByID(id string) *netRow {
	if i := slices.IndexFunc(w.nets, func(n netRow) bool { return n.ID == id }); i >= 0 {
		return &w.nets[i]
	}
	return nil
}

func (w *world) subnetByID(id string) *subnetRow {
	if i := slices.IndexFunc(w.subnets, func(s subnetRow) bool { return s.ID == id }); i >= 0 {
		return &w.subnets[i]
	}
	return nil
}

// of are the subnets of a network.
func (w *world) of(netID string) []subnetRow {
	var out []subnetRow
	for _, s := range w.subnets {
		if s.NetworkID == netID {
			out = append(out, s)
		}
	}
	return out
}

// names are those of all networks, for suggestions.
func (w *world) names() []string {
	var out []string
	for _, n := range w.nets {
		out = append(out, n.Name)
	}
	return out
}

// tagValue reads "key=value" out of tags; "" if there is none.
func tagValue(tags []string, key string) string {
	for _, t := range tags {
		if v, ok := strings.CutPrefix(t, key+"="); ok {
			return v
		}
	}
	return ""
}

// capital is a network's name as templates spell it.
func (n netRow) capital() string {
	if n.Name == network.ControlPlane {
		return "ControlPlane"
	}
	if v := tagValue(n.Tags, "tripleo_network_name"); v != "" {
		return v
	}
	return n.Name
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// stackTag marks what belongs to a stack.
func stackTag(stack string) string { return "tripleo_stack_name=" + stack }
