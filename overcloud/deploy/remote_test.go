package deploy_test

import (
	"bufio"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	xssh "golang.org/x/crypto/ssh"

	"trefoil/internal/errs"
	"trefoil/overcloud/deploy"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/resource"
	"trefoil/overcloud/ssh"
	"trefoil/overcloud/stack"
)

// sshNode is a node on loopback: its os-apply-config says what it should, and changes nothing.
type sshNode struct {
	stack.Node
	t        *testing.T
	old      bool // its os-apply-config does not know verify
	program  []byte
	full     bool // its disk
	drops    bool // its first login, as a machine that has just booted may do
	mu       sync.Mutex
	logins   int
	commands []string
	open     []net.Conn
}

func newSSHNode(t *testing.T) (*sshNode, *deploy.Remote) {
	t.Helper()
	_, userPEM, err := ssh.NewHostKey(rand.Reader, "user")
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.ParseKey([]byte(userPEM))
	if err != nil {
		t.Fatal(err)
	}
	public, hostPEM, err := ssh.NewHostKey(rand.Reader, "host")
	if err != nil {
		t.Fatal(err)
	}
	host, err := ssh.ParseKey([]byte(hostPEM))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	n := &sshNode{t: t, Node: stack.Node{Node: plan.Node{Name: "n", Address: l.Addr().String(), HostKey: public}}}
	cfg := &xssh.ServerConfig{NoClientAuth: true}
	cfg.AddHostKey(host)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go n.serve(c, cfg)
		}
	}()
	return n, &deploy.Remote{Dialer: &ssh.Dialer{Key: key}}
}

func (n *sshNode) serve(c net.Conn, cfg *xssh.ServerConfig) {
	_, channels, requests, err := xssh.NewServerConn(c, cfg)
	if err != nil {
		return
	}
	n.mu.Lock()
	n.logins++
	n.open = append(n.open, c)
	n.mu.Unlock()
	go xssh.DiscardRequests(requests)
	for nc := range channels {
		ch, requests, err := nc.Accept()
		if err != nil {
			return
		}
		go func() {
			for r := range requests {
				_ = r.Reply(true, nil)
				if r.Type == "exec" {
					_, _ = ch.SendRequest("exit-status", false, []byte{0, 0, 0, n.command(string(r.Payload[4:]), ch)})
					ch.Close()
				}
			}
		}()
	}
}

// command answers with an event for each document that it gets.
func (n *sshNode) command(line string, ch xssh.Channel) byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	name := line[strings.LastIndex(line, " ")+1:]
	switch {
	case strings.HasPrefix(line, "sha256sum "):
		fmt.Fprintf(ch, "%x  /usr/local/bin/os-apply-config\n", sha256.Sum256(n.program))
		return 0
	case strings.HasPrefix(line, "sudo mysql "):
		b, _ := io.ReadAll(ch)
		if n.commands = append(n.commands, string(b)); n.old {
			fmt.Fprintln(ch.Stderr(), "ERROR 1146 (42S02): no such table")
			return 1
		}
		return 0
	case strings.HasPrefix(line, "sudo timeout 240 ceph --connect-timeout 120 "):
		if n.commands = append(n.commands, line[strings.Index(line, "120 ")+4:]); n.old {
			fmt.Fprintln(ch.Stderr(), "[errno 110] RADOS timed out (error connecting to the cluster)")
			return 1
		}
		fmt.Fprint(ch, "[\n]\n")
		return 0
	case strings.Contains(line, "mv -f $t os-apply-config"):
		b, _ := io.ReadAll(ch)
		if n.drops {
			n.drops = false
			n.open[len(n.open)-1].Close()
			return 255
		}
		if !strings.Contains(line, fmt.Sprintf("%x", sha256.Sum256(b))) || n.full {
			return 1
		}
		n.program = b
		n.commands = append(n.commands, "renewed")
		return 0
	}
	n.commands = append(n.commands, name)
	if name == "verify" && n.old {
		return 2
	}
	out, in := json.NewEncoder(ch), bufio.NewScanner(ch)
	for in.Scan() {
		var doc resource.Document
		if err := json.Unmarshal(in.Bytes(), &doc); err != nil {
			n.t.Errorf("%s got %q: %v", name, in.Text(), err)
		}
		_ = out.Encode(resource.Event{Event: map[string]string{"verify": "verified", "apply": "changed"}[name], Step: doc.Step})
	}
	_ = out.Encode(resource.Event{Event: "done"})
	return 0
}

// cut ends all connections, as a node does that boots.
func (n *sshNode) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.open {
		c.Close()
	}
}

func TestOneLoginANode(t *testing.T) {
	n, remote := newSSHNode(t)
	docs := []resource.Document{{Step: 1}, {Step: 3}}
	apply := func(logins int) {
		t.Helper()
		var got []string
		if err := remote.Apply(t.Context(), n.Node, docs[0], func(ev resource.Event) { got = append(got, ev.Event) }); err != nil || strings.Join(got, " ") != "changed done" {
			t.Errorf("apply: %v, %v", got, err)
		}
		if n.logins != logins {
			t.Errorf("%d logins, want %d", n.logins, logins)
		}
	}
	if err := remote.Reach(t.Context(), n.Node, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := remote.Verify(t.Context(), n.Node, docs); err != nil || len(got) != 2 || !got[3] {
		t.Errorf("verify: %v, %v", got, err)
	}
	apply(1)
	apply(1)
	n.cut()
	apply(2) // a login that has gone stale is made again
	remote.Leave(n.Node)
	apply(3)
	remote.Leave(n.Node)
}

// TestRenewedProgram: a node whose image is older than the undercloud gets its program,
// once; one that cannot take it is not configured by the old one.
func TestRenewedProgram(t *testing.T) {
	n, remote := newSSHNode(t)
	n.program = []byte("of the image")
	remote.Program = filepath.Join(t.TempDir(), "os-apply-config")
	if err := os.WriteFile(remote.Program, []byte("of the undercloud"), 0o755); err != nil {
		t.Fatal(err)
	}
	missing := &deploy.Remote{Dialer: remote.Dialer, Program: remote.Program + ".missing"}
	if err := missing.Reach(t.Context(), n.Node, nil); !errs.Is(err, errs.Invalid) || n.logins != 0 {
		t.Errorf("without a program to give: %v, %d logins", err, n.logins)
	}
	n.full = true
	if err := remote.Reach(t.Context(), n.Node, nil); !errs.Is(err, errs.Unavailable) || string(n.program) != "of the image" {
		t.Errorf("full disk: %v, the node has the program %s", err, n.program)
	}
	n.full, n.drops = false, true
	for range 2 {
		if err := remote.Reach(t.Context(), n.Node, nil); err != nil {
			t.Fatal(err)
		}
		remote.Leave(n.Node)
	}
	if string(n.program) != "of the undercloud" || strings.Join(n.commands, " ") != "renewed" {
		t.Errorf("the node has the program %q after the commands %v", n.program, n.commands)
	}
}

func TestNodeThatCannotVerify(t *testing.T) {
	n, remote := newSSHNode(t)
	n.old = true
	defer remote.Leave(n.Node)
	if got, err := remote.Verify(t.Context(), n.Node, []resource.Document{{Step: 1}}); err != nil || len(got) > 0 {
		t.Errorf("got %v, %v", got, err)
	}
}
