//go:build e2e

package interop

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestPowerRestorePolicy: a hypervisor's host that had no power for a while has its machines
// again as the policy of each says. It is another host to the BMCs, over TCP: the boots of
// this one cannot be told apart in a test.
func TestPowerRestorePolicy(t *testing.T) {
	l := startLab(t)
	uri := l.overTCP(t)
	beds := map[string]bed{}
	for _, policy := range []string{"previous", "always-off"} {
		b := l.bmc(t, policy, machine{uri: uri})
		b.play(t, []row{{"chassis policy " + policy, ``}, {"power on", `Up/On`}, {"until power status", `is on`}}, "ipmitool", b.ipmitool("17")...)
		beds[policy] = b
	}
	l.Stop()
	for policy, b := range beds {
		l.powerCut(t, policy)
		b.refusedAtLast(t, "raw 0 1", `rsp=0xc0`) // nobody knows
	}
	l.Start(t)
	b := beds["previous"]
	b.play(t, []row{
		{"until power status", `is on`},
		{"chassis status", `Power Restore Policy +: previous\nLast Power Event +: ac-failed`},
		{"chassis restart_cause", `previous`},
		{"until sel elist", `Power off/down \| Asserted.*Initiated by power up`},
		{"power off", `Down/Off`},
	}, "ipmitool", b.ipmitool("17")...)
	l.isOff(t, "previous")
	b = beds["always-off"]
	b.play(t, []row{
		{"until power status", `is off`},
		{"chassis status", `Power Restore Policy +: always-off\nLast Power Event +: ac-failed`},
	}, "ipmitool", b.ipmitool("17")...)
	l.isOff(t, "always-off")
}

// overTCP is the lab's libvirtd as that of another host.
func (l *lab) overTCP(t *testing.T) (uri string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	socket := strings.TrimPrefix(l.URI, "qemu+unix:///session?socket=")
	go func() {
		for {
			from, err := ln.Accept()
			if err != nil {
				return
			}
			go relay(from, socket)
		}
	}()
	return fmt.Sprintf("qemu+tcp://%s/session", ln.Addr())
}

// relay joins a connection to a socket until one of them ends.
func relay(from net.Conn, socket string) {
	defer from.Close()
	to, err := net.Dial("unix", socket)
	if err != nil {
		return
	}
	defer to.Close()
	done := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{from, to}, {to, from}} {
		go func() {
			io.Copy(way[0], way[1])
			done <- struct{}{}
		}()
	}
	<-done
}

// powerCut ends the process of a machine, and what is known of it in /run, as a host without
// power does.
func (l *lab) powerCut(t *testing.T, name string) {
	t.Helper()
	run := l.Path("run/libvirt/qemu/run/" + name)
	text, err := os.ReadFile(run + ".pid")
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	cmdline := fmt.Sprintf("/proc/%d/cmdline", pid)
	// The number may be another process's by now.
	if args, err := os.ReadFile(cmdline); err != nil || !bytes.Contains(args, []byte(l.Path(""))) {
		t.Fatalf("process %d is no machine of ours: %v", pid, err)
	}
	err = errors.Join(syscall.Kill(pid, syscall.SIGKILL), os.Remove(run+".pid"), os.Remove(run+".xml"))
	for began := time.Now(); err == nil; time.Sleep(10 * time.Millisecond) {
		if args, gone := os.ReadFile(cmdline); gone != nil || len(args) == 0 { // it, or its remains
			return
		}
		if time.Since(began) > clientLimit {
			err = errors.New("it does not end")
		}
	}
	t.Fatalf("end process %d: %v", pid, err)
}
