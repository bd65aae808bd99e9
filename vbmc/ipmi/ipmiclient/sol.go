package ipmiclient

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"trefoil/vbmc/ipmi/sol"
	"trefoil/vbmc/ipmi/wire"
)

// Errors of Serial over LAN.
var (
	ErrSOLActive   = errors.New("another session has the console")
	ErrSOLDisabled = errors.New("the BMC has no console")
	ErrSOLTaken    = errors.New("another session has taken the console")
	ErrSOLEnded    = errors.New("the BMC has ended it: there is no console to be had")
	ErrSOLRefused  = errors.New("what was typed was not taken: the BMC has no console to type to now, as when the machine is off, its console is output only or somebody else has it")
)

const (
	maxUnread = 64 << 10         // output that nobody has read
	keepAlive = 20 * time.Second // a session without requests ends after 60 s
)

// Console is an active Serial over LAN payload. One goroutine may read while
// another writes.
type Console struct {
	c    *Client
	kick chan struct{}
	done chan struct{}

	mu     sync.Mutex // guards what follows
	change *sync.Cond
	port   *sol.Port
	unread []byte
	lost   bool  // the latest packet that was answered was refused
	err    error // why it is over; nil: it is not
}

// SOL activates Serial over LAN in this session (24.1). Closing the console leaves
// the session open.
func (c *Client) SOL(context.Context) (*Console, error) {
	s := newConsole(c)
	c.mu.Lock()
	c.onSOL = s.receive // output may come with the answer
	c.mu.Unlock()
	cc, out, err := c.Do(wire.App, 0x48, byte(wire.PayloadSOL), 1, 0xc0, 0, 0, 0)
	if err == nil {
		err = activated(cc, out)
	}
	if err != nil {
		c.mu.Lock()
		c.onSOL = nil
		c.mu.Unlock()
		return nil, err
	}
	s.mu.Lock()
	s.port.SetSize(int(binary.LittleEndian.Uint16(out[4:])) - 4)
	s.mu.Unlock()
	go s.pump()
	go s.stayAlive()
	return s, nil
}

// newConsole is a console that is not active yet.
func newConsole(c *Client) *Console {
	s := &Console{c: c, kick: make(chan struct{}, 1), done: make(chan struct{})}
	s.change = sync.NewCond(&s.mu)
	s.port = sol.NewPort(sol.Config{
		Size: sol.MaxData, Threshold: 1, Retries: 20, Interval: 250 * time.Millisecond, Accept: s.accept,
	})
	return s
}

// activated reads the answer to Activate Payload.
func activated(cc byte, out []byte) error {
	switch {
	case cc == 0x80:
		return ErrSOLActive
	case cc == 0x81:
		return ErrSOLDisabled
	case cc != 0:
		return fmt.Errorf("activate payload: completion code %02xh", cc)
	case len(out) < 12 || binary.LittleEndian.Uint16(out[4:]) <= 4:
		return errors.New("activate payload: the answer is too short")
	}
	return nil
}

// EndSOL takes the console from the session that has it, whichever that is (24.2).
func (c *Client) EndSOL() error {
	cc, _, err := c.Do(wire.App, 0x49, byte(wire.PayloadSOL), 1, 0, 0, 0, 0)
	if err == nil && cc != 0 && cc != 0x80 { // 80h: nobody has it
		err = fmt.Errorf("deactivate payload: completion code %02xh", cc)
	}
	return err
}

// accept keeps output for Read. s.mu is held.
func (s *Console) accept(b []byte) (n int, status byte) {
	n = min(len(b), maxUnread-len(s.unread))
	s.unread = append(s.unread, b[:n]...)
	s.change.Broadcast()
	return n, 0
}

// receive takes a packet of the BMC.
func (s *Console) receive(body []byte) {
	s.mu.Lock()
	r, err := s.port.Receive(body, time.Now())
	if refused := byte(sol.NACK | sol.StatusUnavailable); r.Answer { // no repeated answer to an earlier packet
		if s.lost = r.Op&refused == refused; s.lost {
			s.port.Discard() // nobody reads what is typed: as on a line that ends nowhere
		}
	}
	s.change.Broadcast() // there may be room again
	s.mu.Unlock()
	if err == nil && r.Fresh && r.Op&sol.StatusDeactivated != 0 {
		s.end(endOf(r.Op))
	}
	s.wake()
}

// endOf is why the BMC deactivated SOL.
func endOf(status byte) error {
	if status&sol.StatusUnavailable != 0 {
		return ErrSOLEnded
	}
	return ErrSOLTaken
}

func (s *Console) wake() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// pump sends what the port has to send, until the console is over.
func (s *Console) pump() {
	for {
		s.mu.Lock()
		out := s.port.Out(time.Now())
		at, ok := s.port.Next()
		s.mu.Unlock()
		for _, k := range out {
			if err := s.c.send(wire.PayloadSOL, k); err != nil {
				s.end(err)
				return
			}
		}
		wait := keepAlive
		if ok {
			wait = time.Until(at)
		}
		t := time.NewTimer(wait)
		select {
		case <-s.kick:
		case <-t.C:
		case <-s.done:
			t.Stop()
			return
		case <-s.c.gone:
			s.end(ErrClosed)
		}
		t.Stop()
	}
}

// stayAlive asks the BMC something now and then; that also notices its end.
func (s *Console) stayAlive() {
	t := time.NewTicker(keepAlive)
	defer t.Stop()
	for {
		select {
		case <-s.done:
			return
		case <-t.C:
		}
		if _, _, err := s.c.Do(wire.App, 0x01); err != nil {
			s.end(err)
		}
	}
}

// end ends the console for err, if it has not ended.
func (s *Console) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
		close(s.done)
		s.change.Broadcast()
	}
}

// Read waits for output. At the end it gives the reason, io.EOF after Close.
func (s *Console) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.unread) == 0 {
		if s.err != nil {
			return 0, s.err
		}
		s.change.Wait()
	}
	n := copy(p, s.unread)
	s.unread = s.unread[n:]
	return n, nil
}

// Write types. It waits while the BMC takes nothing.
func (s *Console) Write(p []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n < len(p) {
		room := min(s.port.Room(), len(p)-n)
		switch {
		case s.err != nil:
			return n, s.err
		case room == 0:
			s.change.Wait()
			continue
		}
		s.port.Send(p[n:n+room], time.Now())
		n += room
		s.wake()
	}
	return n, nil
}

// SendBreak asks the BMC for a break on the serial line.
func (s *Console) SendBreak() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.port.Tell(sol.OpBreak)
	s.wake()
	return nil
}

// Drain waits until the BMC has all that was written. It fails when the console is over or
// ctx ends before that, and with ErrSOLRefused when the last of it was for nobody.
func (s *Console) Drain(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.change.Broadcast()
	})
	defer stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.err == nil && !s.port.Idle() && ctx.Err() == nil {
		s.change.Wait()
	}
	switch {
	case s.port.Idle() && s.lost:
		return ErrSOLRefused
	case s.port.Idle():
		return nil
	case s.err != nil:
		return s.err
	}
	return fmt.Errorf("what was typed last has not arrived: %w", ctx.Err())
}

// Close gives the console back. What Drain has not waited for may be lost.
func (s *Console) Close() error {
	s.c.mu.Lock()
	s.c.onSOL = nil
	s.c.mu.Unlock()
	s.mu.Lock()
	over := s.err != nil
	s.mu.Unlock()
	s.end(io.EOF)
	if over {
		return nil
	}
	return s.c.EndSOL()
}
