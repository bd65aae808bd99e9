//go:build bench

package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"trefoil/vbmc/domain/fake"
	"trefoil/vbmc/ipmi"
	"trefoil/vbmc/ipmi/ipmiclient"
	ipmiwire "trefoil/vbmc/ipmi/wire"
)

const (
	roleBMCs = "bmcs"
	countEnv = "TREFOIL_BENCH_BMCS"

	loadTime = 2 * time.Second
	clients  = 2 // of the load at once: go-ipmi's server holds four sessions, also those that are half open
)

// serveBMCs is as many of our BMCs as wanted, each over a machine in memory, until
// killed: what the BMCs themselves cost.
func serveBMCs() error {
	table, made := ipmi.NewTable(), 0
	return serveMany(func() (int, func(context.Context) error, error) {
		made++
		b, err := ipmi.New(ipmi.Config{Machine: fake.New([16]byte{byte(made), byte(made >> 8)}), Username: bmcUser, Password: bmcPassword, Table: table})
		if err != nil {
			return 0, nil, err
		}
		conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			return 0, nil, err
		}
		serve := func(ctx context.Context) error { return b.Serve(ctx, conn) }
		return conn.LocalAddr().(*net.UDPAddr).Port, serve, nil
	})
}

// serveMany makes as many BMCs as wanted, and prints their ports. It ends when it is killed.
func serveMany(one func() (port int, serve func(context.Context) error, err error)) error {
	n, err := strconv.Atoi(os.Getenv(countEnv))
	if err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	for range n {
		port, serve, err := one()
		if err != nil {
			return err
		}
		fmt.Fprintln(out, port)
		go func() { _ = serve(context.Background()) }()
	}
	if err := out.Flush(); err != nil {
		return err
	}
	select {}
}

// startBMCs starts n BMCs of ours in a process of their own.
func startBMCs(t *testing.T, n int) (pid int, ports []int) {
	t.Helper()
	return startMany(t, roleBMCs, n)
}

// startMany starts n BMCs of a role in a process of their own.
func startMany(t *testing.T, role string, n int) (pid int, ports []int) {
	t.Helper()
	cmd := again(role)
	cmd.Env = append(cmd.Env, countEnv+"="+strconv.Itoa(n))
	cmd.Stdout = nil
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for lines := bufio.NewScanner(out); len(ports) < n; {
		if !lines.Scan() {
			t.Fatalf("%d of %d BMCs were started", len(ports), n)
		}
		port, err := strconv.Atoi(lines.Text())
		must(t, err)
		ports = append(ports, port)
	}
	return cmd.Process.Pid, ports
}

// raw opens a session without any client's own costs.
func raw(b bmcAt) (*ipmiclient.Client, error) {
	return ipmiclient.Dial(context.Background(), net.JoinHostPort("127.0.0.1", strconv.Itoa(b.port)),
		ipmiclient.Options{Username: bmcUser, Password: bmcPassword, Suite: b.suite})
}

func status(c *ipmiclient.Client) error {
	cc, _, err := c.Do(ipmiwire.Chassis, 0x01)
	if err == nil && cc != 0 {
		err = fmt.Errorf("chassis status: %02xh", cc)
	}
	return err
}

// benchManyBMCs is the cost of BMCs in one process at four sizes, those of the peer at
// three, and what they bear.
func benchManyBMCs(t *testing.T) []Row {
	sizes := []int{1, 50, 1000, 10_000}
	ours, theirs := inSizes(t, roleBMCs, sizes), inSizes(t, rolePeer, sizes[:3])
	most := float64(sizes[3])
	rows := []Row{
		{What: "BMCs in one process, resident: 1 / 50 / 1000 / 10,000", Series: series(ours.memory, "MiB"),
			Note: fmt.Sprintf("machines in memory, each BMC had a session; one more: %s KiB", number((ours.memory[3]-ours.memory[0])*1024/(most-1)))},
		{What: "the same, until each answered a session", Series: series(ours.answer, "s"),
			Note: fmt.Sprintf("idle: %s %% of a processor", number(ours.idle))},
		{What: "1000 BMCs in one process, resident", Ours: Figure{ours.memory[2], "MiB"}, Peer: Figure{theirs.memory[2], "MiB"}, Less: true,
			Note: "peer: go-ipmi's server, machines in memory; 1 / 50 / 1000 of it: " + series(theirs.memory, "MiB")},
		{What: "the same, until each answered a session", Ours: Figure{ours.answer[2], "s"}, Peer: Figure{theirs.answer[2], "s"}, Less: true,
			Note: "1 / 50 / 1000 of it: " + series(theirs.answer, "s")},
	}
	rows = append(rows, benchVbmcd(t)...)
	return append(rows, rawRates(t)...)
}

// growth is what BMCs in one process cost at several sizes.
type growth struct {
	memory []float64 // MiB
	answer []float64 // seconds until each has answered a session
	idle   float64   // percent of a processor, of the last size
}

func inSizes(t *testing.T, role string, sizes []int) (g growth) {
	t.Helper()
	for i, n := range sizes {
		say("BMCs in memory (%s): %d in one process", role, n)
		pid, ports := startMany(t, role, n)
		g.answer = append(g.answer, took(func() { each(t, ports, clients) }))
		g.memory = append(g.memory, rss(t, pid))
		if i == len(sizes)-1 {
			g.idle = idle(t, pid)
		}
	}
	return g
}

// each has every BMC answer one session.
func each(t *testing.T, ports []int, workers int) {
	t.Helper()
	var wait sync.WaitGroup
	errs := make(chan error, workers)
	for w := range workers {
		wait.Go(func() {
			for i := w; i < len(ports); i += workers {
				if err := rawSession(bmcAt{port: ports[i]}); err != nil {
					errs <- fmt.Errorf("BMC %d: %w", i, err)
					return
				}
			}
		})
	}
	wait.Wait()
	close(errs)
	for err := range errs {
		t.Fatal(err)
	}
}

func rawSession(b bmcAt) error {
	c, err := raw(b)
	if err != nil {
		return err
	}
	if err := status(c); err != nil {
		return err
	}
	return c.Close()
}

// idle is the processor time that a process uses when nobody asks it, percent.
func idle(t *testing.T, pid int) float64 {
	const span = 5 * time.Second
	time.Sleep(time.Second) // what the load left is collected
	before := cpu(t, pid)
	time.Sleep(span)
	return (cpu(t, pid) - before) / span.Seconds() * 100
}

// rawRates loads one BMC of ours and one of go-ipmi's.
func rawRates(t *testing.T) []Row {
	say("BMCs in memory: %d clients at once", clients)
	pid, ports := startBMCs(t, 1)
	peerPID, peer := startPeer(t)
	awaitBMC(t, peer)
	return rateRows(t, "raw load", "go-ipmi's server", bmcAt{pid: pid, port: ports[0]}, bmcAt{pid: peerPID, port: peer})
}

// rateRows loads ours and the peer's BMC, if there is one, in turns with the same small client.
func rateRows(t *testing.T, what, peer string, sides ...bmcAt) []Row {
	sessions, statuses, cost := make([]loaded, 2), make([]loaded, 2), make([]float64, 2)
	for i, b := range sides {
		sessions[i] = loadOf(t, func() (func() error, func()) { return func() error { return rawSession(b) }, func() {} })
	}
	for i, b := range sides {
		before := cpu(t, b.pid)
		statuses[i] = loadOf(t, func() (func() error, func()) {
			c, err := raw(b)
			must(t, err)
			return func() error { return status(c) }, func() { _ = c.Close() }
		})
		cost[i] = (cpu(t, b.pid) - before) * 1000 / float64(statuses[i].n)
	}
	must(t, errors.Join(sessions[0].err, statuses[0].err)) // ours
	row := func(name string, l []loaded) Row {
		r := Row{What: what + ", " + name, Ours: Figure{l[0].rate, "/s"}, Note: l[0].note()}
		if len(sides) > 1 {
			r.Peer, r.Note = Figure{l[1].rate, "/s"}, r.Note+"; "+peer+": "+l[1].note()
		}
		return r
	}
	per := Row{What: what + ", processor time of 1000 status", Ours: Figure{cost[0], "s"}, Less: true, Note: "of the server alone"}
	if len(sides) > 1 {
		per.Peer = Figure{cost[1], "s"}
	}
	return []Row{row("sessions: login, status, logout", sessions), row("status in open sessions", statuses), per}
}

// loaded is what a load saw.
type loaded struct {
	n        int
	rate     float64 // a second
	p50, p99 time.Duration
	failed   int   // of them rate and times know nothing
	err      error // of one of them
}

func (l loaded) note() string {
	text := fmt.Sprintf("p50 %s µs, p99 %s µs", number(float64(l.p50.Nanoseconds())/1e3), number(float64(l.p99.Nanoseconds())/1e3))
	if l.failed > 0 {
		text += fmt.Sprintf(", and %d more failed (%v)", l.failed, l.err)
	}
	return text
}

// loadOf has all clients do what begin gives each of them, again and again. What fails is
// counted: there are peers that lose sessions.
func loadOf(t *testing.T, begin func() (do func() error, end func())) (l loaded) {
	t.Helper()
	took := make([][]time.Duration, clients)
	errs := make([][]error, clients)
	type one struct {
		do  func() error
		end func()
	}
	all := make([]one, clients)
	for i := range all {
		all[i].do, all[i].end = begin()
	}
	var wait sync.WaitGroup
	for i, c := range all {
		wait.Go(func() {
			for began := time.Now(); time.Since(began) < loadTime; {
				at := time.Now()
				if err := c.do(); err != nil {
					errs[i] = append(errs[i], err)
					continue
				}
				took[i] = append(took[i], time.Since(at))
			}
		})
	}
	wait.Wait()
	for i, c := range all {
		c.end()
		var busy time.Duration
		for _, d := range took[i] {
			busy += d
		}
		if len(took[i]) > 0 {
			l.rate += float64(len(took[i])) / busy.Seconds()
		}
		if l.failed += len(errs[i]); len(errs[i]) > 0 {
			l.err = errs[i][0]
		}
	}
	sorted := slices.Sorted(slices.Values(slices.Concat(took...)))
	if len(sorted) == 0 {
		t.Fatalf("nothing of the load succeeded: %v", l.err)
	}
	l.n, l.p50, l.p99 = len(sorted), sorted[len(sorted)/2], sorted[len(sorted)*99/100]
	return l
}
