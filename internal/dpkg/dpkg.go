// Package dpkg reads dpkg's status file (/var/lib/dpkg/status), which says what
// a Debian machine has installed. It is pure.
package dpkg

import (
	"maps"
	"slices"
	"strings"
)

// StatusFile is where dpkg keeps its status.
const StatusFile = "/var/lib/dpkg/status"

// ImageProperty is the property of an operating system's image in Glance that
// lists the names of Installed, separated by spaces: the deployer holds the
// services of the roles against it.
const ImageProperty = "trefoil_packages"

// Installed is what a machine has: versions of packages by their names, and the
// names that these packages provide, without versions. A nil Installed has nothing.
type Installed struct {
	Versions map[string]string
	Provides map[string]bool
}

// Parse reads a status file. Packages that were removed, or whose installation
// did not end, are left out. Text that is no status file has no packages.
func Parse(status string) Installed {
	in := Installed{Versions: map[string]string{}, Provides: map[string]bool{}}
	p := paragraph{}
	for line := range strings.Lines(status) {
		if line = strings.TrimRight(line, "\r\n"); line == "" {
			in.take(p)
			p = paragraph{}
			continue
		}
		key, value, _ := strings.Cut(line, ":")
		switch value = strings.TrimSpace(value); key {
		case "Package":
			p.name = value
		case "Version":
			p.version = value
		case "Status":
			p.status = value
		case "Provides":
			p.provides = value
		}
	}
	in.take(p)
	return in
}

// paragraph is what the file says of one package.
type paragraph struct{ name, version, status, provides string }

func (in *Installed) take(p paragraph) {
	// "install ok installed": what is wanted, whether an error stands, how far it is.
	words := strings.Fields(p.status)
	if p.name == "" || len(words) != 3 || words[2] != "installed" {
		return
	}
	in.Versions[p.name] = p.version
	for v := range strings.SplitSeq(p.provides, ",") {
		name, _, _ := strings.Cut(strings.TrimSpace(v), " ") // mail-transport-agent, or name (= version)
		if name, _, _ = strings.Cut(name, ":"); name != "" { // name:any
			in.Provides[name] = true
		}
	}
}

// Has tells whether a package is there, or another that stands for it.
func (in Installed) Has(name string) bool {
	_, ok := in.Versions[name]
	return ok || in.Provides[name]
}

// Names are all names that Has knows, sorted.
func (in Installed) Names() []string {
	all := maps.Clone(in.Provides)
	if all == nil {
		all = map[string]bool{}
	}
	for name := range in.Versions {
		all[name] = true
	}
	return slices.Sorted(maps.Keys(all))
}
