package ipmi

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"time"

	"trefoil/internal/errs"

	"github.com/bougou/go-ipmi/pkg/client"
	"github.com/bougou/go-ipmi/pkg/types"
)

// session is the one kept session of a BMC. The library's client answers one
// caller at a time, so whoever uses it has the turn. The library itself sends a
// packet every 30 s, which keeps the BMC from dropping it.
type session struct {
	turn   chan struct{} // holds one token; whoever has it may use the rest
	info   info
	client *client.Client // nil: not logged in
	maker  uint32         // manufacturer id, once asked for
	asked  bool
}

func newSession() *session {
	s := &session{turn: make(chan struct{}, 1)}
	s.turn <- struct{}{}
	return s
}

// with runs f on a logged-in client. A session that the BMC has forgotten is
// opened anew and f runs once more, so f must be idempotent.
func (d *Driver) with(ctx context.Context, s *session, i info, what string, f func(context.Context, *client.Client) error) error {
	select {
	case <-s.turn:
		defer func() { s.turn <- struct{}{} }()
	case <-ctx.Done():
		return fmt.Errorf("%s: wait for the BMC %s, which is busy: %w", what, i.addr(), ctx.Err())
	}
	if s.client != nil && s.info != i {
		s.drop()
	}
	s.info = i
	start := d.now()
	for again := range 2 {
		kept := s.client != nil
		if err := d.login(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", what, explain(err, i, d.now().Sub(start)))
		}
		if err := d.bucket(i).wait(ctx); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		err := f(ctx, s.client)
		if err == nil {
			return nil
		}
		if _, answered := types.IsResponseError(err); answered || ctx.Err() != nil {
			return fmt.Errorf("%s: %w", what, explain(err, i, d.now().Sub(start)))
		}
		s.drop()
		if !kept || again == 1 {
			return fmt.Errorf("%s: %w", what, explain(err, i, d.now().Sub(start)))
		}
	}
	return nil
}

// login opens a session if there is none: suite 17, then 3, unless one is asked for.
func (d *Driver) login(ctx context.Context, s *session) error {
	if s.client != nil {
		return nil
	}
	suites := []int{17, 3}
	if s.info.suite != 0 {
		suites = []int{s.info.suite}
	}
	var err error
	for _, suite := range suites {
		var c *client.Client
		if c, err = d.open(ctx, s.info, suite); err == nil {
			s.client = c
			return nil
		}
		if !refusedSuite(err) {
			return err
		}
	}
	return err
}

func (d *Driver) open(ctx context.Context, i info, suite int) (*client.Client, error) {
	host := i.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]" // the library joins host and port with a colon
	}
	c, err := client.NewClient(host, i.port, i.user, i.password)
	if err != nil {
		return nil, err
	}
	c.WithTimeout(d.timeout()).WithRetry(tries - 1).WithMaxPrivilegeLevel(i.priv).WithCipherSuiteID(types.CipherSuiteID(suite))
	if err := d.bucket(i).wait(ctx); err != nil {
		return nil, err
	}
	if err := c.Connect(ctx); err != nil {
		abandon(c)
		return nil, err
	}
	return c, nil
}

// drop ends a session that is no longer trusted.
func (s *session) drop() {
	if s.client != nil {
		abandon(s.client)
		s.client, s.asked = nil, false
	}
}

// abandon closes a client without waiting for its BMC, which may be gone.
func abandon(c *client.Client) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	go func() { _ = c.Close(ctx) }() // the error is the cancelled farewell
}

// The library loses the chain of login errors, so their text has to tell.
func says(err error, words ...string) bool {
	for _, w := range words {
		if strings.Contains(err.Error(), w) {
			return true
		}
	}
	return false
}

// refusedSuite reports whether the BMC does not speak the cipher suite.
func refusedSuite(err error) bool {
	return says(err, "status 0x04", "status 0x05", "status 0x06", "status 0x07", "status 0x10", "status 0x11", "status 0x12")
}

// wrongPassword reports whether the login failed over user or password.
func wrongPassword(err error) bool {
	return errors.Is(err, client.ErrRAKPAuthentication) ||
		says(err, client.ErrRAKPAuthentication.Error(), "status 0x0d", "status 0x0f", "status 0x02")
}

// silent reports whether the BMC gave no answer in time.
func silent(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || says(err, "timed out", "no datagram matched", "no matching IPMI response")
}

// explain says in words what went wrong with a BMC, and what to try.
func explain(err error, i info, waited time.Duration) error {
	at, user := i.addr(), i.user
	secs := waited.Round(100 * time.Millisecond)
	re, answered := types.IsResponseError(err)
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("the BMC %s was not waited for: %w", at, context.Canceled)
	case answered:
		return errs.Wrap(errs.Conflict, err, "the BMC %s refused the command (completion code 0x%02x)", at, uint8(re.CompletionCode()))
	case says(err, "RAKP4 integrity check value"): // message 2 has shown that the password is right; what is left is the key
		return errs.New(errs.Invalid, "the BMC %s has a BMC key (K_g), with which this driver cannot log in; user %q and password are right", at, user).
			WithHint("%s", clearKey)
	case wrongPassword(err):
		return errs.New(errs.Invalid, "the BMC %s refused the login of user %q: wrong user name or password", at, user).
			WithHint("try: ipmitool -I lanplus -H %s -p %d -U %s -a power status; then openstack baremetal node set --driver-info ipmi_password=…", i.host, i.port, user)
	case says(err, "status 0x01", "status 0x0b"):
		return errs.New(errs.Unavailable, "the BMC %s has no free session", at).WithHint("close other IPMI clients or reset the BMC")
	case says(err, "status 0x09", "status 0x0a", "SetSessionPrivilegeLevel"):
		return errs.New(errs.Invalid, "the BMC %s does not grant user %q the privilege level %v", at, user, i.priv).
			WithHint("set ipmi_priv_level=OPERATOR, or give the user more rights on the BMC")
	case refusedSuite(err):
		return errs.New(errs.Invalid, "the BMC %s speaks neither cipher suite 17 nor 3", at).WithHint("enable suite 17 on the BMC")
	case errors.Is(err, syscall.ECONNREFUSED):
		return errs.New(errs.Unavailable, "nothing listens at the BMC address %s (udp): the port is closed", at).
			WithHint("is the BMC or vBMC started, and is ipmi_port right? vbmc list; vbmc start <domain>")
	case says(err, "resolve addr failed", "no such host"):
		return errs.New(errs.Invalid, "the BMC address %q is not known to the name service", i.host).WithHint("correct ipmi_address, or use an IP address")
	case says(err, "network is unreachable", "no route to host"):
		return errs.New(errs.Unavailable, "there is no route to the BMC %s", at).WithHint("check the undercloud's addresses and routes")
	case silent(err):
		return errs.New(errs.Unavailable, "the BMC %s (user %q) gave no answer within %s", at, user, secs).
			WithHint("is it switched on and reachable from the undercloud (udp %d)? try: ipmitool -I lanplus -H %s -p %d -U %s -a power status", i.port, i.host, i.port, user)
	}
	return errs.Wrap(errs.Unavailable, err, "the BMC %s", at)
}

// bucket limits commands to one BMC: weak ones hang when they are hammered.
type bucket struct {
	mu     sync.Mutex
	tokens float64
	last   time.Time
	rate   float64 // per second
	burst  float64
	now    func() time.Time
}

func (b *bucket) wait(ctx context.Context) error {
	b.mu.Lock()
	t := b.now()
	b.tokens = min(b.burst, b.tokens+t.Sub(b.last).Seconds()*b.rate)
	b.last = t
	b.tokens--
	pause := time.Duration(-b.tokens / b.rate * float64(time.Second))
	b.mu.Unlock()
	if pause <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
