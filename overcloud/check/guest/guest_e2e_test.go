//go:build e2e

package guest_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"trefoil/overcloud/check/guest"
)

// answers is what QEMU runs for each connection to 169.254.169.254:80.
const answers = `#!/bin/sh
read -r _ path _
case $path in
/latest/meta-data/local-hostname) body=check-test-a.novalocal ;;
/latest/user-data) body='ping 169.254.2.2' ;;
*) printf 'HTTP/1.1 404 Not Found\r\n\r\n'; exit ;;
esac
printf 'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s' ${#body} "$body"
`

// bound of each wait: the boot takes 7 s of a core, which a machine that does much else gives slowly.
const bound = 6 * time.Minute

type console struct {
	sync.Mutex
	bytes.Buffer
}

func (c *console) Write(p []byte) (int, error) { c.Lock(); defer c.Unlock(); return c.Buffer.Write(p) }
func (c *console) text() string                { c.Lock(); defer c.Unlock(); return c.String() }

func (c *console) forget() { c.Lock(); defer c.Unlock(); c.Reset() }

func (c *console) await(t *testing.T, line string) {
	t.Helper()
	for began := time.Now(); time.Since(began) < bound; time.Sleep(100 * time.Millisecond) {
		if strings.Contains(strings.ReplaceAll(c.text(), "\r", ""), "\n"+line+"\n") {
			t.Logf("%s after %s", line, time.Since(began).Round(100*time.Millisecond))
			return
		}
	}
	t.Fatalf("no line %q on the console:\n%s", line, c.text())
}

func write(t *testing.T, name string, mode os.FileMode, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// The guest boots in a bare QEMU and tells of its lease, its metadata, a ping, a disk that comes, and answers HTTP.
func TestGuestTellsWhatItSees(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*bound)
	defer cancel()
	f, err := guest.Build(ctx, "/var/cache/trefoil/kernel", guest.BusyBox)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	root, monitor := write(t, "root", 0o600, make([]byte, 1<<20)), filepath.Join(t.TempDir(), "monitor")
	disk := write(t, "disk", 0o600, make([]byte, 4<<20))
	cmd := exec.CommandContext(ctx, "nice", "-n", "15", "qemu-system-x86_64", "-M", "pc,accel=tcg", "-m", "128", "-display", "none", "-no-reboot", "-serial", "stdio",
		"-monitor", "unix:"+monitor+",server,nowait", "-kernel", write(t, "kernel", 0o600, f.Kernel), "-initrd", write(t, "initrd", 0o600, f.Initramfs), "-append", guest.CommandLine,
		"-drive", "file="+root+",format=raw,if=virtio", "-nic", fmt.Sprintf("user,model=virtio-net-pci,net=169.254.0.0/16,restrict=on,hostfwd=tcp:127.0.0.1:%d-:80,guestfwd=tcp:169.254.169.254:80-cmd:%s", port, write(t, "answers", 0o700, []byte(answers))))
	out := &console{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cancel(); _ = cmd.Wait() }()
	for _, line := range []string{"check dhcp 169.254.2.15", "check metadata check-test-a.novalocal", "check ping 169.254.2.2 ok", "check disk vda 1048576"} {
		out.await(t, line)
	}
	m, err := net.Dial("unix", monitor)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	go func() { _, _ = io.Copy(io.Discard, m) }()
	// Slot 5 is one of those whose interrupts the BIOS tells, 7 and 10 are not: Nova's servers have devices in the first six.
	for _, slot := range []int{5, 7, 10} {
		fmt.Fprintf(m, "drive_add 0 if=none,id=extra%d,format=raw,file=%s\ndevice_add virtio-blk-pci,drive=extra%[1]d,id=extra%[1]d,addr=%[1]d\n", slot, disk)
		out.await(t, "check disk vdb 4194304")
		fmt.Fprintf(m, "device_del extra%d\n", slot)
		out.await(t, "check disk vdb gone")
		out.forget()
	}
	resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/", port))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "check-test-a.novalocal\n" {
		t.Errorf("HTTP: %q %v", body, err)
	}
}
