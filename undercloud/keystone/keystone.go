// Package keystone lets in whoever has a token of a Keystone that somebody else runs.
// It asks that Keystone about each token, as a user of its own (the service user), and
// puts an identity.Identity into the request's context, as the other ways of logging
// in do. An answer is remembered for a while; while Keystone cannot be asked nobody who
// is not remembered is let in.
//
// Source: Keystone's API v3 (GET /v3/auth/tokens) and what keystonemiddleware does with it.
package keystone

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"trefoil/internal/errs"
	"trefoil/undercloud/identity"
)

// MaxCacheTime is the longest that an answer may be remembered: for so long a token
// that was revoked is still good here. It is keystonemiddleware's default.
const MaxCacheTime = 300 * time.Second

const (
	refusedFor = 10 * time.Second // how long a refusal is remembered
	maxToken   = 8 << 10          // bytes; Fernet's have 300, signed ones 2000
	maxGood    = 10000            // remembered tokens
	maxBad     = 1000             // remembered refusals; strangers' do not push out the others
	maxAsking  = 1000             // tokens that are being asked about or wait for it
	maxOfOne   = 64               // of these for one address
	atOnce     = 16               // requests to Keystone at a time
)

// Validator asks Keystone who sent a request. It is safe for concurrent use.
type Validator struct {
	cfg     Config
	service *service
	key     []byte // tokens are remembered by a hash that only this process can make
	slots   chan struct{}

	mu      sync.Mutex
	good    *cache
	bad     *cache
	flights map[digest]*flight
	asking  map[string]int // flights by the address that began them
}

// flight is one question that may have several who wait for its answer.
type flight struct {
	done  chan struct{}
	token *token
	err   error
}

// New makes a Validator; Keystone is not asked yet. Errors are Invalid and name what
// is wrong with the configuration.
func New(cfg Config) (*Validator, error) {
	cfg = cfg.withDefaults()
	s, err := newService(cfg)
	if err != nil {
		return nil, err
	}
	v := &Validator{cfg: cfg, service: s, key: make([]byte, sha256.Size), slots: make(chan struct{}, atOnce),
		good: newCache(maxGood), bad: newCache(maxBad), flights: map[digest]*flight{}, asking: map[string]int{}}
	if _, err := rand.Read(v.key); err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	return v, nil
}

// Probe logs in to Keystone as the service user and writes to the log whether it could.
func (v *Validator) Probe(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, v.cfg.Timeout)
	defer cancel()
	if _, err := v.service.session(ctx, nil); err == nil {
		v.cfg.Log.Info("Keystone answers", "auth_url", v.cfg.AuthURL, "username", v.cfg.Username)
	}
}

// Middleware lets only requests through whose X-Auth-Token Keystone knows and which is
// for a project or the system. serviceType is the type that the service has in the
// catalog: application credentials with access rules name it.
func (v *Validator) Middleware(serviceType string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			t, err := v.check(r.Context(), r.Header.Get("X-Auth-Token"), host(r.RemoteAddr))
			if err == nil {
				err = t.admits(serviceType, r)
			}
			if err != nil {
				v.refuse(w, err)
				return
			}
			r = r.WithContext(identity.WithIdentity(r.Context(), t.who))
			r.Header = r.Header.Clone()
			r.Header.Del("X-Auth-Token") // nothing behind needs it
			next.ServeHTTP(w, r)
		})
	}
}

// Introspection is Middleware with the policies of ironic-inspector behind it: a reader
// for the whole system sees the state of inspections, all else is for its admin.
func (v *Validator) Introspection(serviceType string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return v.Middleware(serviceType)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			need := identity.RoleAdmin
			if path := strings.Trim(strings.TrimPrefix(r.URL.Path, "/v1/introspection"), "/"); isRead(r.Method) &&
				strings.HasPrefix(r.URL.Path, "/v1/introspection") && !strings.Contains(path, "/") {
				need = "reader"
			}
			if who := identity.Caller(r.Context()); !who.System || !slices.Contains(who.Roles, need) {
				v.refuse(w, errs.New(errs.Forbidden, "You are not authorized to perform the requested action: it needs the role %s for the whole system (--os-system-scope all).", need))
				return
			}
			next.ServeHTTP(w, r)
		}))
	}
}

func isRead(method string) bool { return method == http.MethodGet || method == http.MethodHead }

// refuse answers in keystonemiddleware's shape.
func (v *Validator) refuse(w http.ResponseWriter, err error) {
	code := errs.HTTPStatus(errs.CodeOf(err))
	if code == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Keystone uri="`+v.cfg.PublicURL+`"`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{ // the client is gone: nobody to tell
		"code": code, "title": http.StatusText(code), "message": err.Error()}})
}

func unauthorized() error {
	return errs.New(errs.Unauthorized, "The request you have made requires authentication.")
}

// away is what a client is told when Keystone cannot be asked; why is in the log.
func away() error {
	return errs.New(errs.Unavailable, "The Keystone service is temporarily unavailable: tokens cannot be checked, and nobody is let in unchecked. The log of this service has the reason.")
}

// check finds out what a token says. Its errors are Unauthorized or Unavailable.
func (v *Validator) check(ctx context.Context, text, address string) (*token, error) {
	if text == "" || len(text) > maxToken || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, unauthorized()
	}
	f := v.ask(ctx, text, address)
	select {
	case <-f.done:
		return f.token, f.err
	case <-ctx.Done():
		return nil, away()
	}
}

// ask answers from memory, joins a question under way, or begins one.
func (v *Validator) ask(ctx context.Context, text, address string) *flight {
	id := v.digest(text)
	v.mu.Lock()
	defer v.mu.Unlock()
	now := v.cfg.Now()
	if t, ok := v.good.get(id, now); ok {
		return landed(t, nil)
	}
	if _, ok := v.bad.get(id, now); ok {
		return landed(nil, unauthorized())
	}
	if f, ok := v.flights[id]; ok {
		return f
	}
	if len(v.flights) >= maxAsking || v.asking[address] >= maxOfOne { // strangers' guesses do not hold up the rest
		return landed(nil, errs.New(errs.Unavailable, "Too many tokens are being checked at the moment; try again later."))
	}
	f := &flight{done: make(chan struct{})}
	v.flights[id] = f
	v.asking[address]++
	// Who asked first may leave; the others still want to know.
	go v.fly(context.WithoutCancel(ctx), id, text, address, f)
	return f
}

// host is an address without its port.
func host(address string) string {
	if h, _, err := net.SplitHostPort(address); err == nil {
		return h
	}
	return address
}

func landed(t *token, err error) *flight {
	f := &flight{done: make(chan struct{}), token: t, err: err}
	close(f.done)
	return f
}

func (v *Validator) fly(ctx context.Context, id digest, text, address string, f *flight) {
	ctx, cancel := context.WithTimeout(ctx, v.cfg.Timeout)
	defer cancel()
	select {
	case v.slots <- struct{}{}:
		f.token, f.err = v.service.validate(ctx, text)
		<-v.slots
	case <-ctx.Done():
		v.service.warn("Keystone is too slow: tokens wait for their turn to be checked and are given up", ctx.Err())
		f.err = away()
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	now := v.cfg.Now()
	switch {
	case f.err == nil:
		until := now.Add(v.cfg.CacheTime)
		if f.token.expires.Before(until) {
			until = f.token.expires
		}
		v.good.put(id, f.token, now, until)
	case errs.Is(f.err, errs.Unauthorized):
		v.bad.put(id, nil, now, now.Add(refusedFor))
	}
	delete(v.flights, id)
	if v.asking[address]--; v.asking[address] <= 0 {
		delete(v.asking, address)
	}
	close(f.done)
}

func (v *Validator) digest(text string) digest {
	m := hmac.New(sha256.New, v.key)
	m.Write([]byte(text))
	return digest(m.Sum(nil))
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
