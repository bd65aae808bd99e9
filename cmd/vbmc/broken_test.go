package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// configured has a BMC, a, of a hypervisor that is not there, to run on the returned port.
func configured(t *testing.T, home string) (port int) {
	t.Helper()
	free, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	port = free.LocalAddr().(*net.UDPAddr).Port
	free.Close()
	file := filepath.Join(home, ".vbmc", "a", "config")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("[VirtualBMC]\nactive = True\naddress = 127.0.0.1\nlibvirt_uri = qemu+unix:///system?socket=%s/none\nport = %d\n", home, port)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return port
}

// serving has a daemon in the foreground whose only BMC, a, runs on the returned port.
func serving(t *testing.T, home string) (file string, port int) {
	t.Helper()
	port = configured(t, home)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan int, 1)
	log := newHeard()
	go func() { done <- run(ctx, []string{"/usr/bin/vbmcd", "--foreground"}, homeEnv(home), log, log) }()
	t.Cleanup(func() { stop(); <-done })
	log.await(t, "Started vBMC instance for domain a")
	return filepath.Join(home, ".vbmc", "a", "config"), port
}

// TestBrokenFileOnTheCommandLine: what runs is shown, the wrong line is told, stop ends
// with 0 and the port is free.
func TestBrokenFileOnTheCommandLine(t *testing.T) {
	home := t.TempDir()
	file, port := serving(t, home)
	text := strings.Replace(read(t, file), "port = ", "port = abc", 1)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := vbmc(t, home, "list", "-f", "value")
	line := fmt.Sprintf("the configuration file is not followed: %s:5: [VirtualBMC] port = %q", file, fmt.Sprintf("abc%d", port))
	if code != 0 || out != fmt.Sprintf("a running 127.0.0.1 %d\n", port) || !strings.Contains(errs, "a: "+line) {
		t.Errorf("list: %d %q %q, want %s", code, out, errs, line)
	}
	code, out, errs = vbmc(t, home, "show", "a", "-f", "value")
	if code != 0 || !strings.Contains(out, fmt.Sprintf("port %d\nstatus running\n", port)) || !strings.HasPrefix(errs, line) {
		t.Errorf("show: %d %q %q, want %s", code, out, errs, line)
	}
	if code, _, errs := vbmc(t, home, "stop", "a"); code != 0 || errs != "" {
		t.Errorf("stop: %d %q", code, errs)
	}
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		t.Fatal("it still listens: ", err)
	}
	c.Close()
}

// TestEditBesideAWrongLine: it ends with 0, warns of the line, which stays; the edit that
// mends it is silent.
func TestEditBesideAWrongLine(t *testing.T) {
	home := t.TempDir()
	file, _ := serving(t, home)
	if err := os.WriteFile(file, []byte(read(t, file)+"efi = maybe\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := vbmc(t, home, "edit", "a", "--username", "root")
	want := "warning: the edit is written, but the vBMC of domain a goes on as before except for username: " + file + ":"
	if code != 0 || out != "" || !strings.HasPrefix(errs, want) || !strings.Contains(errs, `: efi = "maybe": expected record or refuse (change that line, or: vbmc edit 'a' --efi VALUE)`) {
		t.Errorf("%d %q %q, want %s", code, out, errs, want)
	}
	if text := read(t, file); !strings.Contains(text, "username = root\n") || !strings.Contains(text, "efi = maybe\n") {
		t.Errorf("the file is now %s", text)
	}
	if code, out, errs := vbmc(t, home, "edit", "a", "--efi", "refuse"); code != 0 || out+errs != "" {
		t.Errorf("mending it: %d %q %q", code, out, errs)
	}
}
