//go:build e2e

package image

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"trefoil/overcloud/plan"
	"trefoil/overcloud/resource"
	"trefoil/templates"
)

const cephRoles = `- name: Controller
  CountDefault: 1
  tags: [primary, controller]
  ServicesDefault: ['OS::TripleO::Services::CephClient', 'OS::TripleO::Services::CephMgr', 'OS::TripleO::Services::CephMon', 'OS::TripleO::Services::CephOSD']
`

// cephDocuments are what the real templates want of one machine that is a
// whole Ceph cluster, and the secrets in them.
func cephDocuments(t *testing.T) ([]resource.Document, []string) {
	t.Helper()
	passwords, err := plan.GeneratePasswords(nil, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	lab, err := templates.FS.ReadFile("environments/lab.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.Build(context.Background(), templates.FS, plan.Options{Passwords: passwords, Roles: plan.File{Name: "roles.yaml", Data: []byte(cephRoles)},
		Environments: []plan.File{{Name: "environments/lab.yaml", Data: lab}}})
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := p.Configure([]plan.Node{{Name: vmName, Role: "Controller", Address: vmAddress, UUID: "5d6b3f0e-0000-4000-8000-000000000001"}})
	if err != nil {
		t.Fatal(err)
	}
	return cfg[vmName], slices.Collect(maps.Values(passwords))
}

// dataDisks are arguments for empty disks.
func dataDisks(t *testing.T, n int) []string {
	t.Helper()
	var args []string
	for i := range n {
		path := filepath.Join(t.TempDir(), fmt.Sprintf("data%d.raw", i))
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, 4<<30); err != nil {
			t.Fatal(err)
		}
		args = append(args, "-drive", "file="+path+",if=virtio,format=raw,cache=unsafe,discard=unmap")
	}
	return args
}

// TestCephOnOneMachine: the templates' own documents end in HEALTH_OK and an
// image that the cloud's user made; they change nothing the second time, and
// the cluster comes back after a reboot.
func TestCephOnOneMachine(t *testing.T) {
	m := boot(t, overcloudFull(t), dataDisks(t, 2)...)
	if bin := os.Getenv("TREFOIL_OS_APPLY_CONFIG"); bin != "" {
		m.upload(bin, "/usr/local/bin/os-apply-config")
	}
	docs, secrets := cephDocuments(t)
	m.secrets = secrets
	for _, d := range docs {
		m.apply(d)
	}
	t.Log(m.run("sudo ceph status; sudo ceph osd pool ls detail; sudo ceph osd tree; free -m | sed -n 2p; sudo grep -h 'smoke\\|timed out\\|slow request' /var/log/ceph/ceph-mon.*.log | tail -20"))
	if got := m.run("sudo rbd --id openstack create volumes/one --size 64 && sudo rbd --id openstack ls volumes"); got != "one" {
		t.Errorf("images of the cloud's user: %q", got)
	}
	for _, d := range docs {
		if n := m.apply(d); n != 0 {
			t.Errorf("step %d changed %d resources at the second run", d.Step, n)
		}
	}
	// Forgotten records: everything is looked at in full, and is right.
	m.run("sudo rm -r /var/lib/os-apply-config/step-*")
	for _, d := range docs {
		if n := m.apply(d); n != 0 {
			t.Errorf("step %d changed %d resources when it was looked at in full", d.Step, n)
		}
	}
	m.reboot()
	m.run("sudo rm /var/lib/os-apply-config/step-[25].json")
	m.apply(docs[1]) // the OSDs are active
	m.apply(docs[4]) // HEALTH_OK
	if got := m.run("sudo rbd --id openstack ls volumes; stat -c %U:%a /dev/vdb /dev/vdc | sort -u"); got != "one\nceph:600" {
		t.Errorf("after the reboot: %q", got)
	}
	if os.Getenv("TREFOIL_HOLD") != "" {
		t.Logf("held: port %d", m.port)
		time.Sleep(20 * time.Minute)
	}
}

// reboot restarts the machine and waits for it.
func (m *vm) reboot() {
	m.t.Helper()
	before := m.run("cat /proc/sys/kernel/random/boot_id")
	if s, err := m.client.NewSession(); err == nil {
		_ = s.Run("sudo systemctl reboot") // the connection goes with it
	}
	m.client.Close()
	for range 20 {
		time.Sleep(5 * time.Second)
		m.connect(10 * time.Minute)
		if now := m.run("cat /proc/sys/kernel/random/boot_id"); strings.TrimSpace(now) != strings.TrimSpace(before) {
			return
		}
		m.client.Close()
	}
	m.t.Fatal("the machine did not start anew")
}
