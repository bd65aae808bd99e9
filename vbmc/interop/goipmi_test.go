//go:build e2e

package interop

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bougou/go-ipmi/pkg/client"
	"github.com/bougou/go-ipmi/pkg/command/chassis"
	"github.com/bougou/go-ipmi/pkg/command/transport"
	"github.com/bougou/go-ipmi/pkg/types"
)

// call is what go-ipmi's client is asked, and how its answer must look in Go's words.
type call struct {
	name string // with "until" it is asked again until its value comes
	do   func(context.Context, *client.Client) (string, error)
	want string // as in row; of a refusal it is the error
}

// said is an answer in Go's words.
func said[T any](answer T, err error) (string, error) { return fmt.Sprintf("%+v", answer), err }

// goipmi logs in; done logs out.
func (b bed) goipmi(t *testing.T, suite int) (c *client.Client, done func()) {
	t.Helper()
	host := b.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	c, err := client.NewClient(host, b.port, "admin", "secret")
	if err != nil {
		t.Fatal(err)
	}
	c.WithCipherSuiteID(types.CipherSuiteID(suite)).WithMaxPrivilegeLevel(types.PrivilegeLevelAdministrator).WithTimeout(5 * time.Second)
	if err := c.Connect(t.Context()); err != nil {
		t.Fatalf("go-ipmi logs in with suite %d: %v", suite, err)
	}
	return c, func() {
		if err := c.Close(t.Context()); err != nil {
			t.Errorf("go-ipmi logs out: %v", err)
		}
	}
}

// goipmiSuites are those that go-ipmi 0.9.1 can speak. Of the others it exchanges the keys,
// and then marks each packet as signed and encrypted, whatever was negotiated
// (pkg/client/session_v20.go, genSession20): with 2, 7 and 16 what it calls encrypted is
// plain, with 1, 6 and 15 what it calls signed has no code either. A BMC takes no such packet:
// its Set Session Privilege Level waits in vain with each of the six.
func goipmiSuites() []int { return []int{3, 8, 17} }

// goipmiSuite logs in with a cipher suite and looks at the power.
func goipmiSuite(t *testing.T, b bed, suite int, on bool) {
	t.Helper()
	c, done := b.goipmi(t, suite)
	defer done()
	s, err := c.GetChassisStatus(t.Context())
	if err != nil || s.PowerIsOn != on {
		t.Errorf("go-ipmi with suite %d: %+v, %v; want power on: %v", suite, s, err, on)
	}
}

// goipmiTable is all that go-ipmi's client is asked on one BMC, in this order and in one session.
func goipmiTable(t *testing.T, b bed) {
	t.Helper()
	c, done := b.goipmi(t, 17)
	defer done()
	for _, calls := range [][]call{goipmiManagement(), goipmiPayloads(), goipmiPower(), goipmiSensors(), goipmiRecords(), goipmiBoot()} {
		for _, r := range calls {
			name, again := strings.CutPrefix(r.name, "until ")
			want, began := b.pattern(r.want), time.Now()
			text := answer(t, c, r)
			for again && !want.MatchString(text) && time.Since(began) < clientLimit {
				text = answer(t, c, r)
			}
			t.Logf("%4d ms %s", time.Since(began).Milliseconds(), name)
			if !want.MatchString(text) {
				t.Errorf("%s: %s, want %q", name, text, want)
			}
		}
	}
	if b.values["SOFT"] == "on" { // a guest that echoes
		goipmiSOL(t, c)
	}
	if _, err := c.ChassisControl(t.Context(), chassis.ChassisControlPowerDown); err != nil {
		t.Error(err)
	}
}

func answer(t *testing.T, c *client.Client, r call) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), clientLimit)
	defer cancel()
	text, err := r.do(ctx, c)
	if err != nil {
		return "error: " + err.Error()
	}
	return text
}

// echo keeps what a guest prints until it has printed something.
type echo struct {
	mu   sync.Mutex
	text bytes.Buffer
	want string
	seen chan struct{}
}

func (e *echo) Write(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	had := strings.Contains(e.text.String(), e.want)
	e.text.Write(p)
	if !had && strings.Contains(e.text.String(), e.want) {
		close(e.seen)
	}
	return len(p), nil
}

// goipmiSOL types a key and sees the guest's echo.
func goipmiSOL(t *testing.T, c *client.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), clientLimit)
	defer cancel()
	out := &echo{want: "<g>", seen: make(chan struct{})}
	for {
		ended := goipmiConsole(ctx, t, c, out)
		switch {
		case ended == nil:
			return
		case ctx.Err() != nil:
			t.Errorf("go-ipmi's SOL shows no echo: %v", ended)
			return
		}
		t.Logf("go-ipmi's SOL ended, and is begun again: %v", ended)
	}
}

// goipmiConsole has the console until the echo was seen, or go-ipmi ends it: a key that nobody
// takes at once, as of a guest that has just been started, it sends three times and no more.
func goipmiConsole(ctx context.Context, t *testing.T, c *client.Client, out *echo) error {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if _, err := c.ActivatePayload(ctx, &transport.ActivatePayloadRequest{
		PayloadType: types.PayloadTypeSOL, PayloadInstance: 1, EnableEncryption: true, EnableAuthentication: true,
	}); err != nil {
		t.Fatalf("go-ipmi activates SOL: %v", err)
	}
	in, keys := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- c.SOLStream(ctx, in, out, nil) }()
	go func() { // the guest may be booting still, and not hear the first
		again := time.NewTicker(time.Second)
		defer again.Stop()
		for {
			if _, err := keys.Write([]byte("g")); err != nil {
				return
			}
			select {
			case <-again.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	var ended error
	select {
	case <-out.seen:
	case ended = <-done:
	case <-ctx.Done():
		ended = ctx.Err()
	}
	keys.Close()
	cancel()
	if _, err := c.DeactivatePayload(t.Context(), &transport.DeactivatePayloadRequest{PayloadType: types.PayloadTypeSOL, PayloadInstance: 1}); err != nil {
		t.Errorf("go-ipmi deactivates SOL: %v", err)
	}
	return ended
}
