// Package ipmitest serves a virtual BMC of a machine in memory to tests of what speaks
// IPMI.
package ipmitest

import (
	"cmp"
	"context"
	"net"
	"testing"

	"trefoil/vbmc/domain/fake"
	"trefoil/vbmc/ipmi"
)

// Username and Password log in to a BMC whose configuration says nothing else.
const (
	Username = "admin"
	Password = "secret"
)

// BMC answers on a free port of loopback until the test ends.
type BMC struct {
	*ipmi.BMC
	Machine *fake.Machine // it is off
	Addr    string        // host:port
	Port    int
}

// Serve starts a BMC for a machine of its own. What a test cleans up later than it
// called Serve still reaches it: clients can log out.
func Serve(t testing.TB, c ipmi.Config) *BMC {
	t.Helper()
	m := fake.New([16]byte{1, 2, 3})
	c.Machine, c.Username, c.Password = m, cmp.Or(c.Username, Username), cmp.Or(c.Password, Password)
	b, err := ipmi.New(c)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := ipmi.Listen("127.0.0.1", 0)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { done <- b.Serve(ctx, conn) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	at := conn.LocalAddr().(*net.UDPAddr)
	return &BMC{BMC: b, Machine: m, Addr: at.String(), Port: at.Port}
}
