// Package apply makes one step of a node's configuration so: the engine of
// os-apply-config. Resources are taken in order, each is looked at first and
// changed only when it is not as wanted. What was done is recorded, so that the
// same step asked for again costs one look, and a run that was killed is
// finished by the next one, restarts that were still due included.
package apply

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode"

	"trefoil/internal/dpkg"
	"trefoil/internal/errs"
	"trefoil/overcloud/resource"
)

// Engine applies documents. One run at a time on a machine: a second one waits.
type Engine struct {
	Root   string // "/" in earnest
	System System
	Now    func() time.Time
	Emit   func(resource.Event) // called from one goroutine, in order
	Poll   time.Duration        // between two looks of a Wait; default 300 ms

	LockWait time.Duration // how long to wait for another run; 0 is not at all

	// Deaf is closed when nobody hears what is emitted: what is being changed is changed to
	// the end, and nothing is waited for any more; nil: somebody always does.
	Deaf <-chan struct{}
}

// Failure is the error of a resource that could not be made so. It has been
// emitted as an event already.
type Failure struct {
	Key  string
	Err  error
	Tail []string
}

func (f *Failure) Error() string { return f.Key + ": " + f.Err.Error() }

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }

// step is one run over one document, as one of its services sees it.
type step struct {
	*Engine
	*shared
	doc   *resource.Document
	began time.Time
	last  time.Time // when the service's event before was emitted
	hide  mask
	own   []resource.Resource // of the service
}

// shared is what the services of a step have in common. Whoever looks at it, or
// emits, has the turn.
type shared struct {
	turn    sync.Mutex
	past    journal // what was done in this step, runs that were cut short included
	count   int     // changed by this run
	units   map[string]unitState
	started map[string]bool // units by their full names, by this run
	dirty   bool            // unit files changed: systemd must read them again
	cause   error           // the first failure
	abandon func()          // ends what only waits
	dpkg    *dpkg.Installed // nil: not read yet
}

// Apply makes the document so. It returns the number of changed resources. A
// *Failure names the resource that failed; those after it were not tried.
func (e *Engine) Apply(ctx context.Context, doc *resource.Document) (int, error) {
	unlock, err := e.lock(ctx, doc.Step)
	if err != nil {
		return 0, err
	}
	defer unlock()
	before := e.usage()
	s := &step{Engine: e, shared: &shared{started: map[string]bool{}}, doc: doc, began: e.Now(), last: e.Now(), hide: newMask(doc), own: doc.Resources}
	sum := resource.Sum(doc.Resources)
	same, err := s.asRecorded(ctx, sum)
	if err != nil {
		return 0, err
	}
	if same {
		for _, r := range doc.Resources {
			s.emit("unchanged", r.Key())
		}
		s.done(nil)
		return 0, nil
	}
	s.begun(before)
	if s.past, err = e.readPending(doc.Step); err != nil {
		return 0, err
	}
	// A killed run may have written unit files that systemd has not read.
	for _, key := range s.past {
		s.dirty = s.dirty || unitFile(key)
	}
	if err := s.all(ctx); err != nil {
		return s.count, err
	}
	if err := s.stay(ctx); err != nil {
		return s.count, err
	}
	if err := e.record(doc, sum, s.count); err != nil {
		return s.count, s.fail("file:/"+stateDir, err, nil)
	}
	s.done(e.usage())
	return s.count, nil
}

// asRecorded tells whether the same resources were applied completely before
// and what can be verified cheaply still holds.
func (s *step) asRecorded(ctx context.Context, sum string) (bool, error) {
	if !s.recorded(sum) {
		return false, nil
	}
	if err := s.loadUnits(ctx); err != nil {
		return false, err
	}
	return s.holds()
}

// recorded tells whether a run over the same resources came to its end, and none was
// begun since.
func (s *step) recorded(sum string) bool {
	rec, ok := s.Recorded(s.doc.Step)
	return ok && rec.Sum == sum && !s.Pending(s.doc.Step)
}

// holds looks at what can be seen without a process; the units must be loaded.
func (s *step) holds() (bool, error) {
	for _, r := range s.doc.Resources {
		h, err := s.handler(r)
		if err != nil {
			return false, err
		}
		if h.cheap == nil {
			continue
		}
		if ok, err := h.cheap(); err != nil || !ok {
			return false, nil // the full run finds it again, and says what it is
		}
	}
	return true, nil
}

// handler is how one resource is looked at and made so.
type handler struct {
	// cheap looks without starting a process; nil where that cannot be done.
	cheap func() (bool, error)
	// ok looks; nil means use cheap.
	ok func(context.Context) (bool, error)
	// set makes it so.
	set func(context.Context) error
	// slow resources are announced before they begin.
	slow bool
}

func (s *step) handler(r resource.Resource) (handler, error) {
	switch {
	case r.File != nil:
		return s.file(r), nil
	case r.Directory != nil:
		return s.directory(r.Directory), nil
	case r.Link != nil:
		return s.link(r.Link), nil
	case r.Sysctl != nil:
		return s.sysctl(r.Sysctl), nil
	case r.KernelModule != nil:
		return s.module(r.KernelModule), nil
	case r.Unit != nil:
		return s.unit(r.Unit), nil
	case r.KeystoneBootstrap != nil:
		return s.keystone(r.KeystoneBootstrap), nil
	case r.OVSBridge != nil:
		return s.ovsBridge(r.OVSBridge), nil
	case r.OVSPort != nil:
		return s.ovsPort(r.OVSPort), nil
	case r.Exec != nil:
		return s.exec(r.Exec), nil
	case r.Wait != nil:
		return s.wait(r.Wait), nil
	case r.Disks != nil:
		return s.disks(r.Disks), nil
	case r.Packages != nil:
		return s.packages(r), nil
	case r.NetworkConfig != nil:
		return s.network(r.NetworkConfig), nil
	case r.CephMon != nil, r.CephOSD != nil, r.CephCluster != nil, r.CephHealth != nil:
		return s.ceph(r), nil
	case r.LibvirtSecret != nil:
		return s.libvirtSecret(r.LibvirtSecret), nil
	case r.Probe != nil:
		return passedOver(), nil
	case r.MySQLDatabase != nil, r.MySQLUser != nil:
		return handler{}, nil // in batches, by mysql
	}
	return handler{}, errs.New(errs.Invalid, "resource %s holds nothing", r.Key())
}

func (s *step) one(ctx context.Context, r resource.Resource) error {
	key := r.Key()
	if err := ctx.Err(); err != nil {
		return s.fail(key, err, nil)
	}
	h, err := s.handler(r)
	if err != nil {
		return s.fail(key, err, nil)
	}
	if h.slow {
		s.emit("start", key)
	}
	look := h.ok
	if look == nil {
		look = func(context.Context) (bool, error) { return h.cheap() }
	}
	ok, err := look(ctx)
	if err == nil && ok {
		s.emit("unchanged", key)
		return nil
	}
	if err == nil {
		err = s.changing(key)
	}
	if err == nil {
		err = h.set(ctx)
	}
	if err != nil {
		var f *Failure
		if errors.As(err, &f) {
			return s.fail(key, f.Err, f.Tail)
		}
		return s.fail(key, err, nil)
	}
	s.count++
	s.emit("changed", key)
	return nil
}

func (s *step) emit(event, key string) {
	now := s.Now()
	s.Emit(resource.Event{Event: event, Key: key, Step: s.doc.Step, MS: now.Sub(s.last).Milliseconds()})
	if event != "waiting" && event != "start" {
		s.last = now
	}
}

// waiting tells that a resource is still waited for, and for what.
func (s *step) waiting(key string, missing error) {
	s.Emit(resource.Event{Event: "waiting", Key: key, Step: s.doc.Step, MS: s.Now().Sub(s.last).Milliseconds(),
		Missing: s.hide.line(missing.Error()), Usage: s.usage()})
}

// tell says something of a resource that a person is to know, and that is no failure.
func (s *step) tell(key, text string) {
	s.Emit(resource.Event{Event: "told", Key: key, Step: s.doc.Step, MS: s.Now().Sub(s.last).Milliseconds(), Told: s.hide.line(text)})
}

// begun tells what the machine had used when it turned to the step. One that is as it was
// recorded is not begun: looking at it is no part of what the step costs.
func (s *step) begun(before *resource.Usage) {
	if before != nil {
		s.Emit(resource.Event{Event: "begun", Step: s.doc.Step, Usage: before})
	}
}

func (s *step) done(after *resource.Usage) {
	s.Emit(resource.Event{Event: "done", Step: s.doc.Step, MS: s.Now().Sub(s.began).Milliseconds(), Changed: s.count, Usage: after})
}

func (s *step) fail(key string, err error, tail []string) error {
	if s.cause != nil { // abandoned because of another's failure, which has been told
		return s.cause
	}
	hidden := s.hide.tail(tail)
	err = explain(err, tail)
	hint := errs.HintOf(err)
	if hint == "" && errors.Is(err, context.Canceled) {
		hint = "the run was stopped, or nobody heard it any more; run the same step again to go on"
	}
	err = errors.New(s.hide.line(err.Error()))
	s.Emit(resource.Event{Event: "failed", Key: key, Step: s.doc.Step, MS: s.Now().Sub(s.last).Milliseconds(),
		Error: err.Error(), Hint: s.hide.line(hint), Tail: hidden, Usage: s.usage()})
	s.cause = &Failure{Key: key, Err: err, Tail: hidden}
	if s.abandon != nil {
		s.abandon()
	}
	return s.cause
}

// withTail joins an error and the log lines that explain it.
func withTail(err error, text string) error {
	return &Failure{Err: err, Tail: tailLines(text)}
}

// tailLines are the last lines that say something, whole: mask.tail shortens them. What
// a program repeats, but for times and numbers, is there once: a queue that is full all
// the time would push out why.
func tailLines(text string) []string {
	var out []string
	shape, times := "", 1
	told := func() {
		if times > 1 {
			out[len(out)-1] += fmt.Sprintf(" (the last of %d such lines)", times)
		}
	}
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, "\r\n \t"); line == "" {
			continue
		}
		now := strings.Map(withoutDigits, line)
		if len(out) > 0 && now == shape {
			out[len(out)-1] = line
			times++
			continue
		}
		told()
		out, shape, times = append(out, line), now, 1
	}
	told()
	return out[max(0, len(out)-15):]
}

func withoutDigits(r rune) rune {
	if unicode.IsDigit(r) {
		return -1
	}
	return r
}

// systemctlTries is how often a manager that is too busy to answer in D-Bus's 25
// seconds is asked again: many services that start at once make it so.
const systemctlTries = 6

// systemctlLimit is longer than any unit takes to stop: Debian gives a database 15 minutes.
const systemctlLimit = 20 * time.Minute

func (s *step) systemctl(ctx context.Context, args ...string) (string, error) {
	for try := 1; ; try++ {
		out, err := s.System.Run(ctx, Command{Args: append([]string{"systemctl"}, args...), Timeout: systemctlLimit})
		var ended *RunError
		if errors.As(err, &ended) && strings.Contains(ended.Output, "Connection timed out") && try < systemctlTries {
			continue
		}
		if err != nil {
			return out, fmt.Errorf("systemctl %s: %w", strings.Join(args, " "), err)
		}
		return out, nil
	}
}
