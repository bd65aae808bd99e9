package networkd_test

import (
	"fmt"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/overcloud/apply/networkd"
	"trefoil/overcloud/resource"
)

// cards reads NAME ADDRESS; one with a star has no link.
func cards(text string) []networkd.NIC {
	var out []networkd.NIC
	for c := range strings.SplitSeq(text, ", ") {
		c, unplugged := strings.CutSuffix(c, "*")
		name, mac, _ := strings.Cut(c, " ")
		out = append(out, networkd.NIC{Name: name, MAC: mac, Link: !unplugged})
	}
	return out
}

func numbers(nics []networkd.NIC) string {
	var out []string
	for i, n := range nics {
		switch {
		case n.Gone:
			out = append(out, fmt.Sprintf("%d gone %s %s", i+1, n.Name, n.MAC))
		case n.Name != "":
			out = append(out, fmt.Sprintf("%d %s %s", i+1, n.Name, n.MAC))
		}
	}
	return strings.Join(out, ", ")
}

func TestACardKeepsItsNumber(t *testing.T) {
	for name, c := range map[string]struct{ kept, cards, want string }{
		"without its link":           {"nic1 a eth0\nnic2 b eth1", "eth0 a, eth1 b*", "1 eth0 a, 2 eth1 b"},
		"whatever links come":        {"nic1 a eth0\nnic2 c eth2", "eth0 a, eth1 b, eth2 c", "1 eth0 a, 2 eth2 c, 3 eth1 b"},
		"under another name":         {"nic1 a eth0\nnic2 b eth1", "eth0 x, eth1 a, eth2 b", "1 eth1 a, 2 eth2 b, 3 eth0 x"},
		"in another letter case":     {"nic1 AA eth0", "eth0 y, eth1 aa", "1 eth1 aa, 2 eth0 y"},
		"beside one of its address":  {"nic1 a eth0\nnic2 a eth1", "eth1 a, eth0 a", "1 eth0 a, 2 eth1 a"},
		"for another in its slot":    {"nic1 a eth0\nnic2 b eth1", "eth0 a, eth1 x", "1 eth0 a, 2 eth1 x"},
		"but not for an unused slot": {"nic1 a eth0\nnic2 b eth1", "eth0 a, eth1 x*", "1 eth0 a, 2 gone eth1 b"},
		"when it is gone":            {"nic1 a eth0\nnic2 b eth1\nnic3 c eth2", "eth0 a, eth1 c, eth2 x", "1 eth0 a, 2 gone eth1 b, 3 eth1 c, 4 eth2 x"},
		"until its line is gone":     {"nic1 a eth0\nnic3 c eth2", "eth0 a, eth1 c, eth2 x, eth3 y", "1 eth0 a, 2 eth2 x, 3 eth1 c, 4 eth3 y"},
		"as a person changed it":     {"# cards\n\nnic2 a eth0\n nic1  b eth1 ", "eth0 a, eth1 b", "1 eth1 b, 2 eth0 a"},
		"with the number free":       {"nic1 a eth0\nnic3 c eth2", "eth0 a, eth2 c", "1 eth0 a, 3 eth2 c"},
	} {
		t.Run(name, func(t *testing.T) {
			kept, err := networkd.NICs(map[string]string{networkd.NICFile: c.kept})
			if err != nil {
				t.Fatal(err)
			}
			now := networkd.Number(kept, cards(c.cards))
			if got := numbers(now); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			r, err := networkd.Render(nil, now)
			if err != nil {
				t.Fatal(err)
			}
			again, err := networkd.NICs(r.Files)
			if got := numbers(networkd.Number(again, cards(c.cards))); err != nil || got != c.want {
				t.Errorf("%v; kept and read again %s", err, got)
			}
		})
	}
}

func TestWrongNumbersAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"# cards\nnic1 a":               `/etc/systemd/network/05-overcloud-nics:2: "nic1 a" is not NUMBER ADDRESS NAME`,
		"nic0 a eth0":                   "nics:1:",
		"nic1000 a eth0":                "nics:1:",
		"eth0 a nic1":                   "nics:1:",
		"nic1 a eth0\n\nnic1 b eth1":    "nics:3: nic1 stands twice",
		"nic99999999999999999999 a eth": "nics:1:",
	} {
		_, err := networkd.NICs(map[string]string{networkd.NICFile: text})
		if err == nil || !strings.Contains(err.Error(), want) || errs.HintOf(err) == "" {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// uses is a network_config with one address on each of some interfaces.
func uses(names ...string) []resource.NetObject {
	var out []resource.NetObject
	for i, n := range names {
		out = append(out, resource.NetObject{Type: "interface", Name: n, Addresses: []resource.NetAddress{{IPNetmask: fmt.Sprintf("172.16.%d.4/24", i)}}})
	}
	return out
}

// The files of an earlier release say no numbers; what they configure had a link.
func TestNumbersAreReadOutOfTheFilesOfAnEarlierRelease(t *testing.T) {
	for name, c := range map[string]struct {
		then, now []resource.NetObject
		had, has  string
		want      string
	}{
		"nothing happened":          {uses("nic1", "nic2"), uses("nic1", "nic2"), "eth0 a, eth1 b, eth2 c", "eth0 a, eth1 b, eth2 c", "1 eth0 a, 2 eth1 b, 3 eth2 c"},
		"a link was lost":           {uses("nic1", "nic2", "nic3"), uses("nic1", "nic2", "nic3"), "eth0 a, eth1 b, eth2 c", "eth0 a, eth1 b*, eth2 c, eth3 d", "1 eth0 a, 2 eth1 b, 3 eth2 c, 4 eth3 d"},
		"that, and other addresses": {uses("nic1", "nic2", "nic3"), uses("nic3", "nic1", "nic2"), "eth0 a, eth1 b, eth2 c", "eth0 a, eth1 b*, eth2 c", "1 eth0 a, 2 eth1 b, 3 eth2 c"},
		"a link came":               {uses("nic1", "nic2"), uses("nic1", "nic2"), "eth0 a, eth1 b*, eth2 c", "eth0 a, eth1 b, eth2 c", "1 eth0 a, 2 eth2 c, 3 eth1 b"},
		"one is called by its name": {uses("nic1", "eth1", "nic2"), uses("nic1", "eth1", "nic2"), "eth0 a, eth1 b*, eth2 c", "eth0 a, eth1 b*, eth2 c", "1 eth0 a, 2 eth2 c"},
		"it is the first time":      {nil, uses("nic1"), "eth0 a", "eth10 a, eth9 b, eth1 c*", "1 eth9 b, 2 eth10 a"},
	} {
		t.Run(name, func(t *testing.T) {
			before := networkd.First(c.then, nil, cards(c.had))
			r, err := networkd.Render(c.then, before)
			if err != nil {
				t.Fatal(err)
			}
			delete(r.Files, networkd.NICFile)
			if got := numbers(networkd.First(c.now, r.Files, cards(c.has))); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}
