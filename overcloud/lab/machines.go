package lab

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"trefoil/internal/errs"
	"trefoil/vbmc/libvirt"
)

// imageDir is where the disks lie, as this program sees it.
func (s *State) imageDir() string {
	if s.Config.Private() {
		return s.path("libvirt/lib/images")
	}
	return s.path("images")
}

// places are the same directories as the lab's libvirt sees them.
func (s *State) places() places {
	if s.Config.Private() {
		return places{images: "/var/lib/libvirt/images", nvram: "/var/lib/libvirt/qemu/nvram", logs: "/var/log/libvirt/qemu"}
	}
	return places{images: s.path("images"), nvram: s.path("images"), logs: s.path("images")}
}

// makeDisks makes the missing disk files. They are sparse: 60 GB take 200 KB until
// the machine writes. (The article's preallocation=metadata would write the tables
// of all five at once and spare a lab nothing.)
func (m *Manager) makeDisks(ctx context.Context, s *State) error {
	if err := os.MkdirAll(s.imageDir(), 0o711); err != nil {
		return fmt.Errorf("make the directory of disks: %w", err)
	}
	if err := checkReachable(s); err != nil {
		return err
	}
	for _, machine := range s.Machines {
		for i, d := range machine.Disks {
			path := filepath.Join(s.imageDir(), diskFile(machine.Name, i))
			if _, err := os.Stat(path); err == nil {
				continue
			}
			// A file under its final name is whole, also after a kill.
			unfinished := path + ".new"
			_, err := m.Run.Run(ctx, nil, "qemu-img", "create", "-q", "-f", "qcow2", unfinished, strconv.FormatInt(int64(d.Size), 10))
			if err == nil {
				err = os.Rename(unfinished, path)
			}
			if err != nil {
				return fmt.Errorf("make disk %s of %s: %w", diskName(i), machine.Name, err)
			}
		}
	}
	return nil
}

// checkReachable makes sure that the host's QEMU, which runs as a user of its own,
// can walk to the disks. A private lab's libvirt sees them elsewhere.
func checkReachable(s *State) error {
	if s.Config.Private() {
		return nil
	}
	for dir := s.imageDir(); dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		st, err := os.Stat(dir)
		if err != nil {
			return fmt.Errorf("look at the way to the disks: %w", err)
		}
		if st.Mode().Perm()&0o001 == 0 {
			return errs.New(errs.Invalid, "QEMU cannot reach the disks: %s has mode %04o", dir, st.Mode().Perm()).
				WithHint("chmod o+x %s, or choose another TREFOIL_LAB_DIR", dir)
		}
	}
	return nil
}

// defineMachines tells libvirt of every machine; a machine that runs keeps
// running. A domain made from the same description stays as it is: it may hold a
// boot device that its virtual BMC has set. A domain of somebody else with the
// same name is left alone.
func (m *Manager) defineMachines(ctx context.Context, s *State) error {
	h, err := m.Dial(ctx, s.LibvirtURI())
	if err != nil {
		return fmt.Errorf("reach the lab's libvirt: %w", err)
	}
	defer h.Close()
	domains, err := ownersByName(ctx, h)
	if err != nil {
		return err
	}
	for i := range s.Machines {
		machine := &s.Machines[i]
		there, ok := domains[machine.Name]
		if ok && there.lab != s.Config.Name {
			return foreign(machine.Name, s.LibvirtURI())
		}
		text, err := domainXML(s.Config.Name, machine, &s.Config.Network, s.Acceleration.Accel, s.places())
		if err != nil {
			return err
		}
		if ok && there.made != "" && there.made == ownerOf(text).made {
			continue
		}
		if _, err := h.DefineDomain(ctx, text); err != nil {
			return fmt.Errorf("define machine %s: %w", machine.Name, err)
		}
	}
	return nil
}

func foreign(name, uri string) error {
	return errs.New(errs.Conflict, "libvirt at %s already has a domain %s that belongs to no lab of this name", uri, name).
		WithHint("rename the machine, or give the lab a namespace (and so a libvirt) of its own")
}

// ownersByName maps each domain to the mark that says which lab it belongs to.
func ownersByName(ctx context.Context, h hypervisor) (map[string]mark, error) {
	domains, err := h.Domains(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the domains: %w", err)
	}
	out := map[string]mark{}
	for _, d := range domains {
		text, err := h.DomainXML(ctx, d.Name, libvirt.XMLInactive)
		if libvirt.IsNoDomain(err) {
			continue // gone meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("read domain %s: %w", d.Name, err)
		}
		out[d.Name] = ownerOf(text)
	}
	return out, nil
}

// removeMachines stops and forgets the lab's domains in the host's libvirt. A
// private lab needs no such thing: its libvirtd goes with its directory.
func (m *Manager) removeMachines(ctx context.Context, s *State) error {
	h, err := m.Dial(ctx, s.LibvirtURI())
	if err != nil {
		return fmt.Errorf("reach libvirt to remove the machines: %w", err)
	}
	defer h.Close()
	owners, err := ownersByName(ctx, h)
	if err != nil {
		return err
	}
	for name, its := range owners {
		if its.lab != s.Config.Name {
			continue
		}
		if err := h.DestroyDomain(ctx, name); err != nil && !libvirt.IsInvalidOperation(err) && !libvirt.IsNoDomain(err) {
			return fmt.Errorf("stop machine %s: %w", name, err)
		}
		flags := libvirt.UndefineNVRAM | libvirt.UndefineManagedSave | libvirt.UndefineSnapshots
		if err := h.UndefineDomain(ctx, name, flags); err != nil && !libvirt.IsNoDomain(err) {
			return fmt.Errorf("remove machine %s: %w", name, err)
		}
		m.say("removed machine %s", name)
	}
	return nil
}

func groupID(name string) (int, bool) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, false
	}
	id, err := strconv.Atoi(g.Gid)
	return id, err == nil
}
