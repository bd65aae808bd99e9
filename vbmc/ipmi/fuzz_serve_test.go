package ipmi

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	"trefoil/vbmc/domain/fake"
	"trefoil/vbmc/ipmi/wire"
)

// liveBMC serves a fake machine on loopback and returns a socket that is connected to it.
func liveBMC(f *testing.F, log *slog.Logger) *net.UDPConn {
	f.Helper()
	b, err := New(Config{Machine: fake.New([16]byte{1}), Username: "admin", Password: "secret", Log: log})
	if err != nil {
		f.Fatal(err)
	}
	conn, err := Listen("127.0.0.1", 0)
	if err != nil {
		f.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Serve(ctx, conn) }()
	client, err := net.DialUDP("udp", nil, conn.LocalAddr().(*net.UDPAddr))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		client.Close()
		cancel()
		if err := <-done; err != nil {
			f.Error(err)
		}
	})
	return client
}

// FuzzServe sends datagrams to a BMC that is serving: whatever they were, it still answers
// a ping, and nothing faulted. An input is datagrams, each after a byte with its length.
func FuzzServe(f *testing.F) {
	faults := &faultLog{}
	conn := liveBMC(f, slog.New(faults))
	datagram := func(p []byte) []byte { return append([]byte{byte(len(p))}, p...) }
	open := wire.V20{Type: wire.PayloadOpenRequest, Payload: openPayload(1, wire.Suite3())}.AppendPlain(nil)
	f.Add(append(datagram(open), datagram(open)...))
	f.Add(datagram([]byte("not of any kind")))
	var tag byte
	f.Fuzz(func(t *testing.T, in []byte) {
		for range 30 {
			if len(in) == 0 {
				break
			}
			n := min(int(in[0]), len(in)-1)
			if _, err := conn.Write(in[1 : 1+n]); err != nil {
				t.Fatal(err)
			}
			in = in[1+n:]
		}
		tag++
		if !pinged(t, conn, tag) {
			t.Error("the BMC does not answer any more")
		}
		if text := faults.text.Load(); text != nil {
			t.Error(*text)
		}
	})
}

// pinged sends a presence ping and waits for its pong. Datagrams may be lost on the way.
func pinged(t *testing.T, conn *net.UDPConn, tag byte) bool {
	t.Helper()
	ping := []byte{6, 0, 0xff, 6, 0, 0, 0x11, 0xbe, 0x80, tag, 0, 0}
	buf := make([]byte, maxPacket)
	for range 100 {
		if _, err := conn.Write(ping); err != nil {
			t.Fatal(err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		for {
			n, err := conn.Read(buf)
			if err != nil {
				break
			}
			if n == 28 && buf[8] == 0x40 && buf[9] == tag {
				return true
			}
		}
	}
	return false
}
