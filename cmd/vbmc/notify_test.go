package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestServiceManagerIsTold: when it is told, a BMC that is to run listens, commands are
// answered, and a SIGHUP would not end the daemon any more.
func TestServiceManagerIsTold(t *testing.T) {
	for _, socket := range []string{filepath.Join(t.TempDir(), "s"), fmt.Sprintf("@trefoil-%d-%s", os.Getpid(), t.Name())} {
		l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		home := t.TempDir()
		port := configured(t, home)
		env := func(key string) string {
			if key == "NOTIFY_SOCKET" {
				return socket
			}
			return homeEnv(home)(key)
		}
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan int, 1)
		log := newHeard()
		go func() { done <- run(ctx, []string{"/usr/bin/vbmcd", "--foreground"}, env, log, log) }()
		_ = l.SetReadDeadline(time.Now().Add(awaitLimit))
		said := make([]byte, 100)
		n, err := l.Read(said)
		if err != nil || string(said[:n]) != "READY=1" {
			text, _ := log.now()
			t.Errorf("%s: %q %v: %s", socket, said[:n], err, text)
		}
		if c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}); err == nil {
			c.Close()
			t.Errorf("%s: nobody listens on port %d yet", socket, port)
		}
		if code, _, errs := vbmc(t, home, "list", "--no-daemon"); code != 0 {
			t.Errorf("%s: list: %d %s", socket, code, errs)
		}
		stop()
		if code := <-done; code != 0 {
			t.Errorf("%s: code %d", socket, code)
		}
	}
}
