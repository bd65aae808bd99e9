package galera

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const statePath = "/state"

// Checker answers how a machine's server is: / with 200 where clients may be sent to
// it and with 503 and the reason otherwise, /state with all of State. It asks the server
// beside that, so that one that hangs holds up nobody who asks.
type Checker struct {
	Folders Folders
	// Status asks the server for its variables; an error is one that does not answer.
	Status func(ctx context.Context, socket string) (map[string]string, error)

	mu   sync.Mutex // guards what follows
	vars map[string]string
	why  error
	at   time.Time
}

// askEvery is the least time between two questions to the server, and askSeldom the
// most: who joins wants an answer of freshFor seconds at most. What lies on the disk is
// looked at each time, since the start of the others goes by it.
const askEvery, askSeldom = time.Second, 2 * time.Second

// pause is the time from an answer to the next question, where one takes so long. On a
// busy machine the questions would be what keeps it busy.
func pause(took time.Duration) time.Duration { return min(max(askEvery, 9*took), askSeldom) }

// tooOld is the age at which an answer counts for nothing.
const tooOld = 10 * time.Second

// Refresh asks the server until ctx ends.
func (c *Checker) Refresh(ctx context.Context) {
	for {
		began := time.Now()
		c.ask(ctx)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause(time.Since(began))):
		}
	}
}

func (c *Checker) ask(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	vars, err := c.Status(ctx, c.Folders.Socket())
	c.mu.Lock()
	defer c.mu.Unlock()
	c.vars, c.why, c.at = vars, err, time.Now()
}

// State is what there is to tell of the machine.
func (c *Checker) State() (State, error) {
	s, err := c.Folders.OnDisk()
	c.mu.Lock()
	defer c.mu.Unlock()
	age := time.Since(c.at)
	switch {
	case c.at.IsZero():
		s.Down = "it has not been asked yet"
		return s, err
	case c.why != nil:
		s.Down = c.why.Error()
	case age > tooOld:
		s.Down = fmt.Sprintf("nothing from it for %s", age.Round(time.Second))
	default:
		s = s.with(c.vars)
	}
	s.Age = age.Seconds()
	return s, err
}

// ServeHTTP implements http.Handler.
func (c *Checker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s, err := c.State()
	switch {
	case err != nil: // nobody may take it for a machine without data
		http.Error(w, err.Error(), http.StatusInternalServerError)
	case r.URL.Path == statePath:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(s)
	case s.Down != "":
		http.Error(w, "the database server does not answer: "+s.Down, http.StatusServiceUnavailable)
	case !s.Synced():
		http.Error(w, fmt.Sprintf("the database server is %q, of a majority: %t", s.Comment, s.Primary), http.StatusServiceUnavailable)
	default:
		fmt.Fprintln(w, "Synced")
	}
}

// Serve answers at the machine's address until ctx ends.
func (c *Checker) Serve(ctx context.Context, conf *Config) error {
	srv := &http.Server{Addr: net.JoinHostPort(conf.Address, strconv.Itoa(conf.Port)), Handler: c,
		ReadTimeout: askLimit, WriteTimeout: 2 * askLimit, IdleTimeout: time.Minute}
	stop := context.AfterFunc(ctx, func() { srv.Close() })
	defer stop()
	err := srv.ListenAndServe()
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("answer at %s: %w", srv.Addr, err)
}
