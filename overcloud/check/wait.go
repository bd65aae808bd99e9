package check

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"trefoil/internal/errs"
)

// tellEvery is how often a wait says that it still waits.
const tellEvery = 30 * time.Second

// wait looks until look is done, at most limit. what completes "waiting for …";
// look says how things stand. A service that is away for a moment is asked again.
func (k *Check) wait(ctx context.Context, what string, limit time.Duration, look func(context.Context) (done bool, state string, err error)) error {
	began := time.Now()
	told := began
	for {
		looked := time.Now()
		done, state, err := look(ctx)
		pause := k.Poll + 4*time.Since(looked) // a look is work for the cloud: a fifth of the time at most
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && !errs.Is(err, errs.Unavailable):
			return err
		case err != nil:
			state = err.Error()
		case done:
			return nil
		}
		took := time.Since(began)
		if took > limit {
			return errs.New(errs.Unavailable, "waited %s for %s, in vain: %s", limit, what, state)
		}
		if time.Since(told) >= tellEvery {
			told = time.Now()
			fmt.Fprintf(k.Waiting, "waiting for %s: %s (%.0f s of at most %.0f)\n", what, errs.Printable(state), took.Seconds(), limit.Seconds())
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// listed reads a list that comes in one answer.
func listed[T any](ctx context.Context, c *gophercloud.ServiceClient, path, key string) ([]T, error) {
	var answer map[string]json.RawMessage
	if _, err := c.Get(ctx, c.ServiceURL(path), &answer, nil); err != nil {
		return nil, fmt.Errorf("list %s: %w", key, explain(err))
	}
	var rows []T
	if err := json.Unmarshal(answer[key], &rows); err != nil {
		return nil, errs.Wrap(errs.Internal, err, "list %s: the answer of %s is no list", key, c.Endpoint)
	}
	return rows, nil
}
