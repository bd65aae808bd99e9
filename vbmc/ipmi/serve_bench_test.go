package ipmi

import (
	"context"
	"net"
	"testing"

	"trefoil/vbmc/domain/fake"
	"trefoil/vbmc/ipmi/ipmiclient"
	"trefoil/vbmc/ipmi/wire"
)

// serveLoopback serves a BMC on loopback until the benchmark ends.
func serveLoopback(b *testing.B) (addr string) {
	b.Helper()
	bmc, err := New(Config{Machine: fake.New([16]byte{1}), Username: "admin", Password: "secret"})
	if err != nil {
		b.Fatal(err)
	}
	conn, err := Listen("127.0.0.1", 0)
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- bmc.Serve(ctx, conn) }()
	b.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			b.Error(err)
		}
	})
	return conn.LocalAddr().(*net.UDPAddr).String()
}

func dialLoopback(b *testing.B, addr string) *ipmiclient.Client {
	b.Helper()
	c, err := ipmiclient.Dial(b.Context(), addr, ipmiclient.Options{Username: "admin", Password: "secret"})
	if err != nil {
		b.Fatal(err)
	}
	return c
}

func askStatus(b *testing.B, c *ipmiclient.Client) {
	b.Helper()
	if cc, _, err := c.Do(wire.Chassis, 1); cc != ccOK || err != nil {
		b.Fatalf("chassis status: %#x, %v", cc, err)
	}
}

// BenchmarkLoopback are the two loads of `make bench` with one client, its costs and the
// kernel's included.
func BenchmarkLoopback(b *testing.B) {
	b.Run("status", func(b *testing.B) {
		c := dialLoopback(b, serveLoopback(b))
		defer c.Close()
		for b.Loop() {
			askStatus(b, c)
		}
	})
	b.Run("session", func(b *testing.B) {
		addr := serveLoopback(b)
		for b.Loop() {
			c := dialLoopback(b, addr)
			askStatus(b, c)
			if err := c.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
