package durable

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"trefoil/undercloud/jobs"
)

// Jobs that ended are removed while the service runs, however many there are; those at work go on.
func TestOldJobsGoWhileItRuns(t *testing.T) {
	d := New(Config{Path: filepath.Join(t.TempDir(), "jobs.db"), Keep: time.Nanosecond, Tidy: time.Millisecond})
	goOn := make(chan struct{})
	d.Register("short", func(jobs.Run, json.RawMessage) error { return nil })
	d.Register("long", func(r jobs.Run, _ json.RawMessage) error {
		for _, step := range []string{"before", "behind"} {
			if _, err := jobs.Do(r, step, func(ctx context.Context) (int, error) {
				select {
				case <-goOn:
				case <-ctx.Done():
				}
				return 0, ctx.Err()
			}); err != nil {
				return err
			}
		}
		return nil
	})
	if err := d.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, d) })
	if err := d.Enqueue(t.Context(), "long", "at-work", nil); err != nil {
		t.Fatal(err)
	}
	for i := range tidyBatch + 5 {
		if err := d.Enqueue(t.Context(), "short", fmt.Sprint("short-", i), nil); err != nil {
			t.Fatal(err)
		}
	}
	left := func(kind string) int {
		all, err := d.List(t.Context(), kind)
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	for deadline := time.Now().Add(2 * time.Minute); left("short") > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d jobs that ended are still kept", left("short"))
		}
	}
	if s, err := d.Status(t.Context(), "at-work"); err != nil || s.State != jobs.Running {
		t.Fatalf("the job at work: %+v %v", s, err)
	}
	close(goOn)
	for deadline := time.Now().Add(2 * time.Minute); left("long") > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the job at work did not end, or was kept")
		}
	}
}
