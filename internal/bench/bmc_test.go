//go:build bench

package bench

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"trefoil/ironic"
	ipmidriver "trefoil/ironic/driver/ipmi"
	ipmiwire "trefoil/vbmc/ipmi/wire"
	"trefoil/vbmc/vbmctest"

	"github.com/bougou/go-ipmi/pkg/bmc"
	"github.com/bougou/go-ipmi/pkg/client"
	"github.com/bougou/go-ipmi/pkg/clock"
	"github.com/bougou/go-ipmi/pkg/hal/mock"
	"github.com/bougou/go-ipmi/pkg/server"
	"github.com/bougou/go-ipmi/pkg/transport/udp"
	"github.com/bougou/go-ipmi/pkg/types"
)

const (
	bmcUser     = "admin"
	bmcPassword = "bench-only"
	firstPort   = 6230
	manyBMCs    = 50
)

func benchBMC(t *testing.T) []Row {
	say("vBMC: a libvirtd of its own with %d domains that are off", manyBMCs)
	l := vbmctest.StartLibvirtd(t)
	for i := range manyBMCs {
		l.Define(t, domainName(i), "<boot dev='hd'/>", false)
	}
	ours := growDaemon(t, trefoilDaemon(), l.URI)
	peerPID, peer := startPeer(t)
	awaitBMC(t, peer)
	say("vBMC: sessions and status commands, then ipmitool")
	rows := append(bmcRates(t, bmcAt{pid: ours.pid, port: firstPort}, bmcAt{pid: peerPID, port: peer}), ipmitool(t))
	return append(rows, besideVirtualbmc(t, ours, l.URI)...)
}

// bmcAt is a process and the port that it answers on, with a suite; the zero one is 17.
type bmcAt struct {
	pid, port int
	suite     ipmiwire.Suite
}

func domainName(i int) string { return fmt.Sprintf("bench-%02d", i) }

// peerBMC is one of go-ipmi's own BMCs over its in-memory hardware, on a port of its own.
func peerBMC() (port int, serve func(context.Context) error, err error) {
	b := bmc.New(bmc.DeviceInfo{DeviceID: 32, IPMIVersion: 0x20, ManufacturerID: 0x157}, [16]byte{1}, mock.New(), bmc.WithClock(clock.Real))
	u, err := b.Users.Add(2, bmcUser)
	if err != nil {
		return 0, nil, err
	}
	u.SetPassword([]byte(bmcPassword))
	u.Enabled = true
	u.ChannelAccess[1] = bmc.UserChannelAccess{MaxPrivilege: bmc.PrivilegeLevelAdministrator, Enabled: true}
	pc, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return 0, nil, err
	}
	return pc.LocalAddr().(*net.UDPAddr).Port, server.NewServer(b, udp.Wrap(pc)).Serve, nil
}

func startPeer(t *testing.T) (pid, port int) {
	t.Helper()
	pid, ports := startMany(t, rolePeer, 1)
	return pid, ports[0]
}

// login opens a session as the IPMI driver does.
func login(port int) (*client.Client, error) {
	c, err := client.NewClient("127.0.0.1", port, bmcUser, bmcPassword)
	if err != nil {
		return nil, err
	}
	c.WithTimeout(time.Second).WithRetry(2).WithMaxPrivilegeLevel(types.PrivilegeLevelAdministrator).WithCipherSuiteID(17)
	return c, c.Connect(context.Background())
}

// session is a whole one: log in, ask for the power state, log out.
func session(port int) error {
	c, err := login(port)
	if err != nil {
		return err
	}
	if _, err := c.GetChassisStatus(context.Background()); err != nil {
		return err
	}
	return c.Close(context.Background())
}

func awaitBMC(t *testing.T, port int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		err := session(port)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the BMC on port %d does not answer: %v", port, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func bmcRates(t *testing.T, ours, peer bmcAt) []Row {
	const each = 1500 * time.Millisecond
	sessions := func(port int) func() float64 {
		return func() float64 { return perSecond(each, func() { must(t, session(port)) }) }
	}
	status := func(port int) func() float64 {
		c, err := login(port)
		must(t, err)
		t.Cleanup(func() { _ = c.Close(context.Background()) })
		return func() float64 {
			return perSecond(each, func() {
				_, err := c.GetChassisStatus(context.Background())
				must(t, err)
			})
		}
	}
	s := rounds(3, sessions(ours.port), sessions(peer.port))
	c := rounds(3, status(ours.port), status(peer.port))
	cost := func(b bmcAt) func() float64 {
		return func() float64 {
			const n = 1000
			before := cpu(t, b.pid)
			for range n {
				must(t, session(b.port))
			}
			return (cpu(t, b.pid) - before) * 1000 / n
		}
	}
	p := rounds(3, cost(ours), cost(peer))
	return []Row{
		{What: "vBMC sessions: login, status, logout", Ours: Figure{s[0], "/s"}, Peer: Figure{s[1], "/s"},
			Note: "peer: go-ipmi's server, machine in memory; one go-ipmi client"},
		{What: "vBMC status in an open session", Ours: Figure{c[0], "/s"}, Peer: Figure{c[1], "/s"}, Note: "the same; suite 17, loopback; ours over libvirt"},
		{What: "vBMC processor time of a session", Ours: Figure{p[0], "ms"}, Peer: Figure{p[1], "ms"}, Less: true, Note: "the same; of the server alone"},
	}
}

// cpu is the processor time that a process and those that it began have used, seconds.
func cpu(t *testing.T, pid int) (total float64) {
	t.Helper()
	for _, p := range family(t, pid) {
		total += cpuOf(t, p)
	}
	return total
}

func cpuOf(t *testing.T, pid int) float64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	must(t, err)
	_, rest, _ := strings.Cut(string(text), ") ")
	f := strings.Fields(rest) // from the third field on: proc_pid_stat(5)
	user, err := strconv.ParseFloat(f[11], 64)
	must(t, err)
	system, err := strconv.ParseFloat(f[12], 64)
	must(t, err)
	return (user + system) / 100 // USER_HZ is 100 on every Linux
}

// ipmitool sets what the conductor does for a power state beside what upstream
// Ironic does: one process for each.
func ipmitool(t *testing.T) Row {
	d := &ipmidriver.Driver{Rate: 1e9, Burst: 1e9}
	n := &ironic.Node{UUID: "bench", DriverInfo: map[string]any{"ipmi_address": "127.0.0.1", "ipmi_port": firstPort,
		"ipmi_username": bmcUser, "ipmi_password": bmcPassword}}
	t.Cleanup(func() { _ = d.Close(context.Background(), n.UUID) })
	tool := func() float64 {
		return took(func() {
			cmd := exec.Command("ipmitool", "-I", "lanplus", "-C", "17", "-H", "127.0.0.1", "-p", strconv.Itoa(firstPort), "-U", bmcUser, "-E", "power", "status")
			cmd.Env = append(os.Environ(), "IPMI_PASSWORD="+bmcPassword)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("ipmitool: %v: %s", err, out)
			}
		}) * 1000
	}
	ours := func() float64 {
		return 1000 / perSecond(200*time.Millisecond, func() {
			_, err := d.PowerState(context.Background(), n)
			must(t, err)
		})
	}
	m := rounds(9, ours, tool)
	return Row{What: "conductor asks a BMC for its power state", Ours: Figure{m[0], "ms"}, Peer: Figure{m[1], "ms"}, Less: true,
		Note: "same vBMC; kept session; peer: ipmitool, one process a question"}
}

// rss is the resident memory of a process, MiB.
func rss(t *testing.T, pid int) float64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	must(t, err)
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			must(t, err)
			return kb / 1024
		}
	}
	t.Fatalf("no VmRSS of process %d", pid)
	return 0
}
