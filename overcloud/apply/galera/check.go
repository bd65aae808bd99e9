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
// it and with 503 and the reason otherwise, /state with all of State.
type Checker struct {
	Folders Folders
	// Status asks the server for its variables; an error is one that does not answer.
	Status func(ctx context.Context, socket string) (map[string]string, error)

	mu   sync.Mutex // guards what follows, and one question at a time
	vars map[string]string
	why  error
	at   time.Time
}

// freshFor is how long the server's answer is given again: every HAProxy asks. What
// lies on the disk is looked at each time, since the start of the others goes by it.
const freshFor = time.Second

// state is what there is to tell.
func (c *Checker) state(ctx context.Context) (State, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.at) >= freshFor {
		c.vars, c.why = c.Status(ctx, c.Folders.socket())
		c.at = time.Now()
	}
	s, err := c.Folders.OnDisk()
	s.Primary = c.vars["wsrep_cluster_status"] == "Primary" && c.vars["wsrep_ready"] == "ON"
	s.Comment = c.vars["wsrep_local_state_comment"]
	if err == nil {
		err = c.why
	}
	return s, err
}

// ServeHTTP implements http.Handler.
func (c *Checker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), askLimit)
	defer cancel()
	s, err := c.state(ctx)
	switch {
	case r.URL.Path == statePath:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(s)
	case err != nil:
		http.Error(w, "the database server does not answer: "+err.Error(), http.StatusServiceUnavailable)
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
