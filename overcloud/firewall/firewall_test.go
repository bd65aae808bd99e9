package firewall_test

import (
	"os/exec"
	"strings"
	"testing"

	"trefoil/overcloud/firewall"
)

type m = map[string]any

func TestRulesAreLinesInTheirOrder(t *testing.T) {
	rules, err := firewall.Parse(m{
		"200 nova_libvirt": m{"dport": []any{16514, "61152-61215", "5900:6923"}, "proto": "tcp"},
		"111 keystone":     m{"dport": 5000.0, "proto": "tcp"},
		"101 both":         m{"dport": "873,3306", "source": []any{"192.168.24.0/24", "fd00::/64", "192.168.25.7"}},
		"106 vrrp":         m{"proto": "vrrp", "interface": "vlan20"},
		"107 six":          m{"proto": "udp", "dport": 546, "ipversion": "ipv6", "state": []any{}},
		"108 slow":         m{"proto": "icmp", "limit": "20/min", "limit_burst": 15, "action": "drop", "state": []any{"NEW", "RELATED"}},
		"109 gone":         m{"dport": 1, "extras": m{"ensure": "absent"}},
		"110 nobody":       m{"dport": 9200, "source": ""},
		"anything":         m{"rule_name": "999 drop all", "proto": "all", "jump": "DROP", "action": "append"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `ip saddr { 192.168.24.0/24, 192.168.25.7 } tcp dport { 873, 3306 } ct state new accept comment "101 both"
ip6 saddr fd00::/64 tcp dport { 873, 3306 } ct state new accept comment "101 both"
iifname "vlan20" meta l4proto 112 ct state new accept comment "106 vrrp"
meta nfproto ipv6 udp dport 546 accept comment "107 six"
meta l4proto 1 ct state { new, related } limit rate 20/minute burst 15 packets drop comment "108 slow"
tcp dport 5000 ct state new accept comment "111 keystone"
tcp dport { 16514, 61152-61215, 5900-6923 } ct state new accept comment "200 nova_libvirt"
ct state new drop comment "999 drop all"`
	lines := firewall.Lines(append(rules, rules...)) // two services may say the same
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	check(t, lines)
}

// check asks nft itself, where it is installed and may be asked.
func check(t *testing.T, lines []string) {
	t.Helper()
	nft, err := exec.LookPath("nft")
	if err != nil {
		t.Log("nft is not installed: its opinion is not asked")
		return
	}
	cmd := exec.Command("unshare", "-rn", nft, "-c", "-f", "-")
	cmd.Stdin = strings.NewReader("table inet tripleo {\n chain input {\n type filter hook input priority filter; policy drop;\n" + strings.Join(lines, "\n") + "\n}\n}\n")
	if out, err := cmd.CombinedOutput(); err != nil && !strings.Contains(string(out), "not permitted") {
		t.Errorf("nft -c: %v\n%s", err, out)
	}
}

func TestMistakesNameRuleAndKey(t *testing.T) {
	for want, rule := range map[string]any{
		`"1 x" must be a map`:                                5000,
		`"1 x": unknown key "dports"; did you mean "dport"?`: m{"dports": 1},
		`"1 x": dport "70000" is no port`:                    m{"dport": 70000},
		`"1 x": dport "9-1" is no port`:                      m{"dport": "9-1"},
		`"1 x": dport "1 accept; flush ruleset" is no port`:  m{"dport": "1 accept; flush ruleset"},
		`"1 x": unknown proto "tpc"; did you mean "tcp"?`:    m{"proto": "tpc"},
		`"1 x": proto vrrp has no ports`:                     m{"proto": "vrrp", "dport": 1},
		`"1 x": source "10.0.0" is no address`:               m{"source": "10.0.0"},
		`leave no packet`:                                    m{"source": "10.0.0.1", "ipversion": 6},
		`chain OUTPUT: only INPUT is managed here`:           m{"chain": "OUTPUT"},
		`table raw: only filter`:                             m{"table": "raw"},
		`unknown action "allow"`:                             m{"action": "allow"},
		`limit "0/sec" is not like 20/min`:                   m{"limit": "0/sec"},
		`limit_burst "0" is no number of packets`:            m{"limit": "1/sec", "limit_burst": 0},
		`interface "abcdefghijklmno*" is no interface`:       m{"interface": "abcdefghijklmno*"},
		`limit "fast" is not like 20/min`:                    m{"limit": "fast"},
		`unknown state "old"`:                                m{"state": "old"},
		`interface "a b" is no interface`:                    m{"interface": "a b"},
		`"x\"y": a name begins with its number`:              m{"rule_name": `x"y`},
	} {
		if _, err := firewall.Parse(m{"1 x": rule}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want it to say %s", rule, err, want)
		}
	}
}

// FuzzParse: whatever stands in a rule, no line holds more than one statement.
func FuzzParse(f *testing.F) {
	f.Add("111 keystone", "5000", "tcp", "10.0.0.0/8", "eth0", "20/min")
	f.Fuzz(func(t *testing.T, name, dport, proto, source, device, limit string) {
		rules, err := firewall.Parse(m{name: m{"dport": dport, "proto": proto, "source": source, "interface": device, "limit": limit}})
		if err != nil {
			return
		}
		for _, l := range firewall.Lines(rules) {
			if strings.ContainsAny(l, ";\n#\\$") || strings.Count(l, `"`)%2 != 0 {
				t.Errorf("line %q", l)
			}
		}
	})
}
