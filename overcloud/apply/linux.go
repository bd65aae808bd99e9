package apply

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"trefoil/overcloud/apply/ceph"
	"trefoil/overcloud/resource"
)

// Linux is the machine this program runs on.
type Linux struct{}

var _ System = Linux{}

// outputLimit is what is kept of each of a program's outputs, in bytes.
const outputLimit = 1 << 20

// tail keeps the end of what is written to it, by one or two writers.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf.Write(p)
	if over := t.buf.Len() - outputLimit; over > 0 {
		t.buf.Next(over)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.String()
}

// Run runs a program without a shell, in a process group of its own that is
// killed as a whole at the time-out.
func (Linux) Run(ctx context.Context, c Command) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "HOME=/root"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if c.User != "" {
		cred, home, err := credential(c.User)
		if err != nil {
			return "", err
		}
		cmd.SysProcAttr.Credential = cred
		cmd.Dir = "/"
		cmd.Env = append(cmd.Env, "HOME="+home, "USER="+c.User)
	}
	for k, v := range c.Env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	var stdout, all tail
	cmd.Stdin = strings.NewReader(c.Stdin)
	cmd.Stdout, cmd.Stderr = io.MultiWriter(&stdout, &all), &all
	err := cmd.Run()
	var ended *exec.ExitError
	switch {
	case err == nil || errors.Is(err, exec.ErrWaitDelay):
		// A child that stays and holds the pipe is not a failure of the program.
		return stdout.String(), nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return "", &RunError{c.Args[0], -1, fmt.Sprintf("not finished after %s\n%s", c.Timeout, all.String())}
	case ctx.Err() != nil:
		return "", ctx.Err()
	case errors.As(err, &ended):
		return "", &RunError{c.Args[0], ended.ExitCode(), all.String()}
	}
	return "", err
}

func credential(name string) (*syscall.Credential, string, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil, "", err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, "", err
	}
	cred := &syscall.Credential{Uid: uint32(uid)}
	ids, err := u.GroupIds()
	if err != nil {
		return nil, "", err
	}
	for _, id := range append([]string{u.Gid}, ids...) {
		n, err := strconv.ParseUint(id, 10, 32)
		if err != nil {
			return nil, "", err
		}
		if len(cred.Groups) == 0 {
			cred.Gid = uint32(n)
		}
		cred.Groups = append(cred.Groups, uint32(n))
	}
	return cred, u.HomeDir, nil
}

// Owner looks names up in /etc/passwd and /etc/group.
func (Linux) Owner(owner, group string) (int, int, error) {
	uid, gid := -1, -1
	if owner != "" {
		u, err := user.Lookup(owner)
		if err != nil {
			return 0, 0, err
		}
		uid, _ = strconv.Atoi(u.Uid)
	}
	if group != "" {
		g, err := user.LookupGroup(group)
		if err != nil {
			return 0, 0, err
		}
		gid, _ = strconv.Atoi(g.Gid)
	}
	return uid, gid, nil
}

const (
	probeTimeout  = 10 * time.Second
	answerTimeout = 5 * time.Minute // of a web server: under emulation its first answer takes minutes
)

// Probe tries once.
func (Linux) Probe(ctx context.Context, w resource.Wait) error {
	if w.HTTP != "" {
		return probeHTTP(ctx, w)
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	if w.Ceph != "" {
		return ceph.InService(ctx, "/", w.Ceph)
	}
	network, address := "tcp", w.TCP
	if w.Unix != "" {
		network, address = "unix", w.Unix
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, network, address)
	if err != nil {
		return err
	}
	return c.Close()
}

func probeHTTP(ctx context.Context, w resource.Wait) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.HTTP, nil)
	if err != nil {
		return err
	}
	t := &http.Transport{DisableKeepAlives: true, Proxy: nil}
	resp, err := t.RoundTrip(req) // no redirect is followed: it is an answer
	if err != nil {
		return err
	}
	resp.Body.Close()
	if w.Status != 0 && resp.StatusCode != w.Status || w.Status == 0 && resp.StatusCode >= 500 {
		return fmt.Errorf("%s answers with status %d", w.HTTP, resp.StatusCode)
	}
	return nil
}
