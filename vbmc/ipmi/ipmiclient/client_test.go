package ipmiclient

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"trefoil/vbmc/domain/fake"
	"trefoil/vbmc/ipmi"
	"trefoil/vbmc/ipmi/ipmitest"
	"trefoil/vbmc/ipmi/wire"
)

// serve runs a BMC for a fake machine on loopback and returns its address.
func serve(t *testing.T, c ipmi.Config) (*fake.Machine, string) {
	t.Helper()
	b := ipmitest.Serve(t, c)
	return b.Machine, b.Addr
}

func dial(t *testing.T, addr string, o Options) *Client {
	t.Helper()
	c, err := Dial(t.Context(), addr, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func admin() Options { return Options{Username: "admin", Password: "secret"} }

func TestPowerThroughASession(t *testing.T) {
	for _, suite := range []wire.Suite{wire.Suite17(), wire.Suite3()} {
		m, addr := serve(t, ipmi.Config{})
		o := admin()
		o.Suite = suite
		c := dial(t, addr, o)
		if cc, _, err := c.Do(wire.Chassis, 0x02, 1); cc != 0 || err != nil {
			t.Fatalf("suite %d, power on: %#x, %v", suite.ID, cc, err)
		}
		if got, err := m.Power(); !got || err != nil {
			t.Errorf("suite %d: power is %v, %v", suite.ID, got, err)
		}
		cc, out, err := c.Do(wire.Chassis, 0x01)
		if cc != 0 || err != nil || out[0]&1 != 1 {
			t.Errorf("suite %d, status: %#x %x %v", suite.ID, cc, out, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	_, addr := serve(t, ipmi.Config{KG: []byte("key")})
	kg := admin()
	wrong, nobody, none, other := kg, kg, kg, kg
	kg.KG = []byte("key")
	wrong.KG, wrong.Password = kg.KG, "sekret"
	nobody.KG, nobody.Username = kg.KG, "nobody"
	other.KG, other.Suite = kg.KG, wire.Suite{ID: 0}
	other.Suite.Crypt = 1 // authentication none
	dial(t, addr, kg)
	for name, row := range map[string]struct {
		o    Options
		want error
	}{
		"password": {wrong, ErrPassword},
		"user":     {nobody, ErrPassword},
		"BMC key":  {none, ErrPassword},
		"suite":    {other, &SetupError{"open session", wire.StatusBadAuth}},
	} {
		_, err := Dial(t.Context(), addr, row.o)
		var got, want *SetupError
		if errors.As(row.want, &want) {
			if !errors.As(err, &got) || got.Status != want.Status {
				t.Errorf("%s: %v, want %v", name, err, want)
			}
		} else if !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", name, err, row.want)
		}
	}
}

func TestNobodyListens(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := admin()
	o.Timeout, o.Tries = time.Millisecond, 2
	if _, err := Dial(t.Context(), conn.LocalAddr().String(), o); !errors.Is(err, ErrNoAnswer) {
		t.Errorf("a silent port: %v", err)
	}
	conn.Close()
	if _, err := Dial(t.Context(), conn.LocalAddr().String(), admin()); !errors.Is(err, ErrNoAnswer) {
		t.Errorf("a closed port: %v", err)
	}
}

func TestContextEndsTheLogin(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		conn.ReadFrom(make([]byte, 100)) // the client waits for an answer now
		cancel()
	}()
	o := admin()
	o.Timeout = time.Hour
	if _, err := Dial(ctx, conn.LocalAddr().String(), o); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// lossy relays datagrams to a BMC and drops the first of every two from the client.
func lossy(t *testing.T, to string) string {
	t.Helper()
	front, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	back, err := net.Dial("udp", to)
	if err != nil {
		t.Fatal(err)
	}
	var client sync.Map
	go func() {
		buf := make([]byte, maxPacket)
		for i := 0; ; i++ {
			n, src, err := front.ReadFrom(buf)
			if err != nil {
				return
			}
			client.Store("addr", src)
			if i%2 == 1 {
				back.Write(buf[:n])
			}
		}
	}()
	go func() {
		buf := make([]byte, maxPacket)
		for {
			n, err := back.Read(buf)
			if err != nil {
				return
			}
			src, _ := client.Load("addr")
			front.WriteTo(buf[:n], src.(net.Addr))
		}
	}()
	t.Cleanup(func() { front.Close(); back.Close() })
	return front.LocalAddr().String()
}

func TestLostPacketsAreSentAgain(t *testing.T) {
	m, addr := serve(t, ipmi.Config{})
	o := admin()
	o.Timeout = 10 * time.Millisecond
	o.Tries = 4000 // the machine may be slow, the relay is not: it lets every second one through
	c := dial(t, lossy(t, addr), o)
	if cc, _, err := c.Do(wire.Chassis, 0x02, 1); cc != 0 || err != nil {
		t.Fatalf("power on: %#x, %v", cc, err)
	}
	if got, _ := m.Power(); !got {
		t.Errorf("power is %v", got)
	}
}

func TestClosedSession(t *testing.T) {
	_, addr := serve(t, ipmi.Config{})
	c := dial(t, addr, admin())
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Do(wire.Chassis, 0x01); !errors.Is(err, ErrClosed) {
		t.Errorf("request after Close: %v", err)
	}
}
