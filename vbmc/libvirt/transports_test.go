package libvirt

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trefoil/vbmc/libvirt/pkitest"
)

const procGetState = 212

// relaying has this program join its standard streams to a socket, as nc does.
const relaying = "TREFOIL_TEST_RELAY"

func TestMain(m *testing.M) {
	path := os.Getenv(relaying)
	if path == "" {
		os.Exit(m.Run())
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		_, _ = io.WriteString(os.Stderr, err.Error())
		os.Exit(1)
	}
	go func() { _, _ = io.Copy(c, os.Stdin); c.Close() }()
	_, _ = io.Copy(os.Stdout, c)
}

// running answers for a domain that runs.
func running(call packet) []packet {
	if call.proc == procGetState {
		return []packet{{body: []byte{0, 0, 0, byte(StateRunning), 0, 0, 0, 0}}}
	}
	return []packet{{status: statusError, body: refusal(3, "unknown")}}
}

// asks opens a connection and asks something over it.
func asks(t *testing.T, uri string) error {
	t.Helper()
	c, err := Dial(t.Context(), uri)
	if err != nil {
		return err
	}
	defer c.Close()
	d, err := c.LookupDomain(context.Background(), "m")
	if err == nil && (d.Name != "m" || d.State != StateRunning || c.Local()) {
		t.Errorf("%s: %+v, local %v", uri, d, c.Local())
	}
	return err
}

func TestTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listen(t, l, running)
	if err := asks(t, "qemu+tcp://"+l.Addr().String()+"/system"); err != nil {
		t.Error(err)
	}
}

// admitting is a socket whose connections begin with libvirt's word on the client's certificate.
type admitting struct {
	net.Listener
	word byte
}

func (a admitting) Accept() (net.Conn, error) {
	c, err := a.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if _, err := c.Write([]byte{a.word}); err != nil { // it makes the handshake first
		c.Close()
	}
	return c, nil
}

// TestTLS: both sides show certificates of one authority, or nothing is opened.
func TestTLS(t *testing.T) {
	ours, theirs := t.TempDir(), t.TempDir()
	pkitest.Make(t, ours)
	pkitest.Make(t, theirs)
	server := func(dir string, word byte) string {
		cert, err := tls.LoadX509KeyPair(filepath.Join(dir, "servercert.pem"), filepath.Join(dir, "serverkey.pem"))
		if err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		if pem, err := os.ReadFile(filepath.Join(dir, "cacert.pem")); err != nil || !pool.AppendCertsFromPEM(pem) {
			t.Fatalf("no authority: %v", err)
		}
		l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool})
		if err != nil {
			t.Fatal(err)
		}
		listen(t, admitting{l, word}, running)
		return "qemu+tls://" + l.Addr().String() + "/system?pkipath="
	}
	if err := asks(t, server(ours, 1)+ours); err != nil {
		t.Error(err)
	}
	for name, c := range map[string]struct{ uri, want string }{
		"a server that nobody vouches for":          {server(theirs, 1) + ours, "unknown authority"},
		"a client that nobody vouches for":          {server(theirs, 1) + ours + "&no_verify=1", "certificate"},
		"a client that is not on the daemon's list": {server(ours, 0) + ours, "our certificate"},
		"no certificate":                            {server(ours, 1) + t.TempDir(), "could not read tls client cert"},
	} {
		if err := asks(t, c.uri); !IsUnavailable(err) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// farSide is a host behind ssh with these programs and nothing else of what joins sockets. It
// returns the directory for the sockets of its user.
func farSide(t *testing.T, programs map[string]string) (runtime string) {
	t.Helper()
	bin, runtime := t.TempDir(), t.TempDir()
	for _, name := range []string{"sh", "grep", "id"} {
		path, err := exec.LookPath(name)
		if err == nil {
			err = os.Symlink(path, filepath.Join(bin, name))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	programs["ssh"] = `for script; do :; done; eval "exec sh -c $script"` // as sshd has the login shell do it
	for name, script := range programs {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin)
	t.Setenv("XDG_RUNTIME_DIR", runtime)
	if err := os.Mkdir(filepath.Join(runtime, "libvirt"), 0o700); err != nil {
		t.Fatal(err)
	}
	return runtime
}

// TestSSH: libvirt's own program is asked first, and not where a socket is named.
func TestSSH(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	relay := relaying + `="$socket" exec '` + self + `'`
	nc := `[ "$1" = -U ] || exit 1; socket=$2; ` + relay
	helper := `[ "$*" = qemu:///session ] || exit 1; socket=$XDG_RUNTIME_DIR/libvirt/of-the-helper; ` + relay
	const never = `echo "nobody asked for $0" >&2; exit 1`
	for name, c := range map[string]struct {
		programs map[string]string
		listens  string // in the user's directory
		query    string
	}{
		"helper": {map[string]string{"virt-ssh-helper": helper, "nc": never}, "of-the-helper", ""},
		"nc":     {map[string]string{"nc": nc}, "virtqemud-sock", ""},
		"socket": {map[string]string{"virt-ssh-helper": never, "nc": nc}, "named", "?socket="},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(farSide(t, c.programs), "libvirt", c.listens)
			l, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			listen(t, l, running)
			uri := "qemu+ssh://h/session"
			if c.query != "" {
				uri += c.query + path
			}
			if err := asks(t, uri); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestSSHWithoutADaemon: the error says what is missing on the far side, and whether a daemon
// that listens would help.
func TestSSHWithoutADaemon(t *testing.T) {
	says := func(what string) string {
		return `echo "virt-ssh-helper: cannot connect to '/run/s': Failed to connect socket to '/run/s': ` + what + `" >&2; exit 1`
	}
	for name, c := range map[string]struct {
		programs  map[string]string
		query     string
		want      string
		listening bool // one that did would help
	}{
		"no daemon, helper":      {map[string]string{"virt-ssh-helper": says("No such file or directory")}, "", "'/run/s': No such file or directory", true},
		"dead daemon, helper":    {map[string]string{"virt-ssh-helper": says("Connection refused")}, "", "Connection refused", true},
		"not allowed, helper":    {map[string]string{"virt-ssh-helper": says("Permission denied")}, "", "Permission denied", false},
		"no daemon, nc":          {map[string]string{"nc": "exit 1"}, "", "no libvirt socket here", true},
		"neither":                {map[string]string{}, "", "no virt-ssh-helper here, and no nc (netcat-openbsd)", false},
		"a named socket, but no": {map[string]string{"virt-ssh-helper": "exit 1"}, "?socket=/x", "no nc here, which ?socket= takes", false},
	} {
		t.Run(name, func(t *testing.T) {
			farSide(t, c.programs)
			err := asks(t, "qemu+ssh://h/session"+c.query)
			if !IsUnavailable(err) || !strings.Contains(err.Error(), c.want) || IsNotListening(err) != c.listening {
				t.Errorf("%v, not listening: %v", err, IsNotListening(err))
			}
		})
	}
}

// TestSSHEndsOnTheFarSide: what runs there ends with the connection.
func TestSSHEndsOnTheFarSide(t *testing.T) {
	gone := filepath.Join(t.TempDir(), "gone")
	farSide(t, map[string]string{"virt-ssh-helper": "while read -r line; do :; done; : > '" + gone + "'; exit 1"})
	c, err := dialSSH(t.Context(), target{host: "h", helper: "qemu:///session"})
	if err != nil {
		t.Fatal(err)
	}
	c.(*sshConn).end(time.Hour) // its patience, not a wait
	if _, err := os.Stat(gone); err != nil {
		t.Error(err)
	}
}
