package libvirt

import (
	"context"
	"fmt"
	"io"

	golibvirt "github.com/digitalocean/go-libvirt"
)

// consoleForce takes the console over from whoever has it open
// (VIR_DOMAIN_CONSOLE_FORCE): as with a real BMC the newest wins.
const consoleForce = 1

// ConsoleOutput copies what a running domain prints to its console dev (an alias
// of the live XML) into w. It blocks until the domain stops (nil), w fails or ctx
// ends. It uses a connection of its own, as a stream holds its caller for ever.
func (c *Conn) ConsoleOutput(ctx context.Context, name, dev string, w io.Writer) error {
	op := fmt.Sprintf("read console of domain %q", name)
	s, err := c.connect(ctx)
	if err != nil {
		return wrap(c.uri, op, err)
	}
	defer s.stream.Close()
	defer context.AfterFunc(ctx, func() { s.stream.Close() })()
	d, err := invokeOn(ctx, c, s, op, c.call, func(l *golibvirt.Libvirt) (golibvirt.Domain, error) {
		return l.DomainLookupByName(name)
	})
	if err != nil {
		return err
	}
	err = follow(s.lv, d, dev, w)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return wrap(c.uri, op, err)
}

// follow contains a fault of the library, see invokeOn.
func follow(l *golibvirt.Libvirt, d golibvirt.Domain, dev string, w io.Writer) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("fault in the libvirt library: %v", r)
		}
	}()
	return l.DomainOpenConsole(d, golibvirt.OptString{dev}, w, consoleForce)
}
