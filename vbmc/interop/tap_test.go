//go:build e2e

package interop

import (
	"bytes"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"trefoil/vbmc/ipmi/ipmiclient"
	"trefoil/vbmc/ipmi/wire"
)

// tap is the wire between our client and a BMC, in the hands of a test: it keeps what the
// client sends, holds it back when it is told to, and sends it again.
type tap struct {
	client, bmc *net.UDPConn
	settled     chan struct{}
	pongs       chan []byte // for each pong what the BMC had answered last

	mu     sync.Mutex // guards what follows
	hold   int        // packets of the client that are still to be held back
	held   [][]byte
	sent   [][]byte      // that went to the BMC
	more   chan struct{} // closed by the next of them
	answer []byte        // the BMC's latest, since it was last cleared
}

// tapped logs in across a tap. The client repeats itself twenty times a second, for ten
// seconds. What goes out while a busy machine is slow to answer must not fill a window.
func (b bed) tapped(t *testing.T) (*tap, *ipmiclient.Client) {
	t.Helper()
	client, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	far, err := net.Dial("udp", net.JoinHostPort(b.host, strconv.Itoa(b.port)))
	if err != nil {
		t.Fatal(err)
	}
	w := &tap{client: client, bmc: far.(*net.UDPConn), settled: make(chan struct{}), pongs: make(chan []byte, 1), more: make(chan struct{})}
	var both sync.WaitGroup
	back := make(chan net.Addr, 1) // where the client is
	both.Go(func() { w.fromClient(back) })
	both.Go(func() { w.fromBMC(back) })
	t.Cleanup(func() {
		client.Close()
		far.Close()
		both.Wait()
	})
	c, err := ipmiclient.Dial(t.Context(), client.LocalAddr().String(), ipmiclient.Options{
		Username: "admin", Password: "secret", Timeout: 50 * time.Millisecond, Tries: 200,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return w, c
}

func (w *tap) fromClient(back chan<- net.Addr) {
	for buf := make([]byte, 2048); ; {
		n, from, err := w.client.ReadFrom(buf)
		switch {
		case err != nil:
			close(back)
			return
		case n == 1: // of settle
			w.settled <- struct{}{}
			continue
		}
		select {
		case back <- from:
		default: // it was told
		}
		w.take(bytes.Clone(buf[:n]))
	}
}

func (w *tap) take(p []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.hold > 0 {
		w.hold--
		w.held = append(w.held, p)
		return
	}
	w.sent = append(w.sent, p)
	w.bmc.Write(p)
	close(w.more)
	w.more = make(chan struct{})
}

func (w *tap) fromBMC(back <-chan net.Addr) {
	to, ok := <-back
	for buf := make([]byte, 2048); ok; {
		n, err := w.bmc.Read(buf)
		if err != nil {
			return
		}
		p := bytes.Clone(buf[:n])
		w.mu.Lock()
		latest := w.answer
		pong := p[3] == byte(wire.ClassASF)
		if !pong {
			w.answer = p
		}
		w.mu.Unlock()
		if pong {
			w.pongs <- latest
			continue
		}
		w.client.WriteTo(p, to)
	}
}

// holdBack keeps the client's next packets from the BMC.
func (w *tap) holdBack(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hold, w.held = n, nil
}

// latest is the packet that went to the BMC last.
func (w *tap) latest() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sent[len(w.sent)-1]
}

func (w *tap) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.sent)
}

// after waits for the packet that goes to the BMC as the nth, from 0.
func (w *tap) after(t *testing.T, n int) []byte {
	t.Helper()
	limit := time.After(clientLimit)
	for {
		w.mu.Lock()
		sent, more := w.sent, w.more
		w.mu.Unlock()
		if len(sent) > n {
			return sent[n]
		}
		select {
		case <-more:
		case <-limit:
			t.Fatal("the client sends nothing")
		}
	}
}

// old is the packet that was held back and is n numbers older than the newest the BMC has.
func (w *tap) old(t *testing.T, n uint32) []byte {
	t.Helper()
	w.settle(t)
	w.mu.Lock()
	held := w.held
	w.mu.Unlock()
	for _, p := range held {
		if w.age(t, p) == n {
			return p
		}
	}
	t.Fatalf("of %d packets that were held back none is %d older than the newest", len(held), n)
	return nil
}

func (w *tap) firstHeld() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.held[0]
}

// age is how many numbers a packet is older than the newest that went to the BMC.
func (w *tap) age(t *testing.T, p []byte) uint32 {
	t.Helper()
	return sequence(t, w.latest()) - sequence(t, p)
}

// sequence is the number of a packet, which nothing encrypts.
func sequence(t *testing.T, p []byte) uint32 {
	t.Helper()
	_, rest, err := wire.ParseRMCP(p)
	if err != nil {
		t.Fatal(err)
	}
	v, err := wire.ParseV20(rest)
	if err != nil {
		t.Fatal(err)
	}
	return v.Sequence
}

// ask sends the BMC a packet and returns its answer; nil: there is none. A BMC takes what
// comes one after another, so whatever has not come before the pong of a ping will not come.
func (w *tap) ask(t *testing.T, p []byte) []byte {
	t.Helper()
	w.settle(t)
	w.mu.Lock()
	w.answer = nil
	w.mu.Unlock()
	w.bmc.Write(p)
	return w.ping(t)
}

// settle waits until all that the client sent before is answered.
func (w *tap) settle(t *testing.T) {
	t.Helper()
	w.client.WriteTo([]byte{0}, w.client.LocalAddr())
	<-w.settled
	w.ping(t)
}

// ping returns what the BMC had answered last before its pong.
func (w *tap) ping(t *testing.T) []byte {
	t.Helper()
	w.bmc.Write([]byte{6, 0, 0xff, byte(wire.ClassASF), 0, 0, 0x11, 0xbe, 0x80, 1, 0, 0})
	select {
	case latest := <-w.pongs:
		return latest
	case <-time.After(clientLimit):
		t.Fatal("the BMC does not answer a ping")
		return nil
	}
}
