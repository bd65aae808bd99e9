package libvirt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"sync"
	"time"
	"unicode"
)

// dialSSH runs one ssh process that joins its standard streams to the daemon on
// the far side. It lives as long as the connection and is reaped.
func dialSSH(_ context.Context, t target) (net.Conn, error) {
	// A master for the user's other sessions, as ~/.ssh/config may ask for, it must not be:
	// it ends with this connection, and ssh gives up where it cannot make its socket.
	args := []string{"-T", "-e", "none", "-o", "BatchMode=yes", "-o", "ConnectTimeout=15", "-o", "ServerAliveInterval=10", "-o", "ControlMaster=no"}
	if t.port != "" {
		args = append(args, "-p", t.port)
	}
	if t.user != "" {
		args = append(args, "-l", t.user)
	}
	if t.keyfile != "" {
		args = append(args, "-i", t.keyfile)
	}
	if t.noVerify {
		args = append(args, "-o", "StrictHostKeyChecking=no")
	}
	args = append(args, "--", t.host, "sh", "-c", shellQuote(farScript(t.helper, t.sockets)))
	c := &sshConn{cmd: exec.Command("ssh", args...), host: t.host}
	in, err := c.cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("prepare ssh: %w", err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("prepare ssh: %w", err)
	}
	c.Reader, c.WriteCloser = out, in
	c.cmd.Stderr = &c.said
	c.cmd.WaitDelay = time.Second // a master process that ssh left behind keeps its end open
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start ssh to %s: %w", t.host, err)
	}
	return c, nil
}

// What the far side says: our script when nothing listens there, and libvirt's own program
// (src/remote/remote_ssh_helper.c) when it could not connect.
const (
	noFarSocket  = "no libvirt socket here"
	helperFailed = "virt-ssh-helper: cannot connect to "
)

// farScript joins the far side's shell to the daemon there. libvirt's helper knows best which
// that is, libvirtd or virtqemud, and starts that of a session; without it, or where helper,
// its URI, is "", it is the first socket that is there, by a netcat that knows -U. One that
// has -q goes on for ever without it when we are gone. The words are looked for: they must
// not be translated.
func farScript(helper string, sockets []string) string {
	script, missing := "export LC_ALL=C; ", "no nc here, which ?socket= takes (netcat-openbsd)"
	if helper != "" {
		script += "command -v virt-ssh-helper >/dev/null && exec virt-ssh-helper " + shellQuote(helper) + "; "
		missing = "no virt-ssh-helper here, and no nc (netcat-openbsd)"
	}
	var words []string
	for _, s := range sockets {
		word := shellQuote(s)
		if !strings.HasPrefix(s, "/") {
			word = `"${XDG_RUNTIME_DIR:-/run/user/$(id -u)}"/libvirt/` + word
		}
		words = append(words, word)
	}
	list := strings.Join(words, " ")
	return script + `command -v nc >/dev/null || { echo ` + shellQuote(missing) + ` >&2; exit 1; }; ` +
		`q=; if nc -q 2>&1 | grep -q 'requires an argument'; then q=-q0; fi; ` +
		`for s in ` + list + `; do [ ! -S "$s" ] || exec nc $q -U "$s"; done; ` +
		`echo ` + noFarSocket + `: ` + list + ` >&2; exit 1`
}

// shellQuote makes one word of s for the shell of the far side.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

type sshConn struct {
	io.Reader
	io.WriteCloser
	cmd  *exec.Cmd
	host string
	once sync.Once
	said lastWords
}

// Close ends the ssh process and reaps it.
func (c *sshConn) Close() error {
	c.end(0)
	return nil
}

// end gives the process a time to end by itself.
func (c *sshConn) end(patience time.Duration) {
	c.once.Do(func() {
		c.WriteCloser.Close()
		kill := time.AfterFunc(patience, func() { c.cmd.Process.Kill() })
		defer kill.Stop()
		c.cmd.Wait()
	})
}

// explain tells in place of an error what ssh and the far side said, which is more than
// that there is nobody any more. It ends the connection.
func (c *sshConn) explain(err error) error {
	c.end(time.Second) // what it has to say may still be on its way
	if s := c.said.String(); s != "" {
		return fmt.Errorf("ssh to %s: %w", c.host, errors.New(s))
	}
	return err
}

func (c *sshConn) LocalAddr() net.Addr              { return sshAddr("local") }
func (c *sshConn) RemoteAddr() net.Addr             { return sshAddr(c.host) }
func (c *sshConn) SetDeadline(time.Time) error      { return nil }
func (c *sshConn) SetReadDeadline(time.Time) error  { return nil }
func (c *sshConn) SetWriteDeadline(time.Time) error { return nil }

type sshAddr string

func (a sshAddr) Network() string { return "ssh" }
func (a sshAddr) String() string  { return string(a) }

// maxSaid is how much of an output lastWords keeps, bytes.
const maxSaid = 512

// lastWords keeps the end of what is written to it.
type lastWords struct {
	mu   sync.Mutex
	tail []byte
}

func (l *lastWords) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tail = append(l.tail, p...)
	if over := len(l.tail) - maxSaid; over > 0 {
		l.tail = append(l.tail[:0], l.tail[over:]...)
	}
	return len(p), nil
}

// String is one line without what steers a terminal.
func (l *lastWords) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r':
			return '\n'
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(string(l.tail), ""))
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' })
	return strings.Join(lines, "; ")
}
