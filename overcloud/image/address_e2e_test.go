//go:build e2e

package image

import (
	"encoding/base64"
	"math/rand/v2"
	"path"
	"strings"

	"trefoil/overcloud/image/imagetest"
	"trefoil/overcloud/plan"
	"trefoil/templates"
)

const vmVirtual = "192.168.24.9"

// checkAddress: the virtual address goes and comes with HAProxy. systemd sees to that, of the
// files that a plan has for one of three controllers, so that only a machine can show it.
func checkAddress(m *imagetest.VM) {
	m.T.Helper()
	for name, content := range addressFiles(m) {
		m.Run("sudo mkdir -p " + path.Dir(name) + " && echo " + base64.StdEncoding.EncodeToString([]byte(content)) + " | base64 -d | sudo tee " + name + " >/dev/null")
	}
	m.Run("sudo sysctl -qw net.ipv4.ip_nonlocal_bind=1 && sudo systemctl daemon-reload && sudo systemctl start keepalived")
	here := func() bool { return strings.Contains(m.Run("ip -br -4 addr show eth0"), vmVirtual) }
	pid := func(unit string) string { return m.Run("systemctl show -P MainPID " + unit) }
	m.Await("keepalived brings HAProxy with it, and the address is there", here)
	before := pid("haproxy")
	m.Run("sudo kill -9 " + before)
	m.Await("HAProxy is killed: systemd starts it anew, and the address comes back", func() bool {
		now := pid("haproxy")
		return now != before && now != "0" && pid("keepalived") != "0" && here()
	})
	m.Run("sudo systemctl stop haproxy")
	m.Await("HAProxy is stopped: the address goes", func() bool { return pid("keepalived") == "0" && !here() })
	m.Run("sudo systemctl start haproxy")
	m.Await("HAProxy is started: the address comes", here)
	before = pid("keepalived")
	m.Run("sudo systemctl reload haproxy")
	m.Run("sudo kill -9 " + before)
	m.Await("keepalived is killed: it comes back", func() bool { now := pid("keepalived"); return now != before && now != "0" && here() })
}

// addressFiles are the files of HAProxy and keepalived that a plan of three controllers has
// for this machine.
func addressFiles(m *imagetest.VM) map[string]string {
	m.T.Helper()
	passwords, err := plan.GeneratePasswords(nil, rand.NewChaCha8([32]byte{}))
	if err != nil {
		m.T.Fatal(err)
	}
	p, err := plan.Build(m.T.Context(), templates.FS, plan.Options{Stack: "overcloud", Counts: map[string]int{"Controller": 3, "Compute": 0, "CephStorage": 0},
		Passwords: passwords, Parameters: map[string]any{"NtpServer": []any{"ntp.example.com"}, "ControlFixedIPs": []any{map[string]any{"ip_address": vmVirtual}}}})
	if err != nil {
		m.T.Fatal(err)
	}
	var nodes []plan.Node
	for i, address := range []string{imagetest.Address, "192.168.24.21", "192.168.24.22"} {
		nodes = append(nodes, plan.Node{Name: strings.Replace(imagetest.Name, "0", string(rune('0'+i)), 1), Role: "Controller", Index: i, Address: address})
	}
	cfg, err := p.Configure(nodes)
	if err != nil {
		m.T.Fatal(err)
	}
	out := map[string]string{"/etc/keepalived/interface.conf": "$CONTROL_INTERFACE=eth0\n"}
	for _, d := range cfg[imagetest.Name] {
		for _, r := range d.Resources {
			if r.File != nil && (strings.Contains(r.File.Path, "keepalived") || strings.Contains(r.File.Path, "haproxy")) {
				out[r.File.Path] = r.File.Content
			}
		}
	}
	if len(out) < 5 {
		m.T.Fatalf("the plan has %d files for HAProxy and keepalived", len(out))
	}
	return out
}
