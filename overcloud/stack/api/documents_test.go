package api

import (
	"context"
	"errors"
	"testing"
	"time"

	"trefoil/overcloud/stack"
)

// slowDocuments waits for the stack "slow" until it is let go, and fails for "broken".
type slowDocuments struct {
	Documents
	begun, let chan struct{}
	made       int
}

func (d *slowDocuments) Describe(_ context.Context, s *stack.Stack) (*stack.Description, error) {
	switch s.ID {
	case "slow":
		close(d.begun)
		<-d.let
	case "broken":
		d.made++
		return nil, errors.New("no space left on device")
	}
	return &stack.Description{}, nil
}

func TestStacksDoNotWaitForOneAnother(t *testing.T) {
	d := &slowDocuments{begun: make(chan struct{}), let: make(chan struct{})}
	c := newDescriptions(d, func(context.Context, string) bool { return false })
	done := make(chan error, 1)
	go func() {
		_, err := c.get(context.Background(), &stack.Stack{ID: "slow"})
		done <- err
	}()
	<-d.begun
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := c.get(ctx, &stack.Stack{ID: "quick"}); err != nil {
		t.Error("another stack waits:", err)
	}
	short, cancelShort := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancelShort()
	if _, err := c.get(short, &stack.Stack{ID: "slow"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Error("who does not want to wait any more does:", err)
	}
	close(d.let)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestErrorsPassAndDeletedStacksGo(t *testing.T) {
	d := &slowDocuments{}
	gone := map[string]bool{}
	c := newDescriptions(d, func(_ context.Context, id string) bool { return gone[id] })
	now := time.Unix(0, 0)
	c.now = func() time.Time { return now }
	for range 3 {
		if _, err := c.get(t.Context(), &stack.Stack{ID: "broken"}); err == nil {
			t.Error("no error")
		}
	}
	if d.made != 1 {
		t.Errorf("tried %d times at once", d.made)
	}
	now = now.Add(retryAfter)
	if _, _ = c.get(t.Context(), &stack.Stack{ID: "broken"}); d.made != 2 {
		t.Error("never tried again")
	}
	gone["broken"] = true
	if _, err := c.get(t.Context(), &stack.Stack{ID: "new"}); err != nil || len(c.made) != 1 {
		t.Errorf("%d kept, %v", len(c.made), err)
	}
}
