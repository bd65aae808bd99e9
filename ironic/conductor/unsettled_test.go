package conductor_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"trefoil/ironic"
	"trefoil/ironic/conductor"
)

// fullStore is a store whose disk is full when somebody says so: a change is made, and is not there afterwards.
type fullStore struct {
	ironic.Store
	mu      sync.Mutex
	full    bool
	refused chan struct{} // closed when it refuses to let a node rest
	once    sync.Once
}

func (s *fullStore) set(full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.full = full
}

func (s *fullStore) UpdateNode(ctx context.Context, ident string, change func(*ironic.Node) error) (*ironic.Node, error) {
	s.mu.Lock()
	full := s.full
	s.mu.Unlock()
	if !full {
		return s.Store.UpdateNode(ctx, ident, change)
	}
	return s.Store.UpdateNode(ctx, ident, func(n *ironic.Node) error {
		if err := change(n); err != nil {
			return err
		}
		if n.ProvisionState == "clean failed" {
			s.once.Do(func() { close(s.refused) })
		}
		return errors.New("database or disk is full")
	})
}

// A job that fails while nothing can be written down goes on until its node rests: once it were over,
// nobody would come back to the node, and a start after the job is forgotten would begin it anew.
func TestAJobIsNotOverBeforeItsNodeRests(t *testing.T) {
	for _, restarted := range []bool{false, true} {
		t.Run(map[bool]string{false: "there is room again", true: "there is room again at the next start"}[restarted], func(t *testing.T) {
			var log strings.Builder // of this conductor and, once it has stopped, of the next
			store := &fullStore{refused: make(chan struct{})}
			w := newWorld(t, func(c *conductor.Config) {
				store.Store = c.Store
				c.Store, c.Log = store, slog.New(slog.NewTextHandler(&log, nil))
			})
			w.node("manageable")
			var once sync.Once
			w.drv.Fail = func(_, action string) error {
				if strings.HasPrefix(action, "power off") {
					once.Do(func() { store.set(true) })
					return errors.New("the BMC is on fire")
				}
				return nil
			}
			w.provision("clean", cleanSteps("erase_devices_metadata"))
			select {
			case <-store.refused:
			case <-time.After(awaitLimit):
				t.Fatal("the failure was never written down")
			}
			if restarted {
				w.stop()
			}
			store.set(false)
			if restarted {
				w.start()
			}
			if n := w.await("clean failed"); !strings.Contains(n.LastError, "the BMC is on fire") {
				t.Errorf("error %q", n.LastError)
			}
			w.stop()
			if n := strings.Count(log.String(), `state="clean failed"`); n != 1 {
				t.Errorf("the change of state is told %d times in\n%s", n, log.String())
			}
		})
	}
}
