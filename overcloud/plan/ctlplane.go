package plan

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"trefoil/overcloud/stack/eval"
)

// ctlplane is the provisioning network; TripleO's default where none is given.
func (b *builder) ctlplane() eval.Subnet {
	s := b.o.Ctlplane
	if s.CIDR == "" {
		s = eval.Subnet{CIDR: "192.168.24.0/24", Gateway: "192.168.24.1", Pools: []eval.Pool{{Start: "192.168.24.5", End: "192.168.24.254"}}}
	}
	if s.Network == "" {
		s.Network, s.Name = "ctlplane", "ctlplane-subnet"
	}
	s.MTU = cmp.Or(s.MTU, 1500)
	return s
}

// roomy is ctlplane with addresses for all machines where it is TripleO's default: whether the real
// one has as many only the undercloud knows, and who plans without it is not stopped by the default's
// size. Those behind it are for tests (RFC 2544; of their other half rehearse takes its own).
func (b *builder) roomy() eval.Subnet {
	const fit = 200 // that surely do, beside virtual addresses
	s := b.ctlplane()
	if b.o.Ctlplane.CIDR == "" && b.machines > fit {
		s.Pools = append(s.Pools, eval.Pool{Start: "198.19.0.1", End: "198.19.255.254"})
	}
	return s
}

// networkAttributes is what Wallaby's client tells the templates of ctlplane.
func networkAttributes(s eval.Subnet) map[string]any {
	version := 4
	if strings.Contains(s.CIDR, ":") {
		version = 6
	}
	dns := []any{}
	for _, d := range s.DNS {
		dns = append(dns, d)
	}
	return map[string]any{
		"network": map[string]any{"name": s.Network, "mtu": s.MTU, "dns_domain": "", "tags": []any{s.CIDR}},
		"subnets": map[string]any{s.Name: map[string]any{"name": s.Name, "cidr": s.CIDR, "gateway_ip": s.Gateway, "dns_nameservers": dns,
			"host_routes": []any{}, "ip_version": version}},
	}
}

// known are the addresses that are kept, and the indexes of the machines that are
// there already, by the paths that their resources have.
func (b *builder) known(network string) (map[string]string, map[string][]int) {
	addresses, indexes := map[string]string{}, map[string][]int{}
	for k, v := range b.o.Addresses {
		addresses[k] = v
	}
	for _, m := range b.o.Machines {
		group := b.o.Stack + "." + m.Role
		indexes[group] = append(indexes[group], m.Index)
		i := slices.IndexFunc(b.roles.roles, func(r roleDef) bool { return r.Name == m.Role })
		if i < 0 || m.Address == "" {
			continue
		}
		for _, key := range b.serverKeys(memberOf{m.Role, m.Index}, i, network) {
			addresses[key] = m.Address
		}
	}
	b.reserve(addresses, network)
	for _, list := range indexes {
		slices.Sort(list)
	}
	return addresses, indexes
}

// seeded makes texts of letters and digits from a secret and a name.
func seeded(seed []byte) func(string, int) string {
	return func(path string, length int) string {
		out := ""
		for i := 0; len(out) < length; i++ {
			h := hmac.New(sha256.New, seed)
			fmt.Fprintf(h, "%s/%d", path, i)
			out += hex.EncodeToString(h.Sum(nil))
		}
		return out[:length]
	}
}
