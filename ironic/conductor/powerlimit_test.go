package conductor

import (
	"testing"
	"time"

	"trefoil/ironic"
)

// What was asked for counts only where it is less than what the service gives, and than what is left of the wait.
func TestAPowerActionOfAWaitHasNoLimitOfItsOwn(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		asked      int
		left, want time.Duration
	}{
		{0, time.Hour, time.Minute},
		{5, time.Hour, 5 * time.Second},
		{1<<31 - 1, time.Hour, time.Minute},
		{1<<31 - 1, 20 * time.Second, 20 * time.Second},
	} {
		tk := &task{Conductor: &Conductor{Config: Config{PowerTimeout: time.Minute, Now: func() time.Time { return now }}},
			node: &ironic.Node{DriverInternalInfo: map[string]any{keyTimeout: c.asked}}}
		if got := tk.waitingLimit(now.Add(c.left)); got != c.want {
			t.Errorf("asked for %d s, %s left: %s, want %s", c.asked, c.left, got, c.want)
		}
	}
}
