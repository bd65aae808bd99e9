package libvirt

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"

	golibvirt "github.com/digitalocean/go-libvirt"
)

// ConsoleFlags say how a console is opened.
type ConsoleFlags uint32

// Flags of OpenConsole (virDomainConsoleFlags).
const (
	ConsoleIfFree ConsoleFlags = 0 // CodeOperationFailed while somebody has it
	ConsoleForce  ConsoleFlags = 1 // whoever has it is thrown out
)

// OpenConsole opens the output of a running domain's console dev, an alias of the
// live XML. Reading ends with io.EOF when the domain stops and when somebody else
// takes the console. It uses a connection of its own until it is closed, as a stream
// of the library holds its caller for ever and cannot be ended. ctx bounds the
// opening only.
func (c *Conn) OpenConsole(ctx context.Context, name, dev string, flags ConsoleFlags) (io.ReadCloser, error) {
	op := fmt.Sprintf("open console of domain %q", name)
	o := &opening{open: make(chan struct{})}
	s, err := c.connect(ctx, o.through)
	if err != nil {
		return nil, wrap(c.uri, op, err)
	}
	d, err := invokeOn(ctx, c, s, op, c.call, func(l *golibvirt.Libvirt) (golibvirt.Domain, error) {
		return l.DomainLookupByName(name)
	})
	if err != nil {
		s.stream.Close()
		return nil, err
	}
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := wrap(c.uri, op, follow(s.lv, d, dev, w, flags))
		s.stream.Close()
		ended <- err
		w.CloseWithError(err) // nil is io.EOF
	}()
	select {
	case <-o.open:
	case err = <-ended: // nil: it was open for a moment
	case <-ctx.Done():
		err = &UnavailableError{URI: c.uri, Op: op, Err: ctx.Err()}
	}
	if err != nil {
		s.stream.Close()
		r.Close()
		return nil, err
	}
	return consoleOutput{r, s.stream}, nil
}

// follow contains a fault of the library, see invokeOn.
func follow(l *golibvirt.Libvirt, d golibvirt.Domain, dev string, w io.Writer, flags ConsoleFlags) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("fault in the libvirt library: %v", r)
		}
	}()
	return l.DomainOpenConsole(d, golibvirt.OptString{dev}, w, uint32(flags))
}

type consoleOutput struct {
	*io.PipeReader
	stream io.Closer
}

// Close gives the console back.
func (c consoleOutput) Close() error {
	c.stream.Close()
	return c.PipeReader.Close()
}

// The packets of libvirt's protocol (src/rpc/virnetprotocol.x): length, program,
// version, procedure, type, serial and status, four bytes each, then the content.
const (
	packetHead      = 28
	procOpenConsole = 201 // REMOTE_PROC_DOMAIN_OPEN_CONSOLE
	typeReply       = 1
	statusOK        = 0
)

// opening looks at what a connection receives for the reply that a console is open:
// the library tells of it when the console ends, and not before.
type opening struct {
	net.Conn
	once sync.Once
	open chan struct{} // closed by that reply
	head []byte        // of the packet that is being received
	skip int           // bytes of its content that are still to come
}

func (o *opening) through(c net.Conn) net.Conn {
	o.Conn = c
	return o
}

func (o *opening) Read(p []byte) (int, error) {
	n, err := o.Conn.Read(p)
	o.look(p[:n])
	return n, err
}

func (o *opening) look(b []byte) {
	for len(b) > 0 {
		if o.skip > 0 {
			n := min(o.skip, len(b))
			o.skip -= n
			b = b[n:]
			continue
		}
		n := min(packetHead-len(o.head), len(b))
		o.head = append(o.head, b[:n]...)
		b = b[n:]
		if len(o.head) < packetHead {
			return
		}
		word := func(i int) uint32 { return binary.BigEndian.Uint32(o.head[4*i:]) }
		if word(3) == procOpenConsole && word(4) == typeReply && word(6) == statusOK {
			o.once.Do(func() { close(o.open) })
		}
		o.skip = max(0, int(word(0))-packetHead)
		o.head = o.head[:0]
	}
}
