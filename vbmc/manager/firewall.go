package manager

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// FirewallRules lists this machine's packet filter as nft prints it, which takes root. A
// machine without nft has none that we could read.
func FirewallRules(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	nft, err := exec.LookPath("nft")
	if err != nil {
		nft = "/usr/sbin/nft" // which is not where users' programs are looked for
	}
	cmd := exec.CommandContext(ctx, nft, "--stateless", "list", "ruleset")
	var errw bytes.Buffer
	cmd.Stderr = &errw
	out, err := cmd.Output()
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		said := strings.Join(strings.Fields(errw.String()+" "+err.Error()), " ") // nft's words have several lines
		return "", fmt.Errorf("nft list ruleset: %s", said)
	}
	return string(out), nil
}

// opening is the command that opens a port, in the words of the program whose table it is.
func (t *filterTable) opening(chain string, port int) string {
	switch {
	case t.name == "firewalld":
		return fmt.Sprintf("firewall-cmd --permanent --add-port=%d/udp && firewall-cmd --reload", port)
	case t.name == "filter" && chain == "INPUT" && t.family != "inet":
		tool := map[string]string{"ip": "iptables", "ip6": "ip6tables"}[t.family]
		return fmt.Sprintf("%s -I INPUT -p udp --dport %d -j ACCEPT", tool, port)
	}
	return fmt.Sprintf("nft insert rule %s %s %s udp dport %d accept", t.family, t.name, chain, port)
}

// firewall tells whether the packet filter lets in what is for the BMCs. theirs are the
// rules as who asks could read them, nil when it could not: they count where the daemon,
// of which err is, may not.
func firewall(ctx context.Context, exams []*examination, rules string, err error, theirs *string) Finding {
	if err != nil && theirs != nil {
		rules, err = *theirs, nil
	}
	if err != nil {
		return Finding{"", "firewall", Warning, "cannot be read: " + err.Error(), "run vbmc doctor as root, or look by hand: nft list ruleset"}
	}
	all := parseFilter(rules)
	var shut []string
	hint := ""
	for _, x := range exams {
		if ctx.Err() != nil {
			return Finding{"", "firewall", Warning, "was not looked through: " + ctx.Err().Error(), "ask again, or look by hand: nft list ruleset"}
		}
		ip, err := netip.ParseAddr(x.config.Address)
		if err != nil || ip.IsLoopback() {
			continue
		}
		t, chain := shutBy(all, ip.Unmap(), x.config.Port)
		if t == nil {
			continue
		}
		if shut = append(shut, strconv.Itoa(x.config.Port)); hint == "" {
			hint = t.opening(chain, x.config.Port)
		}
	}
	if shut == nil {
		return Finding{"", "firewall", Good, "no rule of this machine is seen in the way", ""}
	}
	return Finding{"", "firewall", Warning, "incoming packets are dropped or rejected unless a rule admits them, and none names UDP port " + strings.Join(shut, ", "), hint}
}
