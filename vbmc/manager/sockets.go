package manager

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// udpHolders names the processes that have a UDP port open, from proc(5) below
// root: /proc/net/udp gives the sockets' inodes, /proc/PID/fd their holders. Only
// root sees other users' processes.
func udpHolders(root string, port int) []string {
	inodes := map[string]bool{}
	for _, table := range []string{"udp", "udp6"} {
		text, err := os.ReadFile(filepath.Join(root, "net", table))
		if err != nil {
			continue
		}
		for inode := range udpInodes(string(text), port) {
			inodes["socket:["+inode+"]"] = true
		}
	}
	if len(inodes) == 0 {
		return nil
	}
	links, err := filepath.Glob(filepath.Join(root, "[0-9]*", "fd", "*"))
	if err != nil {
		return nil
	}
	var out []string
	for _, link := range links {
		if to, err := os.Readlink(link); err != nil || !inodes[to] {
			continue
		}
		dir := filepath.Dir(filepath.Dir(link))
		name, err := os.ReadFile(filepath.Join(dir, "comm"))
		if err != nil {
			continue
		}
		if who := fmt.Sprintf("%s (process %s)", strings.TrimSpace(string(name)), filepath.Base(dir)); !slices.Contains(out, who) {
			out = append(out, who)
		}
	}
	return out
}

// udpInodes reads the table of /proc/net/udp: field 1 is ADDRESS:PORT in hexadecimal,
// field 9 the inode.
func udpInodes(table string, port int) map[string]bool {
	out := map[string]bool{}
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 10 {
			continue
		}
		_, hexPort, _ := strings.Cut(f[1], ":")
		if n, err := strconv.ParseUint(hexPort, 16, 16); err == nil && int(n) == port && f[9] != "0" {
			out[f[9]] = true
		}
	}
	return out
}

// firewallRules lists this machine's packet filter. A machine without nft has none
// that we could read.
func firewallRules(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "nft", "--stateless", "list", "ruleset")
	var errw bytes.Buffer
	cmd.Stderr = &errw
	out, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		said := strings.Join(strings.Fields(errw.String()+" "+err.Error()), " ") // nft's words have several lines
		return "", fmt.Errorf("nft list ruleset: %s", said)
	}
	return string(out), nil
}

// admits tells whether a UDP port passes a rule set as nft prints it. It is a hint,
// no proof: only a base chain of hook input whose policy is drop counts, and any rule
// that names the port or all UDP opens it.
func admits(rules string, port int) bool {
	if !regexp.MustCompile(`hook input [^\n]*policy drop`).MatchString(rules) {
		return true
	}
	for line := range strings.Lines(rules) {
		line = strings.TrimSpace(line)
		if !strings.HasSuffix(line, "accept") {
			continue
		}
		_, ports, named := strings.Cut(line, "udp dport ")
		if named && namesPort(strings.TrimSuffix(ports, "accept"), port) || strings.HasPrefix(line, "meta l4proto udp accept") {
			return true
		}
	}
	return false
}

// namesPort reads "623", "6230-6250" and "{ 623, 6230-6250 }".
func namesPort(ports string, port int) bool {
	for _, word := range strings.FieldsFunc(ports, func(r rune) bool { return strings.ContainsRune("{}, ", r) }) {
		from, to, isRange := strings.Cut(word, "-")
		if !isRange {
			to = from
		}
		low, err1 := strconv.Atoi(from)
		high, err2 := strconv.Atoi(to)
		if err1 == nil && err2 == nil && low <= port && port <= high {
			return true
		}
	}
	return false
}
