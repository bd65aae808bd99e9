package ssh_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	xssh "golang.org/x/crypto/ssh"

	"trefoil/overcloud/ssh"
)

// serve answers one connection: "cat" echoes its input, anything else exits 3.
func serve(t *testing.T, hostPEM string, user xssh.PublicKey) string {
	t.Helper()
	host, err := ssh.ParseKey([]byte(hostPEM))
	if err != nil {
		t.Fatal(err)
	}
	cfg := &xssh.ServerConfig{PublicKeyCallback: func(_ xssh.ConnMetadata, k xssh.PublicKey) (*xssh.Permissions, error) {
		if string(k.Marshal()) != string(user.Marshal()) {
			return nil, errors.New("unknown key")
		}
		return nil, nil
	}}
	cfg.AddHostKey(host)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go handle(c, cfg)
		}
	}()
	return l.Addr().String()
}

func handle(c net.Conn, cfg *xssh.ServerConfig) {
	_, chans, reqs, err := xssh.NewServerConn(c, cfg)
	if err != nil {
		return
	}
	go xssh.DiscardRequests(reqs)
	for nc := range chans {
		ch, creqs, err := nc.Accept()
		if err != nil {
			return
		}
		go func() {
			for r := range creqs {
				_ = r.Reply(true, nil)
				if r.Type != "exec" {
					continue
				}
				status := byte(0)
				if strings.HasSuffix(string(r.Payload), "cat") {
					_, _ = io.Copy(ch, ch)
				} else {
					_, _ = io.WriteString(ch.Stderr(), "it broke")
					status = 3
				}
				_, _ = ch.SendRequest("exit-status", false, []byte{0, 0, 0, status})
				ch.Close()
			}
		}()
	}
}

func setup(t *testing.T) (*ssh.Dialer, ssh.Target, string) {
	t.Helper()
	_, userPEM, err := ssh.NewHostKey(rand.Reader, "user")
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.ParseKey([]byte(userPEM))
	if err != nil {
		t.Fatal(err)
	}
	pub, priv, err := ssh.NewHostKey(rand.Reader, "host")
	if err != nil {
		t.Fatal(err)
	}
	addr := serve(t, priv, key.PublicKey())
	return &ssh.Dialer{Key: key}, ssh.Target{Address: addr, User: "heat-admin", HostKey: pub}, pub
}

func TestRun(t *testing.T) {
	d, target, _ := setup(t)
	ctx := context.Background()
	c, err := d.Dial(ctx, target)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var got []string
	if err := c.Run(ctx, "cat", []byte("a\nb\n"), func(l []byte) { got = append(got, string(l)) }); err != nil {
		t.Fatal(err)
	}
	if strings.Join(got, ",") != "a,b" {
		t.Errorf("got %v", got)
	}
	err = c.Run(ctx, "false", nil, func([]byte) {})
	var exit *ssh.ExitError
	if !errors.As(err, &exit) || exit.Status != 3 || exit.Stderr != "it broke" {
		t.Errorf("got %v", err)
	}
}

func TestDetachedConnectionOutlivesItsContext(t *testing.T) {
	d, target, _ := setup(t)
	ctx, cancel := context.WithCancel(t.Context())
	kept, err := d.Dial(ctx, target)
	if err != nil {
		t.Fatal(err)
	}
	lost, err := d.Dial(ctx, target)
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	if !kept.Detach() {
		t.Error("not detached")
	}
	cancel()
	if err := kept.Run(t.Context(), "cat", []byte("a\n"), func([]byte) {}); err != nil || !kept.Detach() {
		t.Errorf("the connection ended with its context: %v", err)
	}
	if lost.Detach() {
		t.Error("a connection that ended with its context was detached")
	}
}

func TestForeignHostIsRefused(t *testing.T) {
	d, target, _ := setup(t)
	target.HostKey, _, _ = ssh.NewHostKey(rand.Reader, "other")
	if _, err := d.Dial(context.Background(), target); err == nil || !strings.Contains(err.Error(), "host key") {
		t.Errorf("got %v", err)
	}
}

func TestForeignUserIsRefused(t *testing.T) {
	d, target, _ := setup(t)
	_, pem, _ := ssh.NewHostKey(rand.Reader, "other")
	d.Key, _ = ssh.ParseKey([]byte(pem))
	if _, err := d.Dial(context.Background(), target); err == nil {
		t.Error("logged in with a foreign key")
	}
}
