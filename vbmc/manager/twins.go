package manager

import (
	"fmt"
	"maps"
	"slices"

	"trefoil/internal/errs"
	"trefoil/vbmc/domain/virt"
)

// machines are the BMCs, by their directories, of each domain of a hypervisor. Commands keep
// them one to one; a directory that was copied does not.
type machines map[virt.Owner][]string

func (ms machines) take(name string, c Config) { ms[owner(c)] = append(ms[owner(c)], name) }

// twins are, for each BMC whose domain another one has too, the words that tell so.
func (ms machines) twins() map[string]string {
	out := map[string]string{}
	for of, names := range ms {
		for i, name := range names {
			if len(names) > 1 {
				out[name] = twinText(name, names[(i+1)%len(names)], of.Domain)
			}
		}
	}
	return out
}

func twinText(name, other, domain string) string {
	return fmt.Sprintf("the vBMCs %s and %s are both of domain %s: one does not know what the other does to it", name, other, domain)
}

// allTwins looks at all configurations. m.mu is held.
func (m *Manager) allTwins() (map[string]string, error) {
	ms := machines{}
	err := m.store.each(func(name string, s stamp, err error) {
		if c, err := m.loadEach(name, s, err); err == nil {
			ms.take(name, c)
		}
	})
	return ms.twins(), err
}

// tellTwins logs what is news of it. m.mu is held.
func (m *Manager) tellTwins(all map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if m.twins[name] != all[name] {
			m.logOf(name).Warn(all[name])
		}
	}
	m.twins = all
}

// strange adds what a table of domains does not tell of a BMC: what commands call it, and
// whether it is alone. m.mu is held.
func (m *Manager) strange(i Info, name, twin string) Info {
	if i.Domain != name {
		i.Directory = name
		i.Odd = append(i.Odd, explain(m.store.misnamed(name, i.Domain)))
	}
	if twin != "" {
		i.Odd = append(i.Odd, twin)
	}
	return i
}

// misnamed tells that a directory has another name than its domain.
func (d dirStore) misnamed(name, domain string) error {
	return errs.New(errs.Invalid, "%s: domain_name = %q stands in directory %q, which is what commands call this vBMC",
		d.place(name, "domain_name"), domain, name).
		WithHint("if that is not meant, change the line or the name of the directory")
}
