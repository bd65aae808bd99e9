package diff

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
)

// standIns gives machines without an address one that nobody has, and a host key that is
// none, so that their configuration can be made, and remembers what to write in its place. They are
// of 240.0.0.0/4, which is reserved (RFC 1112), and equally long: none is the
// beginning of another.
type standIns struct {
	pairs []string // what stands in the text, what is shown
	given map[string]string
}

const (
	standIn = "240."
	keyOf   = "key-of-" // before an address that stands in
)

func isStandIn(ip string) bool { return ip == "" || strings.HasPrefix(ip, standIn) }

// fill returns the machines with an address each, and those to come with a host key.
func (s *standIns) fill(machines []Machine) []Machine {
	out := make([]Machine, len(machines))
	for i, m := range machines {
		if out[i] = m; m.Address == "" {
			out[i].Address = s.of(m.Name)
			out[i].HostKey = "ssh-ed25519 " + keyOf + out[i].Address
		}
	}
	return out
}

func (s *standIns) of(name string) string {
	if ip, ok := s.given[name]; ok {
		return ip
	}
	if s.given == nil {
		s.given = map[string]string{}
	}
	n := len(s.given)
	ip := fmt.Sprintf("%s%d.%d.%d", standIn, 100+n/(150*150)%150, 100+n/150%150, 100+n%150)
	s.given[name] = ip
	s.pairs = append(s.pairs, keyOf+ip, "<host key of "+name+">", ip, "<address of "+name+">", hex.EncodeToString(netip.MustParseAddr(ip).AsSlice()), "<hex address of "+name+">")
	return ip
}
