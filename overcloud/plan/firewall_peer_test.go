package plan_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestMain: with FIREWALL_PEER this program is what the firewall's tests start in their
// namespaces, and runs no test.
func TestMain(m *testing.M) {
	as := os.Getenv("FIREWALL_PEER")
	if as == "" {
		os.Exit(m.Run())
	}
	if err := peer(as, os.Getenv("dir")); err != nil {
		fmt.Fprintln(os.Stderr, as+":", err)
		os.Exit(1)
	}
}

func peer(as, dir string) error {
	switch as {
	case "dial":
		return dialAll(filepath.Join(dir, "probes.json"))
	case "speak":
		return speak(dir)
	case "hear":
		return hear(dir)
	}
	return errors.New("no such peer")
}

// speak says something first, once the other end has its firewall.
func speak(dir string) error {
	l, err := net.Listen("tcp", undercloud+":7000")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "listening"), nil, 0o600); err != nil {
		return err
	}
	c, err := l.Accept()
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(dir, "loaded")); err == nil {
			break
		}
		if time.Now().After(deadline) {
			return errors.New("the other end has no firewall after a minute")
		}
	}
	if _, err = c.Write([]byte("hello")); err == nil {
		_, _ = c.Read(make([]byte, 1)) // until the other end has gone
	}
	return err
}

func hear(dir string) error {
	c, err := net.Dial("tcp", undercloud+":7000")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "connected"), nil, 0o600); err != nil {
		return err
	}
	if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err
	}
	if n, err := c.Read(make([]byte, 5)); n != 5 {
		return fmt.Errorf("what was said to it was not heard: %w", err)
	}
	fmt.Println("heard")
	return nil
}

// dialAll makes probes and tells which ended otherwise than they say. A port where
// nobody listens refuses at once, one behind the firewall is silent.
func dialAll(file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var all []probe
	if err := json.Unmarshal(data, &all); err != nil {
		return err
	}
	var wg sync.WaitGroup
	for _, p := range all {
		wg.Go(func() {
			if shut := !reaches(p); shut != p.Shut {
				fmt.Printf("wrong: %s from %s to %s: shut %v, want %v\n", p.Network, p.From, p.To, shut, p.Shut)
			}
		})
	}
	wg.Wait()
	fmt.Printf("%d tried\n", len(all))
	return nil
}

func reaches(p probe) bool {
	wait := 30 * time.Second // for an answer that is to come, on a machine that is busy
	if p.Shut {
		wait = 4 * time.Second
	}
	d := net.Dialer{Timeout: wait, LocalAddr: &net.TCPAddr{IP: net.ParseIP(p.From)}}
	if p.Network == "udp" {
		d.LocalAddr = &net.UDPAddr{IP: net.ParseIP(p.From)}
	}
	c, err := d.Dial(p.Network, p.To)
	if err == nil && p.Network == "udp" {
		defer c.Close()
		err = asks(c, time.Now().Add(wait))
	}
	return err == nil || errors.Is(err, syscall.ECONNREFUSED)
}

// asks sends until there is an answer: the kernel refuses so many packets in a second and
// drops the others, of all namespaces together (icmp_msgs_per_sec).
func asks(c net.Conn, until time.Time) error {
	for {
		_, _ = c.Write([]byte("?")) // what the one before met is met here, too
		_ = c.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		_, err := c.Read(make([]byte, 1))
		if !errors.Is(err, os.ErrDeadlineExceeded) || time.Now().After(until) {
			return err
		}
	}
}
