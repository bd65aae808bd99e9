// Package ipmiclient is a small client of IPMI 2.0 over RMCP+: what `vbmc sol` and
// `vbmc doctor` need, and what tests and measurements load a BMC with. It shares
// the codec with the server, so it proves nothing about the protocol: ipmitool and
// FreeIPMI do that.
package ipmiclient

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"trefoil/vbmc/ipmi/wire"
)

// Privilege levels (6.8).
const (
	User          = 2
	Operator      = 3
	Administrator = 4
)

// Errors of a client.
var (
	ErrNoAnswer = errors.New("the BMC does not answer")
	ErrPassword = errors.New("wrong password or BMC key")
	ErrClosed   = errors.New("the session is closed")
)

// SetupError is a refusal while the session is set up.
type SetupError struct {
	Step   string
	Status wire.Status
}

func (e *SetupError) Error() string {
	if text, ok := statusTexts()[e.Status]; ok {
		return e.Step + ": " + text
	}
	return fmt.Sprintf("%s: refused with status %02xh", e.Step, byte(e.Status))
}

// statusTexts are the refusals that people meet (table 13-15).
func statusTexts() map[wire.Status]string {
	return map[wire.Status]string{
		wire.StatusNoResources:      "the BMC has no free session or waits after too many wrong passwords",
		wire.StatusBadAuth:          "the BMC does not have this cipher suite",
		wire.StatusBadIntegrity:     "the BMC does not have this cipher suite",
		wire.StatusBadCrypt:         "the BMC does not have this cipher suite",
		wire.StatusNoSuite:          "the BMC does not have this cipher suite",
		wire.StatusUnauthorizedRole: "the user may not have this privilege level",
		wire.StatusUnauthorizedName: "no such user",
		wire.StatusBadNameLength:    "the user name is too long",
		wire.StatusBadCheckValue:    "wrong user name or password",
	}
}

// Options say who logs in and how.
type Options struct {
	Username, Password string
	KG                 []byte        // BMC key; nil: none
	Suite              wire.Suite    // zero: 17
	Privilege          byte          // 0: ADMINISTRATOR
	Timeout            time.Duration // of one try; 0: 1 s
	Tries              int           // 0: 4
}

func (o *Options) setDefaults() {
	if o.Suite == (wire.Suite{}) {
		o.Suite = wire.Suite17()
	}
	if o.Privilege == 0 {
		o.Privilege = Administrator
	}
	if o.Timeout == 0 {
		o.Timeout = time.Second
	}
	if o.Tries == 0 {
		o.Tries = 4
	}
}

// maxPacket is above the longest packet of a BMC.
const maxPacket = 2048

// Client is one open session. It is safe for many goroutines; requests go out one
// after another, as the protocol's small sequence numbers want it.
type Client struct {
	o    Options
	conn net.Conn
	ex   wire.Exchange
	keys *wire.Keys
	buf  []byte        // of who reads conn: login, then receive
	gone chan struct{} // closed when nothing is received any more

	request sync.Mutex // held for one request and its answer

	mu      sync.Mutex // guards what follows
	seq     uint32     // of the session
	rqSeq   byte
	waiting chan answer  // nil: nobody waits
	onSOL   func([]byte) // nil: SOL is not active
	closed  bool
}

type answer struct {
	cc   byte
	data []byte
}

// Dial opens a session with the BMC at addr (host:port) at o's privilege level.
func Dial(ctx context.Context, addr string, o Options) (*Client, error) {
	o.setDefaults()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "udp", addr)
	if err != nil {
		return nil, err
	}
	c := &Client{o: o, conn: conn, buf: make([]byte, maxPacket), gone: make(chan struct{})}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	err = c.login()
	if !stop() {
		err = context.Cause(ctx)
	}
	if err == nil {
		err = conn.SetReadDeadline(time.Time{})
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	go c.receive()
	if cc, _, err := c.Do(wire.App, 0x3b, o.Privilege); err != nil || cc != 0 {
		c.Close()
		return nil, privilegeError(cc, err)
	}
	return c, nil
}

func privilegeError(cc byte, err error) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("set session privilege level: completion code %02xh", cc)
}

// Do sends a request to the BMC and returns completion code and data of the
// answer. A try that stays unanswered is repeated with the same request sequence,
// so that the BMC can tell it from a second request (6.12.13).
func (c *Client) Do(f wire.NetFn, cmd byte, data ...byte) (cc byte, out []byte, err error) {
	c.request.Lock()
	defer c.request.Unlock()
	got := make(chan answer, 1)
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return 0, nil, ErrClosed
	}
	c.rqSeq = (c.rqSeq + 1) & 0x3f
	m := wire.Message{To: 0x20, From: 0x81, NetFn: f, Seq: c.rqSeq, Cmd: cmd, Data: data}
	c.waiting = got
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.waiting = nil
		c.mu.Unlock()
	}()
	return c.ask(m.AppendRequest(nil), got)
}

// ask sends a message until it is answered.
func (c *Client) ask(message []byte, got <-chan answer) (byte, []byte, error) {
	timer := time.NewTimer(c.o.Timeout)
	defer timer.Stop()
	for range c.o.Tries {
		if err := c.send(wire.PayloadIPMI, message); err != nil {
			return 0, nil, err
		}
		timer.Reset(c.o.Timeout)
		select {
		case a := <-got:
			return a.cc, a.data, nil
		case <-c.gone:
			return 0, nil, ErrClosed
		case <-timer.C:
		}
	}
	return 0, nil, ErrNoAnswer
}

// send seals a payload into the next packet of the session.
func (c *Client) send(t wire.PayloadType, body []byte) error {
	var iv [16]byte
	if _, err := rand.Read(iv[:]); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	c.seq++
	// Written with the lock held: packets leave in the order of their numbers.
	_, err := c.conn.Write(c.keys.Seal(nil, wire.V20{
		Type: t, SessionID: c.ex.ManagedID, Sequence: c.seq, Payload: body,
	}, iv))
	if errors.Is(err, net.ErrClosed) {
		return ErrClosed
	}
	return nil // an ICMP error of an earlier packet shows up here; the time-out speaks
}

// receive passes on what the BMC sends until the socket is closed.
func (c *Client) receive() {
	defer close(c.gone)
	for {
		n, err := c.conn.Read(c.buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // ICMP: the BMC's port is closed at the moment
		}
		c.take(c.buf[:n])
	}
}

// take handles one datagram; what is not for this session is left out.
func (c *Client) take(raw []byte) {
	p, err := parse(raw)
	if err != nil || p.SessionID != c.ex.ConsoleID {
		return
	}
	body, err := c.keys.Open(p)
	if err != nil {
		return
	}
	c.mu.Lock()
	onSOL := c.onSOL
	c.mu.Unlock()
	switch {
	case p.Type == wire.PayloadIPMI:
		c.answered(body)
	case p.Type == wire.PayloadSOL && onSOL != nil:
		onSOL(body)
	}
}

// answered gives an answer to the one who waits for it.
func (c *Client) answered(body []byte) {
	m, cc, err := wire.ParseResponse(body)
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting != nil && m.Seq == c.rqSeq {
		c.waiting <- answer{cc, append([]byte(nil), m.Data...)}
		c.waiting = nil
	}
}

// parse reads an RMCP+ packet.
func parse(raw []byte) (wire.V20, error) {
	class, rest, err := wire.ParseRMCP(raw)
	if err != nil || class != wire.ClassIPMI || !wire.IsV20(rest) {
		return wire.V20{}, wire.ErrClass
	}
	return wire.ParseV20(rest)
}

// Close ends the session (22.19) and closes the socket. It does not insist: a BMC
// that is away forgets the session by itself.
func (c *Client) Close() error {
	id := binary.LittleEndian.AppendUint32(nil, c.ex.ManagedID)
	m := wire.Message{To: 0x20, From: 0x81, NetFn: wire.App, Cmd: 0x3c, Data: id}
	c.send(wire.PayloadIPMI, m.AppendRequest(nil))
	c.mu.Lock()
	closed := c.closed
	c.closed = true
	c.mu.Unlock()
	if closed {
		return nil
	}
	err := c.conn.Close()
	<-c.gone
	return err
}
