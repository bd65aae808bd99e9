package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"trefoil/internal/errs"
	"trefoil/internal/filelock"
	"trefoil/overcloud/lab/probe"
)

// Phases of a lab's life.
const (
	Creating = "creating" // not finished: create again to go on
	Ready    = "ready"
	Deleting = "deleting" // delete again to go on

	// Stopped is what Condition calls a ready lab whose network is gone since the
	// host's restart: create it again, its disks are kept.
	Stopped = "stopped"
)

// State is what is known of a lab, kept in its directory as lab.json.
type State struct {
	Version        int          `json:"version"`
	Phase          string       `json:"phase"`
	Config         Config       `json:"config"`
	Acceleration   probe.Result `json:"acceleration"`
	Machines       []Sized      `json:"machines"`
	Created        time.Time    `json:"created"`
	Libvirtd       Process      `json:"libvirtd"`
	VBMCD          Process      `json:"vbmcd"`
	Inspection     string       `json:"inspection"`      // where the node file was written
	InspectionHash string       `json:"inspection_hash"` // SHA-256: delete removes only what it wrote

	dir string
}

const stateVersion = 1

// Dir is the lab's directory.
func (s *State) Dir() string { return s.dir }

func (s *State) path(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}

// LibvirtURI reaches the lab's libvirtd from anywhere on the host.
func (s *State) LibvirtURI() string {
	if !s.Config.Private() {
		return s.Config.LibvirtURI
	}
	return "qemu:///system?socket=" + s.path("libvirt/run/libvirt/libvirt-sock")
}

// VBMCConfig is the configuration file of the lab's virtual BMC daemon.
func (s *State) VBMCConfig() string { return s.path("vbmc/virtualbmc.conf") }

// ConsoleLog is the file with everything a machine printed on its serial line.
func (s *State) ConsoleLog(machine string) string {
	if s.Config.Private() {
		return s.path("libvirt/log/qemu", machine+"-console.log")
	}
	return s.path("images", machine+"-console.log")
}

// Condition is the phase as a person should see it.
func (s *State) Condition() string {
	if s.Phase == Ready && s.Config.Private() {
		if _, err := os.Stat(s.namespacePath()); err != nil {
			return Stopped
		}
	}
	return s.Phase
}

func (s *State) save() error {
	s.Version = stateVersion
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the lab's state: %w", err)
	}
	return writeFile(s.path("lab.json"), append(b, '\n'), 0o600)
}

// writeFile replaces a file in one step, so that a reader or a crash never meets half of it.
func writeFile(path string, data []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// load reads a lab's state; errs.NotFound when there is no such lab.
func (m *Manager) load(name string) (*State, error) {
	dir := filepath.Join(m.Root, name)
	if !nameForm.MatchString(name) {
		return nil, errs.New(errs.Invalid, "%q is no lab name; expected at most 40 lower-case letters, digits and '-'", name)
	}
	b, err := os.ReadFile(filepath.Join(dir, "lab.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, errs.New(errs.NotFound, "there is no lab %q in %s", name, m.Root).
			WithHint("openstack lab list shows the labs; TREFOIL_LAB_DIR chooses the directory")
	}
	if errors.Is(err, os.ErrPermission) {
		return nil, errs.Wrap(errs.Forbidden, err, "read lab %s", name).WithHint("labs belong to root: use sudo")
	}
	if err != nil {
		return nil, fmt.Errorf("read lab %s: %w", name, err)
	}
	s := &State{dir: dir}
	if err := json.Unmarshal(b, s); err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Join(dir, "lab.json"), err)
	}
	if s.Version != stateVersion {
		return nil, errs.New(errs.Invalid, "%s has version %d; this program reads %d", filepath.Join(dir, "lab.json"), s.Version, stateVersion)
	}
	return s, nil
}

// names lists the labs below Root.
func (m *Manager) names() ([]string, error) {
	entries, err := os.ReadDir(m.Root) // sorted by name
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if errors.Is(err, os.ErrPermission) {
		return nil, errs.Wrap(errs.Forbidden, err, "list labs").WithHint("labs belong to root: use sudo")
	}
	if err != nil {
		return nil, fmt.Errorf("list labs: %w", err)
	}
	var out []string
	for _, e := range entries {
		if _, err := os.Stat(filepath.Join(m.Root, e.Name(), "lab.json")); err == nil {
			out = append(out, e.Name())
		}
	}
	return out, nil
}

// lock keeps two commands from changing labs at once. It is held on the directory
// of all labs itself, so that no lock file is left behind.
func (m *Manager) lock() (unlock func(), err error) {
	if err := os.MkdirAll(m.Root, 0o711); err != nil {
		return nil, fmt.Errorf("make the directory of labs: %w", err)
	}
	f, err := os.Open(m.Root)
	if err != nil {
		return nil, fmt.Errorf("open the directory of labs: %w", err)
	}
	if err := filelock.Take(f); err != nil {
		f.Close()
		return nil, errs.New(errs.Locked, "another lab command is at work in %s", m.Root).WithHint("try again when it has ended")
	}
	return func() { f.Close() }, nil
}
