package identity

import (
	"encoding/json"
	"sync"
	"time"

	"trefoil/internal/errs"
)

// scope is what a token is asked for: an object, or the word "unscoped".
type scope struct {
	Project *struct {
		ID     string     `json:"id"`
		Name   string     `json:"name"`
		Domain *domainArg `json:"domain"`
	} `json:"project"`
	Domain *domainArg     `json:"domain"`
	System map[string]any `json:"system"`

	unscoped bool // asked for in so many words
}

// UnmarshalJSON accepts the string form, too.
func (s *scope) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		*s = scope{unscoped: true}
		return nil
	}
	type plain scope
	return json.Unmarshal(data, (*plain)(s))
}

// limiter slows down whoever guesses passwords: five failures in a minute close
// the door for a minute to that user from that address.
type limiter struct {
	now func() time.Time
	mu  sync.Mutex
	log map[string][]time.Time
}

const (
	maxFailures   = 5
	failureWindow = time.Minute
	maxWatched    = 10000 // memory bound: forget all rather than grow
)

func newLimiter(now func() time.Time) *limiter {
	return &limiter{now: now, log: map[string][]time.Time{}}
}

// blocked returns how long the caller must wait, zero when it need not.
func (l *limiter) blocked(who string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.wait(who)
}

// wait is blocked for whoever has the lock.
func (l *limiter) wait(who string) time.Duration {
	list := l.log[who]
	if len(list) < maxFailures {
		return 0
	}
	wait := failureWindow - l.now().Sub(list[len(list)-maxFailures])
	return max(wait, 0)
}

// judge takes the outcome of an attempt: a wrong password is counted, a right one forgets those before.
// Attempts side by side are all let in before the first is found wrong; where the door was closed
// meanwhile judge returns how long to wait, and the caller must not tell what the password was.
func (l *limiter) judge(who string, right bool) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if wait := l.wait(who); wait > 0 {
		return wait
	}
	if right {
		delete(l.log, who)
		return 0
	}
	if len(l.log) > maxWatched {
		clear(l.log)
	}
	list := append(l.log[who], l.now())
	l.log[who] = list[max(0, len(list)-maxFailures):]
	return 0
}

// tooMany is the answer to whoever must wait.
func tooMany(wait time.Duration) error {
	return errs.New(errs.Unauthorized, "Too many failed logins from this address; try again in %d seconds.", int(wait.Seconds())+1)
}
