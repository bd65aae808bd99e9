package lab

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"trefoil/internal/errs"
)

// Delete removes a lab without a trace: processes, machines, network, files. It
// can be called again after an interruption. In a private lab every process of the
// lab's namespace ends, also an undercloud that was started in it: without its
// network it could do nothing.
func (m *Manager) Delete(ctx context.Context, name string) error {
	unlock, err := m.lock()
	if err != nil {
		return err
	}
	defer unlock()
	defer m.tidy()
	s, err := m.load(name)
	if errs.Is(err, errs.NotFound) {
		_ = os.Remove(filepath.Join(m.Root, name)) // of a create that was killed before its first note: empty
	}
	if err != nil {
		return err
	}
	if err := checkOutside(s); err != nil {
		return err
	}
	s.Phase = Deleting
	if err := s.save(); err != nil {
		return err
	}
	if err := m.endProcesses(ctx, s); err != nil {
		return fmt.Errorf("delete lab %s: %w", name, err)
	}
	if err := m.removeNetwork(ctx, s); err != nil {
		return fmt.Errorf("delete lab %s: %w", name, err)
	}
	m.say("removed the network (%s)", m.where(s))
	if err := removeInspection(s); err != nil {
		return fmt.Errorf("delete lab %s: %w", name, err)
	}
	if err := m.removeDir(s); err != nil {
		return fmt.Errorf("delete lab %s: %w", name, err)
	}
	m.say("removed %s", s.dir)
	return nil
}

// checkOutside refuses to saw off the branch that this process sits on.
func checkOutside(s *State) error {
	if !s.Config.Private() {
		return nil
	}
	ns, err := os.Stat(s.namespacePath())
	if err != nil {
		return nil //nolint:nilerr // gone already
	}
	if own, err := os.Stat("/proc/self/ns/net"); err == nil && os.SameFile(ns, own) {
		return errs.New(errs.Conflict, "this shell is inside lab %q", s.Config.Name).WithHint("leave it (exit) and delete the lab from outside")
	}
	return nil
}

func (m *Manager) endProcesses(ctx context.Context, s *State) error {
	list := func() ([]Process, error) { return processesIn(s.namespacePath()) }
	if !s.Config.Private() {
		if err := m.removeMachines(ctx, s); err != nil {
			return err
		}
		list = func() ([]Process, error) {
			if s.VBMCD.running() {
				return []Process{s.VBMCD}, nil
			}
			return nil, nil
		}
	}
	ended, err := stop(ctx, list, patience)
	if len(ended) > 0 {
		m.say("ended %s", strings.Join(ended, ", "))
	}
	return err
}

// removeInspection removes the node file if nobody has changed it since.
func removeInspection(s *State) error {
	if s.InspectionHash == "" {
		return nil
	}
	b, err := os.ReadFile(s.Inspection)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the node file: %w", err)
	}
	sum := sha256.Sum256(b)
	if hex.EncodeToString(sum[:]) != s.InspectionHash {
		return nil // the user's own now
	}
	if err := os.Remove(s.Inspection); err != nil {
		return fmt.Errorf("remove the node file: %w", err)
	}
	return nil
}

// removeDir removes the lab's directory; lab.json goes last, so that an
// interrupted delete is still known as a lab. Nothing mounted is walked into.
func (m *Manager) removeDir(s *State) error {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return fmt.Errorf("look for mounts: %w", err)
	}
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 4 && strings.HasPrefix(f[4], s.dir+"/") {
			return errs.New(errs.Conflict, "%s is mounted inside the lab's directory", f[4]).WithHint("umount %s", f[4])
		}
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("read the lab's directory: %w", err)
	}
	for _, e := range entries {
		if e.Name() == "lab.json" {
			continue
		}
		if err := os.RemoveAll(filepath.Join(s.dir, e.Name())); err != nil {
			return fmt.Errorf("remove the lab's files: %w", err)
		}
	}
	if err := os.RemoveAll(s.dir); err != nil {
		return fmt.Errorf("remove the lab's directory: %w", err)
	}
	return nil
}

// tidy removes the directory of all labs when it is the default one and empty.
func (m *Manager) tidy() {
	if m.Root == DefaultRoot {
		_ = os.Remove(m.Root) // fails while a lab is left, as it should
		_ = os.Remove(filepath.Dir(m.Root))
	}
}
