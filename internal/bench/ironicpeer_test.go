//go:build bench

package bench

import (
	"fmt"
	"net/http"
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

// startPeerIronic runs Debian's API and conductor; both end with the test.
func startPeerIronic(t *testing.T, dir string, syncSeconds int) *ironicAt {
	t.Helper()
	for _, d := range []string{"state", "httpboot", "tftpboot/master", "images/master", "lock"} {
		must(t, os.MkdirAll(filepath.Join(dir, d), 0o700))
	}
	conf := filepath.Join(dir, "ironic.conf")
	must(t, os.WriteFile(conf, fmt.Appendf(nil, peerConf, dir, syncSeconds), 0o600))
	for _, program := range []string{"ironic-dbsync", "ironic-conductor", "ironic-api"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("the peer is not installed, there is no %s: run scripts/deps ironic", program)
		}
	}
	shell(t, "ironic-dbsync", "--config-file", conf, "create_schema")
	s := &ironicAt{t: t, name: "Debian's Ironic", url: "http://" + peerAddr, client: &http.Client{Timeout: 2 * time.Minute}}
	s.run(filepath.Join(dir, "conductor.out"), "ironic-conductor", "--config-file", conf)
	s.run(filepath.Join(dir, "api.out"), "ironic-api", "--config-file", conf)
	s.awaitAnswer()
	// Drivers are there when the conductor has registered itself.
	for until := time.Now().Add(ready); len(s.do("GET", "/v1/drivers", "1.82", "")) < 100; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("the peer's conductor does not register")
		}
	}
	return s
}
