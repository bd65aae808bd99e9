package ipmi

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"trefoil/vbmc/domain/fake"
	"trefoil/vbmc/ipmi/ipmiclient"
	"trefoil/vbmc/ipmi/wire"
)

// soakVisits is how many clients come in a test of this file; `scripts/fuzz soak` has a
// million of them.
func soakVisits(t *testing.T) int {
	t.Helper()
	v := os.Getenv("VBMC_SESSIONS")
	if v == "" {
		return 3000
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1000 {
		t.Fatalf("VBMC_SESSIONS is %q, want a number from 1000 on", v)
	}
	return n
}

// left is what there is of a process when its clients are gone.
type left struct {
	goroutines, files int
	heap              uint64
}

// leftNow counts once no more than so many goroutines are there; 0: at once. One that is
// ending counts still when whoever waited for it goes on.
func leftNow(t *testing.T, goroutines int) left {
	t.Helper()
	for began := time.Now(); goroutines > 0 && runtime.NumGoroutine() > goroutines && time.Since(began) < time.Minute; {
		runtime.Gosched()
	}
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var s runtime.MemStats
	runtime.GC()
	runtime.GC() // what the first one found to be free
	runtime.ReadMemStats(&s)
	return left{runtime.NumGoroutine(), len(files), s.HeapAlloc}
}

// flat compares what is left of the first third of n clients with what is left of all.
func flat(t *testing.T, n int, first, all left) {
	t.Helper()
	t.Logf("%d clients: %d and then %d goroutines, %d and then %d files, %d and then %d KiB",
		n, first.goroutines, all.goroutines, first.files, all.files, first.heap>>10, all.heap>>10)
	if all.goroutines > first.goroutines || all.files > first.files {
		t.Errorf("%d goroutines and %d files are left, %d and %d before", all.goroutines, all.files, first.goroutines, first.files)
	}
	const slack = 256 << 10
	if all.heap > first.heap+slack {
		t.Errorf("the heap has %d KiB, %d before", all.heap>>10, first.heap>>10)
	}
}

// TestSessionsLeaveNothing lets thousands of clients come and go, in all ways that
// clients do, and then looks at what is left of them.
func TestSessionsLeaveNothing(t *testing.T) {
	n := soakVisits(t)
	synctest.Test(t, func(t *testing.T) {
		m := fake.New([16]byte{1})
		if err := m.On(t.Context()); err != nil {
			t.Fatal(err)
		}
		b, err := New(Config{Machine: steady{m}, Username: "admin", Password: "secret", Suites: allSuites(), Console: ConsoleOnDemand})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(b.Close)
		ways := visits()
		come := func(from, to int) {
			for i := from; i < to; i++ {
				ways[i%len(ways)](newVisitor(t, m, b, i))
				pass(time.Second) // so that clients meet: each session lasts a minute
			}
			pass(10 * time.Minute) // all of them are gone
			b.Stats()
			synctest.Wait()
		}
		come(0, n/3)
		first := leftNow(t, 0)
		come(n/3, n)
		flat(t, n, first, leftNow(t, 0))
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(b.sessions.byID) != 0 || len(b.sessions.failures) > maxSources || len(b.logins) > maxLogins || b.parts.sol.run != nil || m.ConsoleOpen() {
			t.Errorf("%d sessions, %d sources, %d logins, SOL %v, console open %v",
				len(b.sessions.byID), len(b.sessions.failures), len(b.logins), b.parts.sol.run != nil, m.ConsoleOpen())
		}
	})
}

// TestSocketsLeaveNothing is about what Handle has no part in: the socket loop, on both
// families of addresses, with clients of its own. There come a tenth as many.
func TestSocketsLeaveNothing(t *testing.T) {
	n := soakVisits(t) / 10
	b, err := New(Config{Machine: fake.New([16]byte{1}), Username: "admin", Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := Listen("::", 0)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- b.Serve(t.Context(), conn) }()
	t.Cleanup(func() {
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	port := conn.LocalAddr().(*net.UDPAddr).Port
	hosts := []string{"127.0.0.1"}
	if conn.LocalAddr().(*net.UDPAddr).IP.To4() == nil { // a kernel with IPv6
		hosts = append(hosts, "::1")
	}
	come := func(from, to int) {
		for i := from; i < to; i++ {
			visitSocket(t, net.JoinHostPort(hosts[i%len(hosts)], strconv.Itoa(port)), i)
		}
	}
	come(0, n/3)
	first := leftNow(t, 0)
	come(n/3, n)
	flat(t, n, first, leftNow(t, first.goroutines))
}

// visitSocket is one client: three of four have a session, one begins and goes.
func visitSocket(t *testing.T, addr string, i int) {
	t.Helper()
	if i%4 == 3 {
		c, err := net.Dial("udp", addr)
		if err == nil {
			_, err = c.Write(wire.V20{Type: wire.PayloadOpenRequest, Payload: openPayload(uint32(i), wire.Suite17())}.AppendPlain(nil))
			c.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	c, err := ipmiclient.Dial(t.Context(), addr, ipmiclient.Options{Username: "admin", Password: "secret", Suite: []wire.Suite{wire.Suite17(), wire.Suite3()}[i/4%2]})
	if err != nil {
		t.Fatalf("client %d at %s: %v", i, addr, err)
	}
	if cc, _, err := c.Do(wire.Chassis, 1); cc != ccOK || err != nil {
		t.Errorf("client %d at %s: chassis status: %#x, %v", i, addr, cc, err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// newVisitor is a client with an address that only it has: in IPv4 and in IPv6, where it
// has a prefix for itself, in turns. They take all suites in turns.
func newVisitor(t *testing.T, m *fake.Machine, b *BMC, i int) *visitor {
	all := allSuites()
	c := newClient(t, b, all[i%len(all)])
	a := netip.AddrFrom4([4]byte{198, byte(i >> 16), byte(i >> 8), byte(i)})
	if i%2 == 1 {
		prefix := [16]byte{0x20, 0x01, 0x0d, 0xb8}
		binary.BigEndian.PutUint32(prefix[4:], uint32(i))
		prefix[15] = 1
		a = netip.AddrFrom16(prefix)
	}
	c.src = netip.AddrPortFrom(a, 5000)
	return &visitor{client: c, m: m, i: i}
}
