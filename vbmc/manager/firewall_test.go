package manager

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

// What nft prints of firewalld's table: its policy is accept, and its last rule refuses.
const firewalldTable = `table inet firewalld { # progname firewalld
	chain filter_INPUT {
		type filter hook input priority filter + 10; policy accept;
		ct state { established, related } accept
		iifname "lo" accept
		ct state invalid drop
		jump filter_INPUT_ZONES
		log prefix "filter_INPUT_REJECT: "
		reject with icmpx admin-prohibited
	}

	chain filter_INPUT_ZONES {
		iifname "virbr0" goto filter_IN_libvirt
		goto filter_IN_public
	}

	chain filter_IN_libvirt {
		accept
	}

	chain filter_IN_public {
		jump filter_IN_public_allow
		meta l4proto { icmp, ipv6-icmp } accept
		reject with icmpx admin-prohibited
	}

	chain filter_IN_public_allow {
		tcp dport 22 accept
		%
	}
}
`

// What it prints of tables that iptables-nft made.
const iptablesTable = `# Warning: table ip filter is managed by iptables-nft, do not touch!
table ip filter {
	chain INPUT {
		type filter hook input priority filter; policy accept;
		ct state related,established counter packets 12 bytes 820 accept
		iifname "lo" counter packets 0 bytes 0 accept
		tcp dport 22 counter packets 623 bytes 623 accept
		%
		counter packets 0 bytes 0 reject with icmp type host-prohibited
	}
}
table ip nat {
	chain INPUT {
		type nat hook input priority srcnat; policy drop;
	}
}
`

const nftTable = `table inet filter {
	set vbmc {
		type inet_service
		elements = { 623 }
	}

	map zones {
		type ifname : verdict
		elements = { "eth1" : jump log-drop,
			     "eth0" comment "of the BMCs" : jump nobody-comes-here }
	}

	map ports {
		type inet_service : verdict
		elements = { 22 : accept, 623 : accept }
	}

	map none {
		type inet_service : verdict
	}

	chain input {
		type filter hook input priority filter; policy drop;
		tcp dport 623 accept
		%
	}

	chain log-drop {
		counter drop
	}

	chain nobody-comes-here {
		udp dport 623 accept
	}

	chain let-in {
		log prefix "in, drop " level info comment "reject" accept
	}
}
`

func TestFirewall(t *testing.T) {
	for name, text := range map[string]string{"firewalld": firewalldTable, "iptables": iptablesTable, "nft": nftTable} {
		for rule, want := range map[string]bool{
			"":                     false,
			"udp dport 623 accept": true,
			"udp dport { 53, 620-630 } counter accept":                     true,
			"ip saddr 192.0.2.0/24 udp dport 600-700 accept comment \"x\"": true,
			"meta l4proto { tcp, udp } th dport 623 accept":                true,
			"udp dport @vbmc accept":                                       true,
			"udp dport 624 accept":                                         false,
			"udp dport 623 drop":                                           false,
			"meta l4proto udp counter packets 1 bytes 2 accept":            true,
			"tcp dport 623 accept":                                         false,
			"iifname \"eth9\" accept":                                      false,
			"udp dport != 623 accept":                                      false,
			"udp dport != { 22, 600-700 } accept":                          false,
			"udp dport != { 22, 53 } accept":                               true,
			"udp dport != @some accept":                                    true,
			"udp dport < 623 accept":                                       false,
			"udp dport >= 623 accept":                                      true,
			"udp dport > 623 accept":                                       false,
			"udp dport <= 1023 ip saddr 192.0.2.0/24 accept":               true,
			"udp dport 53 ip length 623 accept":                            false,
			"udp dport vmap { 623 : accept }":                              true,
			"udp dport vmap { 22 : accept, 600-700 counter : accept }":     true,
			"udp dport vmap { 22 : accept, 623 : drop }":                   false,
			"ip saddr . udp dport vmap { 192.0.2.9 . 623 : accept }":       true,
			"meta l4proto vmap { tcp : drop, udp : accept }":               true,
		} {
			if got, _ := shutBy(parseFilter(strings.Replace(text, "%", rule, 1)), netip.MustParseAddr("192.0.2.1"), 623); (got == nil) != want {
				t.Errorf("%s, %q: shut %v, want %v", name, rule, got != nil, !want)
			}
		}
	}
}

// The ways in which a chain ends for all.
func TestFirewallFollowsJumps(t *testing.T) {
	open := strings.Replace(nftTable, "policy drop", "policy accept", 1)
	for name, tc := range map[string]struct {
		text, rule string
		want       bool
	}{
		"nothing":                {"", "", true},
		"nothing drops":          {open, "", true},
		"a rule drops":           {open, "log flags all counter drop", false},
		"all UDP is dropped":     {open, "meta l4proto udp reject", false},
		"a jump drops":           {open, "counter packets 5 bytes 6 jump log-drop", false},
		"a target of iptables":   {open, `counter packets 0 bytes 0 xt target "REJECT"`, false},
		"some are dropped":       {open, "ip saddr 198.51.100.0/24 jump log-drop", true},
		"a jump lets in":         {nftTable, "udp dport 623 jump let-in", true},
		"a goto lets all in":     {nftTable, "goto let-in", true},
		"a trusted default zone": {strings.Replace(firewalldTable, "\t\tgoto filter_IN_public\n", "\t\tgoto filter_IN_libvirt\n", 1), "", true},
		"behind what ends all":   {nftTable, "jump log-drop\n\t\tudp dport 623 accept", false},
		"behind a return":        {nftTable, "meta l4proto { udp } return\n\t\tudp dport 623 accept", false},
		"two jumps":              {nftTable, "iifname \"eth0\" jump nobody-comes-here", true},
		"a map of chains":        {nftTable, `iifname vmap { "lo" : accept, "eth0" : goto nobody-comes-here }`, true},
		"a map by name":          {nftTable, "iifname vmap @zones", true},
		"a map of ports":         {nftTable, "udp dport vmap @ports", true},
		"an empty map":           {nftTable, "udp dport vmap @none", false},
		"a loop":                 {strings.Replace(nftTable, "counter drop", "jump log-drop", 1), "jump log-drop", false},
		"another family":         {strings.Replace(nftTable, "inet", "ip6", 1), "", true},
		"no packets of IP":       {strings.Replace(nftTable, "inet", "bridge", 1), "", true},
	} {
		if got, _ := shutBy(parseFilter(strings.Replace(tc.text, "%", tc.rule, 1)), netip.MustParseAddr("192.0.2.1"), 623); (got == nil) != tc.want {
			t.Errorf("%s: shut %v, want %v", name, got != nil, !tc.want)
		}
	}
}

// However many ways lead through the chains, each is looked at once; and who asks may give up.
func TestFirewallOfManyJumps(t *testing.T) {
	var text strings.Builder
	text.WriteString("table inet filter {\n\tchain c0 {\n\t\ttype filter hook input priority filter; policy drop;\n")
	for i := range 100 {
		fmt.Fprintf(&text, "%s\t}\n\tchain c%d {\n", strings.Repeat(fmt.Sprintf("\t\tjump c%d\n", i+1), 3), i+1)
	}
	text.WriteString("\t}\n}\n")
	c := config("a", 623)
	c.Address = "192.0.2.1"
	exams := []*examination{{config: c}}
	if f := firewall(t.Context(), exams, text.String(), nil, nil); !strings.HasSuffix(f.Detail, "UDP port 623") {
		t.Errorf("%+v", f)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if f := firewall(gone, exams, text.String(), nil, nil); f.Verdict != Warning || f.Detail != "was not looked through: context canceled" {
		t.Errorf("%+v", f)
	}
}

// What is said, with the command of whose table it is; and who reads the rules.
func TestFirewallFinding(t *testing.T) {
	at := func(address string, port int) *examination {
		c := config("a", port)
		c.Address = address
		return &examination{config: c}
	}
	exams := []*examination{at("127.0.0.1", 622), at("0.0.0.0", 623), at("192.0.2.1", 6230)}
	denied, none := errors.New("nft list ruleset: Operation not permitted"), ""
	theirs := strings.Replace(iptablesTable, "%", "", 1)
	for name, tc := range map[string]struct {
		rules        string
		err          error
		theirs       *string
		detail, hint string
	}{
		"firewalld":        {strings.Replace(firewalldTable, "%", "", 1), nil, nil, "none names UDP port 623, 6230", "firewall-cmd --permanent --add-port=623/udp && firewall-cmd --reload"},
		"one is open":      {strings.Replace(firewalldTable, "%", "udp dport 623 accept", 1), nil, nil, "none names UDP port 6230", "--add-port=6230/udp"},
		"nft":              {strings.Replace(nftTable, "%", "", 1), nil, nil, "623, 6230", "nft insert rule inet filter input udp dport 623 accept"},
		"who asks read it": {"", denied, &theirs, "623, 6230", "iptables -I INPUT -p udp --dport 623 -j ACCEPT"},
		"and found none":   {"", denied, &none, "no rule of this machine", ""},
		"nobody may":       {"", denied, nil, "cannot be read: nft list ruleset: Operation not permitted", "run vbmc doctor as root"},
		"the daemon's own": {"", nil, &theirs, "no rule of this machine", ""},
	} {
		f := firewall(t.Context(), exams, tc.rules, tc.err, tc.theirs)
		if !strings.HasSuffix(f.Detail, tc.detail) && !strings.HasPrefix(f.Detail, tc.detail) || !strings.Contains(f.Hint, tc.hint) || (f.Verdict == Good) != (f.Hint == "") {
			t.Errorf("%s: %+v", name, f)
		}
	}
}
