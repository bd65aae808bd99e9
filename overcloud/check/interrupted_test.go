package check_test

import (
	"bytes"
	"context"
	"errors"
	"path"
	"strings"
	"testing"
	"time"

	"trefoil/overcloud/check"
)

// Ctrl-C at the first creation of every kind, and at other requests in turn: what was made until then is removed,
// also what the API is making just then, and only that.
func TestInterrupted(t *testing.T) {
	f, s := newFake(t)
	requests, kinds := 0, map[string]bool{}
	f.looked = func(request string) {
		requests++
		if creates(request) {
			kinds[path.Base(request)] = true
		}
	}
	run(t, f, s, quick(&bytes.Buffer{}))
	if len(kinds) < 11 {
		t.Errorf("it made only %v", kinds)
	}
	for kind := range kinds {
		interruptedAt(t, func(_ int, request string) bool { return creates(request) && path.Base(request) == kind })
	}
	for at := 1; at <= requests; at += 11 {
		interruptedAt(t, func(n int, _ string) bool { return n == at })
	}
}

// creates tells whether a request makes something.
func creates(request string) bool {
	return strings.HasPrefix(request, "POST ") && path.Base(request) != "action" && path.Base(request) != "tokens" || path.Base(request) == "add_router_interface"
}

// interruptedAt does a check with Ctrl-C at the first of its requests that is chosen.
func interruptedAt(t *testing.T, chosen func(n int, request string) bool) {
	t.Helper()
	f, s := newFake(t)
	f.rows["networks"] = []row{{"id": "mine", "name": "check-my-mail", "subnets": []string{}}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n, was := 0, ""
	f.looked = func(request string) {
		if n++; was == "" && chosen(n, request) {
			was = request
			cancel()
			if creates(request) {
				time.Sleep(lateness)
			}
		}
	}
	o := quick(&bytes.Buffer{})
	o.Get = f.get
	k, err := check.New(s, o)
	if err != nil {
		t.Fatal(err)
	}
	r, err := k.Run(ctx)
	f.busy.Wait()
	if !errors.Is(err, context.Canceled) && r.NotTested+r.Failed == 0 { // the last requests are the removal's
		return
	}
	if left := f.left(); len(left) != 1 || left[0] != "networks check-my-mail<nil>" {
		t.Errorf("after %s, left: %s\n%s", was, strings.Join(left, "; "), results(r))
	}
}

// A creation without an answer may come about later: the removal looks a second time.
func TestWhatIsMadeWithoutAnAnswerIsRemoved(t *testing.T) {
	for _, late := range []string{"POST images", "POST flavors", "POST servers", "POST routers", "POST ports", "POST floatingips", "POST volumes"} {
		f, s := newFake(t)
		f.late = late
		r := run(t, f, s, quick(&bytes.Buffer{}))
		f.busy.Wait()
		if got := step(t, r, "removal"); r.Failed != 1 || got.Result != check.OK {
			t.Errorf("%s: %s", late, results(r))
		}
		f.nothingLeft(t)
	}
}

// A check that was killed cannot remove anything: the next one does, and says so.
func TestLeftoversOfAKilledCheck(t *testing.T) {
	f, s := newFake(t)
	o := quick(&bytes.Buffer{})
	o.Keep = true
	run(t, f, s, o)
	if len(f.left()) < 15 {
		t.Fatalf("kept only %s", strings.Join(f.left(), "; "))
	}
	o.Keep = false
	r := run(t, f, s, o)
	if got := r.Steps[0]; got.Name != "leftovers of earlier checks" || got.Result != check.OK || got.Detail != "16 removed" {
		t.Errorf("%+v", got)
	}
	f.nothingLeft(t)
}
