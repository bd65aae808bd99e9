package manager

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
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
