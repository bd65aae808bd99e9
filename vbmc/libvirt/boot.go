package libvirt

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	golibvirt "github.com/digitalocean/go-libvirt"
)

// BootDomain starts a defined domain from its boot devices: a guest that was saved is
// thrown away, and dropped says so. libvirt removes it before it starts, so dropped is also
// told beside an error, and of a start that got no answer: the guest may be gone then.
// IsInvalidOperation when it runs already.
func (c *Conn) BootDomain(ctx context.Context, name string) (dropped bool, err error) {
	var gone atomic.Bool // the call may go on when nobody waits for it any more
	err = do(ctx, c, fmt.Sprintf("start domain %q", name), c.slow, func(l *golibvirt.Libvirt) error {
		d, err := l.DomainLookupByName(name)
		if err != nil {
			return err
		}
		saved, err := hasSaved(l, d)
		if err != nil {
			return err
		}
		var flags golibvirt.DomainCreateFlags
		if saved { // hypervisors without saved guests do not know the flag
			flags = golibvirt.DomainStartForceBoot
		}
		gone.Store(saved)
		_, err = l.DomainCreateWithFlags(d, uint32(flags))
		if saved && err != nil {
			gone.Store(isGone(l, d))
		}
		return err
	})
	return gone.Load(), err
}

// isGone tells, after a start that failed, whether the saved guest is thrown away. One that
// still waits is not, nor one that somebody else has let go on. Where nobody knows, it is.
func isGone(l *golibvirt.Libvirt, d golibvirt.Domain) bool {
	if saved, err := hasSaved(l, d); err != nil || saved {
		return err != nil
	}
	active, err := l.DomainIsActive(d)
	return err != nil || active == 0
}

// HasSaved asks whether libvirt has saved the guest of a domain, which then goes on at the
// next start.
func (c *Conn) HasSaved(ctx context.Context, name string) (bool, error) {
	return invoke(ctx, c, fmt.Sprintf("look for the saved guest of domain %q", name), c.call, func(l *golibvirt.Libvirt) (bool, error) {
		d, err := l.DomainLookupByName(name)
		if err != nil {
			return false, err
		}
		return hasSaved(l, d)
	})
}

// IsPersistent asks whether a domain has a stored definition. Without one it is transient:
// libvirt forgets it when it stops.
func (c *Conn) IsPersistent(ctx context.Context, name string) (bool, error) {
	return invoke(ctx, c, fmt.Sprintf("look for the stored definition of domain %q", name), c.call, func(l *golibvirt.Libvirt) (bool, error) {
		d, err := l.DomainLookupByName(name)
		if err != nil {
			return false, err
		}
		n, err := l.DomainIsPersistent(d)
		return n > 0, err
	})
}

// hasSaved asks whether there is a saved guest; hypervisors that cannot tell have none.
func hasSaved(l *golibvirt.Libvirt, d golibvirt.Domain) (bool, error) {
	n, err := l.DomainHasManagedSaveImage(d, 0)
	var e golibvirt.Error
	if errors.As(err, &e) && Code(e.Code) == CodeNoSupport {
		return false, nil
	}
	return n > 0, err
}
