package manager

import (
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/vbmc/libvirt"
)

// saslDaemon is a libvirtd whose only authentication is SASL (auth_tcp = "sasl"): packets
// of length, program, version, procedure, type, serial and status, all of four bytes.
func saslDaemon(t *testing.T) (uri string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	words := func(n ...uint32) (out []byte) {
		for _, w := range n {
			out = binary.BigEndian.AppendUint32(out, w)
		}
		return out
	}
	const authList, sasl, isReply, isError = 66, 1, 1, 1
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			head := make([]byte, 28)
			for {
				if _, err := io.ReadFull(c, head); err != nil {
					break
				}
				h := func(i int) uint32 { return binary.BigEndian.Uint32(head[4*i:]) }
				if _, err := io.CopyN(io.Discard, c, int64(h(0))-28); err != nil {
					break
				}
				status, body := uint32(0), words(1, sasl)
				if h(3) != authList {
					const text = "authentication required\x00" // and the byte that XDR adds
					status, body = isError, append(append(words(39, 0, 1, uint32(len(text)-1)), text...), words(2)...)
				}
				_, _ = c.Write(append(words(uint32(28+len(body)), h(1), h(2), h(3), isReply, h(5), status), body...))
			}
			c.Close()
		}
	}()
	return "qemu+unix:///system?socket=" + path
}

// TestSASLIsRefusedWithAWayOut: when a libvirtd asks for it, and when a configuration of
// virtualbmc has it.
func TestSASLIsRefusedWithAWayOut(t *testing.T) {
	uri := saslDaemon(t)
	c := config("a", 7001)
	c.LibvirtURI = uri
	l := &Libvirt{Log: slog.New(slog.DiscardHandler)}
	err := l.Check(t.Context(), uri, "a")["a"]
	if err == nil || !strings.Contains(err.Error(), "authentication required") || !strings.Contains(errs.HintOf(err), "asks for SASL; vbmc cannot: use qemu+ssh://") {
		t.Errorf("%v, hint %q", err, errs.HintOf(err))
	}
	x := &examination{name: "a", config: c, asked: err}
	if x.libvirt(); len(x.found) != 1 || x.found[0].Verdict != Fault || !strings.Contains(x.found[0].Hint, "qemu+ssh://") {
		t.Errorf("doctor: %+v", x.found)
	}
	c.SASLUsername, c.SASLPassword = "user", "secret"
	err = c.Validate()
	if err == nil || !strings.Contains(errs.HintOf(err), "qemu+ssh://") || strings.Contains(err.Error()+errs.HintOf(err), "secret") {
		t.Errorf("%v, hint %q", err, errs.HintOf(err))
	}
}

// A libvirtd that lets nobody talk to it is dialled once for however many domains.
func TestDomainsOfALibvirtAreAskedForTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	dialled := make(chan int)
	go func() {
		n := 0
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			c.Close()
			n++
		}
		dialled <- n
	}()
	why := (&Libvirt{Log: slog.New(slog.DiscardHandler)}).Check(t.Context(), "qemu:///system?socket="+path, "a", "b", "c")
	l.Close()
	if n := <-dialled; n != 1 {
		t.Errorf("%d connections", n)
	}
	for _, d := range []string{"a", "b", "c"} {
		if why[d] == nil || !strings.Contains(why[d].Error(), "Fail to establish a connection") {
			t.Errorf("%s: %v", d, why[d])
		}
	}
}

// Only a libvirtd that is not there is asked after; each other refusal has a way out of its own.
func TestHintsOfAConnectionThatFails(t *testing.T) {
	dir := t.TempDir()
	for uri, want := range map[string]string{
		"qemu:///system?socket=" + dir + "/none":       "is libvirtd running? try: virsh -c 'qemu:///system?socket=" + dir + "/none' list --all",
		"qemu+tls://127.0.0.1:1/system?pkipath=" + dir: "TLS takes /etc/pki/libvirt/clientcert.pem",
		"esx://h/":                             "the hypervisors are qemu, ",
		"qemu:///system?sock=" + dir + "/none": `did you mean "socket"?`,
	} {
		err := (&Libvirt{Log: slog.New(slog.DiscardHandler)}).Check(t.Context(), uri, "a")["a"]
		hint := errs.HintOf(err)
		if !strings.Contains(hint, want) || strings.Contains(hint, "is libvirtd running") && !strings.HasPrefix(want, "is libvirtd") {
			t.Errorf("%s: %v (%s), want %s", uri, err, hint, want)
		}
	}
	for _, err := range []error{
		&libvirt.Error{Op: "connect", Code: libvirt.CodeNoConnect, Msg: "no connection driver available for xen:///"},
		&libvirt.Error{Op: "connect", Code: 1, Msg: "internal error: unexpected QEMU URI path '/x', try qemu:///system"},
	} {
		if hint := connectHint("qemu:///x", err); hint != "try: virsh -c 'qemu:///x' list --all" {
			t.Errorf("%v: %s", err, hint)
		}
	}
	if a, none := namesHint([]string{"a", "b"}), namesHint(nil); a != "the domains are: a, b" || !strings.HasPrefix(none, "there are no domains") {
		t.Errorf("%q, %q", a, none)
	}
}

// A URI that leads nowhere is refused where it stands: as the option, and as the line of the file.
func TestAWrongURIIsRefusedWhereItStands(t *testing.T) {
	m, _ := newManager(t)
	running(t, m, "a")
	err := edit(m, "libvirt_uri", "qemu:///system?sock=/x")
	if err == nil || !strings.HasPrefix(err.Error(), "--libvirt-uri: libvirt URI") || !strings.Contains(errs.HintOf(err), `did you mean "socket"?`) {
		t.Errorf("%v (%s)", err, errs.HintOf(err))
	}
	spoil(t, m, DefaultLibvirtURI, DefaultLibvirtURI+"?sock=/x")
	m.Sync()
	if i, err := m.Show("a"); err != nil || i.LibvirtURI != DefaultLibvirtURI || !strings.Contains(i.Reason, `/a/config:7: libvirt_uri: libvirt URI "qemu:///system?sock=/x": the parameter "sock"`) {
		t.Errorf("%+v %v", i, err)
	}
}
