package manager

import (
	"fmt"
	"os"
	"time"

	"trefoil/internal/errs"
)

// Deleted is a BMC that is no more.
type Deleted struct {
	name  string
	order <-chan struct{} // closed when the domain has its own boot order
}

// Delete stops a BMC and removes its configuration, unless what it changed in the
// domain's boot order could not be kept: nothing is removed then. Await waits for the
// order itself.
func (m *Manager) Delete(name string) (Deleted, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	gone := Deleted{name: name}
	if err := validName(name); err != nil {
		return gone, err
	}
	// Also a directory without configuration goes: an add or a delete was killed.
	i, err := os.Lstat(m.store.dir(name))
	if absent(err) || err == nil && !i.IsDir() {
		return gone, noDomain(name).WithHint("see: vbmc list")
	}
	if err != nil {
		return gone, fmt.Errorf("look at the directory of domain %s: %w", name, err)
	}
	m.stop(name)
	delete(m.faults, name)
	c, _ := m.store.load(name) // of a file that cannot be read the boot state knows the domain
	if gone.order, err = m.machines.Leave(c, m.store.state(name)); err != nil {
		return gone, errs.Wrap(errs.Internal, err, "domain %s is not deleted: its own boot order cannot be kept", name).
			WithHint("mend that and delete it again; or remove %s, and the boot order stays as it is", m.store.state(name))
	}
	return gone, m.store.remove(name)
}

// orderWait is how long a command waits for libvirt to take boot orders back.
const orderWait = 3 * time.Second

// Await gives the domains of deleted BMCs a moment to get their own boot orders back.
// Those that do not are told in the log; they get it when libvirt answers.
func (m *Manager) Await(all []Deleted) {
	enough := time.After(orderWait)
	for i, d := range all {
		select {
		case <-d.order:
		case <-enough:
			for _, d := range all[i:] {
				select {
				case <-d.order:
				default:
					m.logOf(d.name).Warn("the domain gets its own boot order back when libvirt answers")
				}
			}
			return
		}
	}
}
