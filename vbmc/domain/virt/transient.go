package virt

import (
	"context"
	"fmt"

	"trefoil/vbmc/domain"
)

// errTransient is of a domain without a stored definition (virsh create, or virsh undefine
// while it runs): it is gone when it stops, and to define it would make it another kind.
var errTransient = fmt.Errorf("%w: the domain is transient, libvirt forgets it when it stops; virsh define gives it a definition that stays", domain.ErrNotSupported)

// needStored refuses what takes a stored definition.
func (m *Machine) needStored(ctx context.Context) error {
	stored, err := m.conn.IsPersistent(ctx, m.name)
	if err == nil && !stored {
		return errTransient
	}
	return translate(err)
}
