//go:build bench

package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	ipmiwire "trefoil/vbmc/ipmi/wire"
)

const (
	// virtualbmcEnv is a source tree of OpenStack's virtualbmc, which is measured beside
	// ours over the same domains. It is run as it is, with Debian's Python.
	virtualbmcEnv = "TREFOIL_VIRTUALBMC"
	debianPython  = "/usr/bin/python3"
	peerFirstPort = firstPort + 1000
)

// daemon is a program that serves the BMCs of a directory of configurations, ours or
// virtualbmc: they read the same files.
type daemon struct {
	name  string
	args  []string
	env   []string
	first int            // port of its first BMC
	suite ipmiwire.Suite // zero: 17
}

// grown is a daemon that serves all BMCs, and what it cost.
type grown struct {
	bmcAt             // the first BMC
	one, many float64 // MiB with one BMC and with all
	until     float64 // s from its start until all answered
}

func trefoilDaemon() daemon {
	return daemon{name: "vBMC", args: []string{"vbmc", "daemon", "--foreground"}, env: []string{"PATH=" + os.Getenv("PATH")}, first: firstPort}
}

// virtualbmc is the daemon in a source tree. It speaks suite 3, whatever a client proposes.
func virtualbmc(t *testing.T, tree string) daemon {
	t.Helper()
	const program = "virtualbmc/cmd/vbmcd.py"
	if _, err := os.Stat(filepath.Join(tree, program)); err != nil || !filepath.IsAbs(tree) {
		t.Fatalf("%s=%s: there is no %s (%v): expected an absolute path of a source tree of virtualbmc, and not below /tmp, which the bench has for itself",
			virtualbmcEnv, tree, program, err)
	}
	if out, err := exec.Command(debianPython, "-c", "import libvirt, pbr, pyghmi, zmq").CombinedOutput(); err != nil {
		t.Fatalf("virtualbmc cannot run with %s: %v\n%s\ninstall Debian's python3-libvirt, python3-pbr, python3-pyghmi and python3-zmq", debianPython, err, out)
	}
	return daemon{
		name: "virtualbmc", args: []string{debianPython, "-m", "virtualbmc.cmd.vbmcd", "--foreground"}, first: peerFirstPort, suite: ipmiwire.Suite3(),
		// PBR_VERSION: a tree that was never installed does not know which version it is.
		env: []string{"PATH=/usr/bin:/bin", "PYTHONPATH=" + tree, "PYTHONDONTWRITEBYTECODE=1", "PBR_VERSION=0"},
	}
}

// growDaemon starts a daemon on a home of its own with one BMC, and again with all.
func growDaemon(t *testing.T, d daemon, uri string) grown {
	t.Helper()
	home := t.TempDir()
	conf := filepath.Join(home, ".vbmc", "virtualbmc.conf")
	d.addBMC(t, home, 0, uri)
	must(t, os.WriteFile(conf, []byte("[default]\nserver_spawn_wait = 200\n"), 0o600))
	say("%s: waiting for the answer of one BMC", d.name)
	g := grown{bmcAt: bmcAt{port: d.first, suite: d.suite}}
	pid, stop := d.start(t, home)
	awaitRaw(t, g.bmcAt)
	g.one = pss(t, pid)
	stop()
	for i := 1; i < manyBMCs; i++ {
		d.addBMC(t, home, i, uri)
	}
	say("%s: waiting until %d BMCs answer", d.name, manyBMCs)
	g.until = took(func() {
		g.pid, stop = d.start(t, home)
		for i := range manyBMCs {
			awaitRaw(t, bmcAt{port: d.first + i, suite: d.suite})
		}
	})
	g.many = pss(t, g.pid)
	t.Cleanup(stop)
	return g
}

// addBMC writes a BMC's configuration as `vbmc add` and `vbmc start` leave it.
func (d daemon) addBMC(t *testing.T, home string, i int, uri string) {
	t.Helper()
	dir := filepath.Join(home, ".vbmc", domainName(i))
	must(t, os.MkdirAll(dir, 0o700))
	text := fmt.Sprintf("[VirtualBMC]\ndomain_name = %s\nusername = %s\npassword = %s\nport = %d\naddress = 127.0.0.1\nlibvirt_uri = %s\nactive = True\n",
		domainName(i), bmcUser, bmcPassword, d.first+i, uri)
	must(t, os.WriteFile(filepath.Join(dir, "config"), []byte(text), 0o600))
}

// start runs the daemon until it is stopped; its log is in the home.
func (d daemon) start(t *testing.T, home string) (pid int, stop func()) {
	t.Helper()
	log, err := os.OpenFile(filepath.Join(home, "vbmcd.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(t, err)
	defer log.Close()
	cmd := exec.Command(d.args[0], d.args[1:]...)
	cmd.Dir, cmd.Env = home, append([]string{"HOME=" + home}, d.env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(t, cmd.Start())
	return cmd.Process.Pid, func() { _ = cmd.Process.Signal(syscall.SIGTERM); _ = cmd.Wait() }
}

// awaitRaw waits until a BMC answers a session.
func awaitRaw(t *testing.T, b bmcAt) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		err := rawSession(b)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the BMC on port %d does not answer: %v", b.port, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// besideVirtualbmc are the rows of our daemon over libvirt, with virtualbmc over the same
// domains where its source tree is there.
func besideVirtualbmc(t *testing.T, ours grown, uri string) []Row {
	ours.suite = ipmiwire.Suite3() // as virtualbmc has no other
	sides := []bmcAt{ours.bmcAt}
	var peer grown
	memory, each := Figure{1541, "MiB"}, Figure{29.7 * 1024, "KiB"} // on another machine
	why := "virtualbmc is not present, its memory is recorded (RSS of all its processes); README, \"What it costs\", says how to have it measured"
	if tree := os.Getenv(virtualbmcEnv); tree != "" {
		peer, why = growDaemon(t, virtualbmc(t, tree), uri), "virtualbmc runs from its source tree, over the same domains"
		memory, each = Figure{peer.many, "MiB"}, peer.each()
		sides = append(sides, peer.bmcAt)
	}
	say("vBMC over libvirt: %d clients at once", clients)
	rows := rateRows(t, "over libvirt, suite 3", "virtualbmc", sides...)
	rows[2].Note += "; " + why
	after := number(pss(t, ours.pid)) + " MiB after the load above"
	if peer.pid != 0 {
		after += ", virtualbmc " + number(pss(t, peer.pid))
	}
	return append(rows,
		Row{What: "vBMC daemon over libvirt, 1 BMC (PSS)", Ours: Figure{ours.one, "MiB"}, Peer: some(peer.one, "MiB"), Less: true, Note: why},
		Row{What: "the same, 50 BMCs", Ours: Figure{ours.many, "MiB"}, Peer: memory, Less: true, Note: after},
		Row{What: "the same, one BMC more", Ours: ours.each(), Peer: each, Less: true},
		Row{What: "the same, from start until all 50 answer", Ours: Figure{ours.until, "s"}, Peer: some(peer.until, "s"), Less: true, Note: "a session with each, one after another"})
}

// each is what one BMC more takes.
func (g grown) each() Figure { return Figure{(g.many - g.one) * 1024 / (manyBMCs - 1), "KiB"} }

// some is a figure, if it was measured.
func some(v float64, unit string) Figure {
	if v == 0 {
		return Figure{}
	}
	return Figure{v, unit}
}
