// Package kmods loads kernel modules for the devices that are there. The
// ramdisk carries a manifest with each module's dependencies and the device
// aliases it serves, so that neither udev nor depmod is needed.
package kmods

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// ManifestPath is where the ramdisk keeps its manifest.
const ManifestPath = "/lib/modules/manifest.json"

// Module is one kernel module in the ramdisk.
type Module struct {
	Name    string   `json:"name"` // with underscores
	File    string   `json:"file"` // path in the ramdisk
	Deps    []string `json:"deps,omitempty"`
	Aliases []string `json:"aliases,omitempty"` // glob patterns of modalias
}

// Manifest lists the modules of a ramdisk. Always is loaded whatever devices there are.
type Manifest struct {
	Kernel  string   `json:"kernel"`
	Always  []string `json:"always,omitempty"`
	Modules []Module `json:"modules"`
}

// Load reads a manifest.
func Load(name string) (*Manifest, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read module manifest: %w", err)
	}
	m := &Manifest{}
	if err := json.Unmarshal(data, m); err != nil {
		return nil, fmt.Errorf("read module manifest %s: %w", name, err)
	}
	return m, nil
}

// Order returns the module and what it needs, each before what needs it.
// What is not in the manifest is built into the kernel.
func (m *Manifest) Order(name string) []Module {
	byName := make(map[string]Module, len(m.Modules))
	for _, mod := range m.Modules {
		byName[mod.Name] = mod
	}
	seen := map[string]bool{}
	var out []Module
	var visit func(string)
	visit = func(n string) {
		mod, ok := byName[n]
		if !ok || seen[n] {
			return
		}
		seen[n] = true
		for _, d := range mod.Deps {
			visit(d)
		}
		out = append(out, mod)
	}
	visit(name)
	return out
}

// Match returns the names of the modules that serve a device alias.
func (m *Manifest) Match(modalias string) []string {
	var out []string
	for _, mod := range m.Modules {
		for _, a := range mod.Aliases {
			if ok, err := path.Match(a, modalias); err == nil && ok {
				out = append(out, mod.Name)
				break
			}
		}
	}
	return out
}

// Loader loads modules and remembers which. Not safe for concurrent use.
type Loader struct {
	Manifest *Manifest
	SysDir   string                        // default /sys
	Insert   func(mod Module) error        // default finit_module(2)
	Logf     func(format string, a ...any) // may be nil
	done     map[string]bool
}

// Coldplug loads what serves the devices of /sys, again and again until a round
// finds nothing new: a bus driver brings devices with aliases of their own.
// A module that cannot be loaded is logged and passed over.
func (l *Loader) Coldplug() {
	for _, name := range l.Manifest.Always {
		l.load(name)
	}
	for range 10 {
		found := false
		for _, alias := range l.aliases() {
			for _, name := range l.Manifest.Match(alias) {
				found = l.load(name) || found
			}
		}
		if !found {
			return
		}
	}
}

func (l *Loader) load(name string) (loaded bool) {
	if l.done == nil {
		l.done = map[string]bool{}
	}
	for _, mod := range l.Manifest.Order(name) {
		if l.done[mod.Name] {
			continue
		}
		l.done[mod.Name] = true
		insert := l.Insert
		if insert == nil {
			insert = insertModule
		}
		if err := insert(mod); err != nil && !errors.Is(err, unix.EEXIST) {
			if l.Logf != nil {
				l.Logf("module %s: %v", mod.Name, err)
			}
			continue
		}
		loaded = true
	}
	return loaded
}

// aliases reads every modalias file of the device tree, each text once.
func (l *Loader) aliases() []string {
	root := l.SysDir
	if root == "" {
		root = "/sys"
	}
	seen := map[string]bool{}
	var out []string
	_ = filepath.WalkDir(filepath.Join(root, "devices"), func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "modalias" {
			return nil
		}
		if data, err := os.ReadFile(p); err == nil {
			if a := strings.TrimSpace(string(data)); a != "" && !seen[a] {
				seen[a] = true
				out = append(out, a)
			}
		}
		return nil
	})
	return out
}

func insertModule(mod Module) error {
	f, err := os.Open(mod.File)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.FinitModule(int(f.Fd()), "", 0)
}
