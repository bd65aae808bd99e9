package ipmiclient

import (
	"crypto/hmac"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"time"

	"trefoil/vbmc/ipmi/wire"
)

// errOtherSuite is of a BMC that answers a proposal with another suite, as pyghmi's does.
var errOtherSuite = errors.New("open session: the BMC chose another cipher suite than the one proposed")

// login opens the session (13.15 ff.); nothing else reads the socket yet.
func (c *Client) login() error {
	if len(c.o.Username) > 16 || len(c.o.Password) > 20 {
		return errors.New("IPMI has user names of 16 bytes and passwords of 20 bytes at most")
	}
	var id [4]byte
	if _, err := rand.Read(id[:]); err != nil {
		return err
	}
	id[0] |= 1 // 0 is no session
	c.ex = wire.Exchange{Suite: c.o.Suite, ConsoleID: binary.LittleEndian.Uint32(id[:]), KG: c.o.KG}
	c.ex.Role, c.ex.Name = c.o.Privilege, []byte(c.o.Username)
	copy(c.ex.Password[:], c.o.Password)
	if _, err := rand.Read(c.ex.Rm[:]); err != nil {
		return err
	}
	for _, step := range []func() error{c.open, c.rakp1, c.rakp3} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// open proposes exactly one suite (13.17).
func (c *Client) open() error {
	s := c.o.Suite
	b := []byte{0, c.o.Privilege, 0, 0}
	b = binary.LittleEndian.AppendUint32(b, c.ex.ConsoleID)
	for kind, alg := range []byte{s.Auth, s.Integrity, s.Crypt} {
		b = append(b, byte(kind), 0, 0, 8, alg, 0, 0, 0)
	}
	r, err := c.setup("open session", wire.PayloadOpenRequest, b, 36)
	if err != nil {
		return err
	}
	c.ex.ManagedID = binary.LittleEndian.Uint32(r[8:])
	if r[16] != s.Auth || r[24] != s.Integrity || r[32] != s.Crypt {
		return errOtherSuite
	}
	return nil
}

// rakp1 sends our random number and checks the BMC's proof (13.20, 13.21).
func (c *Client) rakp1() error {
	b := []byte{1, 0, 0, 0}
	b = binary.LittleEndian.AppendUint32(b, c.ex.ManagedID)
	b = append(b, c.ex.Rm[:]...)
	b = append(b, c.ex.Role, 0, 0, byte(len(c.ex.Name)))
	r, err := c.setup("RAKP 1", wire.PayloadRAKP1, append(b, c.ex.Name...), 40)
	if err != nil {
		return err
	}
	copy(c.ex.Rc[:], r[8:])
	copy(c.ex.GUID[:], r[24:])
	if !hmac.Equal(r[40:], c.ex.Code2()) {
		c.rakp3Message(wire.StatusBadCheckValue, nil)
		return ErrPassword
	}
	return nil
}

// rakp3 proves that we know the password (13.22, 13.23).
func (c *Client) rakp3() error {
	r, err := c.setup("RAKP 3", wire.PayloadRAKP3, c.rakp3Payload(wire.StatusOK, c.ex.Code3()), 8)
	if err != nil {
		return err
	}
	var code []byte
	if code, c.keys = c.ex.Finish(); !hmac.Equal(r[8:], code) {
		return ErrPassword // the BMC key differs
	}
	return nil
}

func (c *Client) rakp3Payload(st wire.Status, code []byte) []byte {
	b := []byte{2, byte(st), 0, 0}
	b = binary.LittleEndian.AppendUint32(b, c.ex.ManagedID)
	return append(b, code...)
}

// rakp3Message lets the BMC drop its half-open session now.
func (c *Client) rakp3Message(st wire.Status, code []byte) {
	c.conn.Write(wire.V20{Type: wire.PayloadRAKP3, Payload: c.rakp3Payload(st, code)}.AppendPlain(nil))
}

// setup sends a set-up payload until its answer comes; the answer has at least n bytes and
// holds until the next one.
func (c *Client) setup(step string, t wire.PayloadType, payload []byte, n int) ([]byte, error) {
	for range c.o.Tries {
		if err := c.conn.SetReadDeadline(time.Now().Add(c.o.Timeout)); err != nil {
			return nil, err
		}
		c.conn.Write(wire.V20{Type: t, Payload: payload}.AppendPlain(nil))
		r, err := c.setupAnswer(t+1, payload[0])
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			continue
		case err != nil:
			return nil, err
		case wire.Status(r[1]) != wire.StatusOK:
			return nil, &SetupError{step, wire.Status(r[1])}
		case len(r) < n:
			return nil, wire.ErrShort
		}
		return r, nil
	}
	return nil, ErrNoAnswer
}

// setupAnswer waits for the answer with our tag; others are of an earlier try.
func (c *Client) setupAnswer(t wire.PayloadType, tag byte) ([]byte, error) {
	for {
		n, err := c.conn.Read(c.buf)
		var ne net.Error
		switch {
		case errors.As(err, &ne) && ne.Timeout():
			return nil, os.ErrDeadlineExceeded
		case err != nil: // ICMP: nothing listens there
			return nil, errors.Join(ErrNoAnswer, err)
		}
		p, err := parse(c.buf[:n])
		if err == nil && p.Type == t && len(p.Payload) >= 2 && p.Payload[0] == tag {
			return p.Payload, nil
		}
	}
}
