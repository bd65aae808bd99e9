package conductor_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"trefoil/ironic"
	"trefoil/ironic/conductor"
)

// safeBuffer is a log that several goroutines write.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestAPanicOfAJobSettlesTheNode(t *testing.T) {
	for name, always := range map[string]bool{"once": false, "while tidying up, too": true} {
		t.Run(name, func(t *testing.T) {
			var log safeBuffer
			w := newWorld(t, func(c *conductor.Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
			w.node("manageable")
			w.set(func(n *ironic.Node) { n.PowerState = ironic.PowerOn })
			panicked := false
			w.drv.Fail = func(_, action string) error {
				if strings.HasPrefix(action, "power off") && (always || !panicked) {
					panicked = true
					panic("the BMC's password is hunter2")
				}
				return nil
			}
			w.provision("clean", cleanSteps("erase_devices_metadata"))
			n := w.await("clean failed")
			if !panicked || !strings.Contains(n.LastError, "a mistake in this program ended job "+n.UUID+"/cleaning/") {
				t.Errorf("panicked %v, error %q", panicked, n.LastError)
			}
			if always != strings.Contains(n.LastError, "tidying up failed") {
				t.Errorf("error %q", n.LastError)
			}
			if !strings.Contains(log.String(), "panic_test.go") {
				t.Errorf("the log does not say where: %s", log.String())
			}
			if all := log.String() + n.LastError + w.history(); strings.Contains(all, "hunter2") {
				t.Errorf("a secret is shown: %s", all)
			}
			w.drv.Fail = nil
			w.provision("manage")
			w.await("manageable")
		})
	}
}
