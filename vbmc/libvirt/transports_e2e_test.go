//go:build e2e

package libvirt_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trefoil/vbmc/libvirt"
	"trefoil/vbmc/libvirt/pkitest"
	"trefoil/vbmc/vbmctest"
)

// freePort is one that nobody has now.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// TestEveryTransport asks libvirtd itself over each of them; ssh is a shell that runs what
// ssh would run on the other host.
func TestEveryTransport(t *testing.T) {
	l := vbmctest.StartLibvirtd(t)
	l.Define(t, "m", "<boot dev='hd'/>", false)
	socket := strings.TrimPrefix(l.URI, "qemu+unix:///session?socket=")
	pki := l.Path("pki")
	if err := os.Mkdir(pki, 0o755); err != nil {
		t.Fatal(err)
	}
	pkitest.Make(t, pki)
	tcp, tls := freePort(t), freePort(t)
	conf := l.File(t, "listening.conf", fmt.Appendf(nil, `
listen_addr = "127.0.0.1"
listen_tcp = 1
tcp_port = "%s"
auth_tcp = "none"
listen_tls = 1
tls_port = "%s"
auth_tls = "none"
ca_file = "%[3]s/cacert.pem"
cert_file = "%[3]s/servercert.pem"
key_file = "%[3]s/serverkey.pem"
`, tcp, tls, pki))
	l.Stop()
	l.Args = []string{"--listen", "--config", conf}
	l.Start(t)

	bin := t.TempDir()
	// For root libvirt's helper goes to the system's socket, whatever the URI says: in a /run of its own that is ours.
	ssh := "#!/bin/sh\n" + `for script; do :; done
exec unshare --mount sh -c 'mount -t tmpfs none /run && mkdir /run/libvirt && ln -s ` + socket + ` /run/libvirt/libvirt-sock && eval "exec sh -c $1"' ssh "$script"
`
	if err := os.WriteFile(filepath.Join(bin, "ssh"), []byte(ssh), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	t.Setenv("XDG_RUNTIME_DIR", l.Path("run"))
	for name, uri := range map[string]string{
		"tcp":                  "qemu+tcp://127.0.0.1:" + tcp + "/session",
		"tls":                  "qemu+tls://127.0.0.1:" + tls + "/session?pkipath=" + pki,
		"ssh, virt-ssh-helper": "qemu+ssh://root@host/session",
		"ssh, nc":              "qemu+ssh://root@host/session?socket=" + socket,
	} {
		t.Run(name, func(t *testing.T) {
			c, err := libvirt.Dial(t.Context(), uri)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			d, err := c.LookupDomain(t.Context(), "m")
			if err != nil || d.State != libvirt.StateShutoff {
				t.Errorf("%+v, %v", d, err)
			}
			if stored, err := c.IsPersistent(t.Context(), "m"); err != nil || !stored {
				t.Errorf("it has a definition: %v, %v", stored, err)
			}
			if xml, err := c.DomainXML(t.Context(), "m", libvirt.XMLInactive); err != nil || !strings.Contains(xml, "<name>m</name>") {
				t.Errorf("%s, %v", xml, err)
			}
		})
	}
}
