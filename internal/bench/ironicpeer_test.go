//go:build bench

package bench

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

const peerAddr = "127.0.0.1:6386"

// peerConf is Ironic as one machine runs it without RabbitMQ and MariaDB: a SQLite file,
// JSON-RPC between API and conductor, two workers of the API. %[1]s is a directory of its own.
const peerConf = `[DEFAULT]
auth_strategy = noauth
host = 127.0.0.1
my_ip = 127.0.0.1
rpc_transport = json-rpc
state_path = %[1]s/state
log_dir = %[1]s
enabled_hardware_types = fake-hardware,ipmi
enabled_bios_interfaces = no-bios
enabled_boot_interfaces = ipxe,fake
enabled_console_interfaces = no-console
enabled_deploy_interfaces = direct,fake
enabled_inspect_interfaces = no-inspect
enabled_management_interfaces = ipmitool,fake
enabled_network_interfaces = noop
enabled_power_interfaces = ipmitool,fake
enabled_raid_interfaces = no-raid
enabled_rescue_interfaces = no-rescue
enabled_storage_interfaces = noop
enabled_vendor_interfaces = ipmitool,no-vendor
default_network_interface = noop
[api]
host_ip = 127.0.0.1
port = 6386
api_workers = 2
[json_rpc]
auth_strategy = noauth
host_ip = 127.0.0.1
port = 8089
[database]
connection = sqlite:///%[1]s/ironic.sqlite
[conductor]
automated_clean = false
sync_power_state_interval = %[2]d
[dhcp]
dhcp_provider = none
[deploy]
http_root = %[1]s/httpboot
[pxe]
tftp_root = %[1]s/tftpboot
tftp_master_path = %[1]s/tftpboot/master
images_path = %[1]s/images
instance_master_path = %[1]s/images/master
[oslo_concurrency]
lock_path = %[1]s/lock
`

// startPeerIronic runs Debian's API and conductor without power sync; nil: they do not start. What is
// returned runs the conductor anew, with a power sync each so many seconds.
func startPeerIronic(t *testing.T, dir string) (s *ironicAt, syncing func(seconds int)) {
	s = &ironicAt{life: t, name: "Debian's Ironic", url: "http://" + peerAddr}
	conf := filepath.Join(dir, "ironic.conf")
	var stop func()
	conduct := func(seconds int) {
		must(s.t, os.WriteFile(conf, fmt.Appendf(nil, peerConf, dir, seconds), 0o600))
		stop = s.run(filepath.Join(dir, "conductor.out"), "ironic-conductor", "--config-file", conf)
	}
	syncing = func(seconds int) {
		stop()
		conduct(seconds)
	}
	if !s.within("start", ready, func() {
		for _, d := range []string{"state", "httpboot", "tftpboot/master", "images/master", "lock"} {
			must(s.t, os.MkdirAll(filepath.Join(dir, d), 0o700))
		}
		for _, program := range []string{"ironic-dbsync", "ironic-conductor", "ironic-api", "ipmitool"} {
			if _, err := exec.LookPath(program); err != nil {
				s.t.Fatalf("the peer is not installed, there is no %s: run scripts/deps ironic", program)
			}
		}
		must(s.t, os.WriteFile(conf, fmt.Appendf(nil, peerConf, dir, 0), 0o600))
		if out, err := exec.CommandContext(s.ctx, "ironic-dbsync", "--config-file", conf, "create_schema").CombinedOutput(); err != nil {
			s.t.Fatalf("ironic-dbsync: %v\n%s", err, out)
		}
		conduct(0)
		s.run(filepath.Join(dir, "api.out"), "ironic-api", "--config-file", conf)
		s.awaitAnswer()
		s.await(100*time.Millisecond, func() bool { return bytes.Contains(s.do("GET", "/v1/drivers", "1.82", ""), []byte("fake-hardware")) },
			"drivers, which are there when the conductor has registered itself")
	}) {
		return nil, nil
	}
	return s, syncing
}
