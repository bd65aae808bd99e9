package lab

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"trefoil/internal/errs"
	"trefoil/overcloud/lab/probe"
)

// Create makes a lab, or goes on where an earlier Create was interrupted: each
// step looks first at what is there. A lab that is whole stays as it is, and what
// has gone (after the host's restart) is made again. inspection is where the node
// file is written; empty means nowhere. Everything that can be known beforehand,
// missing programs, names in use, memory, disk, is checked before anything is made.
func (m *Manager) Create(ctx context.Context, c *Config, inspection string) (*State, error) {
	if os.Geteuid() != 0 {
		return nil, errs.New(errs.Forbidden, "making a lab needs root: it makes network namespaces and machines").WithHint("use sudo")
	}
	vbmc, err := m.checkPrograms(c)
	if err != nil {
		return nil, err
	}
	unlock, err := m.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	s, err := m.begin(ctx, c)
	if err != nil {
		m.tidy()
		return nil, err
	}
	if inspection != "" {
		if s.Inspection, err = filepath.Abs(inspection); err != nil {
			return nil, fmt.Errorf("find the node file: %w", err)
		}
	}
	if err := m.build(ctx, s, vbmc); err != nil {
		return nil, fmt.Errorf("make lab %s: %w (make it again to go on, or delete it)", c.Name, err)
	}
	return s, nil
}

// Plan says how a lab would be made here, and makes nothing.
func (m *Manager) Plan(ctx context.Context, c *Config) (*State, error) {
	accel, err := m.acceleration(ctx, c)
	if err != nil {
		return nil, err
	}
	host, err := m.Host(m.Root)
	if err != nil {
		return nil, err
	}
	machines, err := Fit(c, host, accel.Accel)
	if err != nil {
		return nil, err
	}
	return &State{Phase: Creating, Config: *c, Acceleration: accel, Machines: machines, Created: m.Now().UTC(), dir: filepath.Join(m.Root, c.Name)}, nil
}

// begin finds the lab's state, or plans it and writes it down.
func (m *Manager) begin(ctx context.Context, c *Config) (*State, error) {
	s, err := m.load(c.Name)
	switch {
	case err == nil && s.Phase == Deleting:
		return nil, errs.New(errs.Conflict, "lab %q is half deleted", c.Name).WithHint("openstack lab delete %s", c.Name)
	case err == nil && !reflect.DeepEqual(s.Config, *c):
		return nil, errs.New(errs.Conflict, "lab %q is already there with another description", c.Name).
			WithHint("openstack lab delete %s, or choose another --name", c.Name)
	case err == nil:
		m.say("lab %s is already there (%s): looking after what is missing", c.Name, s.Phase)
		return s, nil
	case !errs.Is(err, errs.NotFound):
		return nil, err
	}
	if s, err = m.Plan(ctx, c); err != nil {
		return nil, err
	}
	if err := m.checkNeighbours(ctx, s); err != nil {
		return nil, err
	}
	m.say("acceleration %s: %s", s.Acceleration.Accel, s.Acceleration.Reason)
	if s.Acceleration.Hint != "" {
		m.say("  to change that: %s", s.Acceleration.Hint)
	}
	if err := os.Mkdir(s.dir, 0o711); err != nil && !os.IsExist(err) {
		return nil, fmt.Errorf("make the lab's directory: %w", err)
	}
	return s, s.save()
}

// build makes everything, in an order in which each thing finds what it needs.
func (m *Manager) build(ctx context.Context, s *State, vbmc string) error {
	n := &s.Config.Network
	if err := m.makeNetwork(ctx, s); err != nil {
		return err
	}
	m.say("network %s: bridge %s with %s, interface %s for the undercloud", m.where(s), n.Bridge, n.HostAddress, n.Interface)
	if s.Config.Private() {
		if err := m.ensureLibvirtd(ctx, s); err != nil {
			return err
		}
		m.say("libvirtd (pid %d): %s", s.Libvirtd.PID, s.LibvirtURI())
	}
	if err := m.makeDisks(ctx, s); err != nil {
		return err
	}
	if err := m.defineMachines(ctx, s); err != nil {
		return err
	}
	m.sayMachines(s)
	if err := m.startVBMC(ctx, s, vbmc); err != nil {
		return err
	}
	m.say("virtual BMCs at %s: all running", n.HostAddress)
	return m.finish(s)
}

// sayMachines tells what each machine is.
func (m *Manager) sayMachines(s *State) {
	for _, x := range s.Machines {
		m.say("machine %s: %d vCPU, %d MiB, %s, %s, vBMC port %d", x.Name, x.VCPUs, x.RAM.MiB(), disks(x.Disks), x.NICs[0].MAC, x.VBMC.Port)
	}
	if cut := s.Cut(); cut != "" {
		m.say("  %s", cut)
	}
}

// finish writes the node file and notes that the lab is whole.
func (m *Manager) finish(s *State) error {
	if s.Inspection != "" {
		text := Inspection(s.Machines, s.Config.Network.HostAddress)
		sum := sha256.Sum256(text)
		s.InspectionHash = hex.EncodeToString(sum[:])
		if err := s.save(); err != nil { // before the file, so that delete knows it as its own
			return err
		}
		if err := writeFile(s.Inspection, text, 0o600); err != nil {
			return err
		}
		m.say("nodes: %s", s.Inspection)
	}
	s.Phase = Ready
	return s.save()
}

func (m *Manager) where(s *State) string {
	if s.Config.Private() {
		return "namespace " + s.Config.Namespace
	}
	return "on the host"
}

func disks(list []Disk) string {
	var out []string
	for _, d := range list {
		out = append(out, d.Size.String())
	}
	return strings.Join(out, "+")
}

// acceleration is what the description asks for, or what the probe finds.
func (m *Manager) acceleration(ctx context.Context, c *Config) (probe.Result, error) {
	if c.Acceleration != "auto" {
		return probe.Result{Accel: probe.Accel(c.Acceleration), Reason: "asked for by the lab's description"}, nil
	}
	r, err := m.Probe.Probe(ctx)
	if err != nil {
		return r, fmt.Errorf("find out whether KVM works: %w", err)
	}
	return r, nil
}

// checkPrograms finds vbmc and refuses to begin without the host's programs.
func (m *Manager) checkPrograms(c *Config) (vbmc string, err error) {
	need := map[string]string{"ip": "iproute2", "qemu-img": "qemu-utils", "qemu-system-x86_64": "qemu-system-x86"}
	if c.Private() {
		need["libvirtd"] = "libvirt-daemon-system"
	}
	var packages []string
	for program, pkg := range need {
		if _, err := exec.LookPath(program); err != nil {
			packages = append(packages, pkg)
		}
	}
	for _, machine := range c.Machines {
		if _, err := os.Stat(ovmfCode); machine.Firmware == UEFI && err != nil {
			packages = append(packages, "ovmf")
			break
		}
	}
	if len(packages) > 0 {
		return "", errs.New(errs.NotFound, "programs for a lab are missing").WithHint("apt-get install %s", strings.Join(packages, " "))
	}
	return findVBMC()
}

// checkNeighbours refuses names that other labs or the host use.
func (m *Manager) checkNeighbours(ctx context.Context, s *State) error {
	others, err := m.List(ctx)
	if err != nil {
		return err
	}
	for _, o := range others {
		if s.Config.Private() && o.Config.Namespace == s.Config.Namespace {
			return errs.New(errs.Conflict, "namespace %s belongs to lab %q", s.Config.Namespace, o.Config.Name).
				WithHint("choose another namespace in the lab's description")
		}
	}
	if err := m.checkNetwork(ctx, s); err != nil || s.Config.Private() {
		return err
	}
	if err := checkPorts(s); err != nil {
		return err
	}
	h, err := m.Dial(ctx, s.LibvirtURI())
	if err != nil {
		return fmt.Errorf("reach the host's libvirt: %w", err)
	}
	defer h.Close()
	owners, err := ownersByName(ctx, h)
	if err != nil {
		return err
	}
	for _, x := range s.Machines {
		if o, ok := owners[x.Name]; ok && o.lab != s.Config.Name {
			return foreign(x.Name, s.LibvirtURI())
		}
	}
	return nil
}

// checkPorts refuses vBMC ports that another program of the host listens on.
func checkPorts(s *State) error {
	for _, x := range s.Machines {
		conn, err := net.ListenPacket("udp4", ":"+strconv.Itoa(x.VBMC.Port))
		if err != nil {
			return errs.Wrap(errs.Conflict, err, "vBMC port %d of %s is taken", x.VBMC.Port, x.Name).
				WithHint("see who has it: ss -lunp 'sport = :%d'; choose another vbmc.port, or give the lab a namespace of its own", x.VBMC.Port)
		}
		_ = conn.Close() // it was only tried
	}
	return nil
}
