package identity

import (
	"encoding/json"
	"sync"
	"time"
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
	list := l.log[who]
	if len(list) < maxFailures {
		return 0
	}
	wait := failureWindow - l.now().Sub(list[len(list)-maxFailures])
	return max(wait, 0)
}

func (l *limiter) failed(who string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.log) > maxWatched {
		clear(l.log)
	}
	list := append(l.log[who], l.now())
	l.log[who] = list[max(0, len(list)-maxFailures):]
}

func (l *limiter) forget(who string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.log, who)
}
