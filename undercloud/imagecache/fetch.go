package imagecache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic/conductor"
)

// FetchConfig of a Fetcher. Dir is required.
type FetchConfig struct {
	Dir   string              // made if missing; not served
	Guard *conductor.URLGuard // asked for each URL, and for each address behind names and redirects

	MaxSize  int64         // of one file, bytes; 0: 64 GiB
	Connect  time.Duration // to connect, and for TLS; 0: 10 s
	Answer   time.Duration // for the answer's headers; 0: 30 s
	Stall    time.Duration // for leastProgress bytes, or the last ones; 0: 60 s
	Attempts int           // until a server that breaks off is given up; 0: 4
	Pause    time.Duration // between attempts; 0: 2 s

	Free  func(dir string) (int64, error) // default asks the file system
	InUse func(path string) bool          // whether a machine boots a file; nil: none does. It may not call the Fetcher
	Log   *slog.Logger
}

// Fetcher implements conductor.Fetcher. A directory holds for each file {key}.file
// and, written last, {key}.json; {key}.part with {key}.part.json is one that was cut
// short, and goes on where it was if the server still has the same. What nobody asked
// for in keepUnused goes at the start and before a transfer. Safe for concurrent use.
type Fetcher struct {
	cfg  FetchConfig
	http *http.Client

	mu       sync.Mutex
	running  map[string]*fetching
	promised int64 // bytes that the transfers have still to write
}

var _ conductor.Fetcher = (*Fetcher)(nil)

// fetching is one transfer that several callers may wait for. It ends with the last of them.
type fetching struct {
	url    string
	done   chan struct{}
	cancel context.CancelFunc
	wait   int
	file   *conductor.Fetched
	err    error
}

// textLimit bounds a list of checksums, bytes.
const textLimit = 1 << 20

// NewFetcher makes the directory and clears what a crash left half.
func NewFetcher(cfg FetchConfig) (*Fetcher, error) {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&cfg.Connect, 10*time.Second)
	def(&cfg.Answer, 30*time.Second)
	def(&cfg.Stall, time.Minute)
	def(&cfg.Pause, 2*time.Second)
	if cfg.MaxSize == 0 {
		cfg.MaxSize = 64 << 30
	}
	if cfg.Attempts == 0 {
		cfg.Attempts = 4
	}
	if cfg.Free == nil {
		cfg.Free = free
	}
	if cfg.InUse == nil {
		cfg.InUse = func(string) bool { return false }
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of fetched files: %w", err)
	}
	left, err := filepath.Glob(filepath.Join(cfg.Dir, ".*"))
	if err != nil {
		return nil, fmt.Errorf("clean fetched files: %w", err)
	}
	for _, f := range left {
		if err := os.Remove(f); err != nil {
			return nil, fmt.Errorf("clean fetched files: %w", err)
		}
	}
	f := &Fetcher{cfg: cfg, http: client(cfg), running: map[string]*fetching{}}
	return f, f.sweep()
}

// client asks the guard about every address that it connects to, so that neither a
// name nor a redirect leads around it. Proxies would, and are not used.
func client(cfg FetchConfig) *http.Client {
	dialer := &net.Dialer{Timeout: cfg.Connect, Control: func(_, address string, _ syscall.RawConn) error {
		a, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("connect to %s: %w", address, err)
		}
		return cfg.Guard.CheckAddr(a)
	}}
	return &http.Client{
		Transport: &http.Transport{DialContext: dialer.DialContext, TLSHandshakeTimeout: cfg.Connect, ResponseHeaderTimeout: cfg.Answer,
			DisableCompression: true, MaxResponseHeaderBytes: 64 << 10, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			switch {
			case len(via) > 5:
				return errs.New(errs.Invalid, "the server redirects more than five times")
			case r.URL.Scheme == "http" && via[0].URL.Scheme == "https":
				return errs.New(errs.Invalid, "the server redirects from https to http")
			}
			return nil // where it leads is asked when it is connected to
		},
	}
}

// Fetch implements conductor.Fetcher.
func (f *Fetcher) Fetch(ctx context.Context, r conductor.Remote) (*conductor.Fetched, error) {
	if u, err := url.Parse(r.URL); err == nil && u.Scheme == "file" {
		return f.local(r, u.Path)
	}
	if err := f.cfg.Guard.Check(r.URL); err != nil {
		return nil, fmt.Errorf("%s: %w", r.What, err)
	}
	key := keyOf(r)
	for {
		k, gone := f.join(ctx, key, r)
		select {
		case <-k.done:
		case <-ctx.Done():
			f.leave(k, gone)
			return nil, fmt.Errorf("wait for %s to be fetched: %w", r.What, ctx.Err())
		}
		switch {
		case gone: // it ended because nobody waited, a moment before we came
		case k.err != nil && k.url != r.URL: // the same file from elsewhere; ours may have it
		case k.err != nil:
			return nil, errs.Wrap(errs.CodeOf(k.err), k.err, "fetch %s from %s", r.What, shown(r.URL))
		default:
			return k.file, nil
		}
	}
}

// join returns the transfer of the file, begun if there is none. gone: it is ending,
// and another one can begin when it has.
func (f *Fetcher) join(ctx context.Context, key string, r conductor.Remote) (k *fetching, gone bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	k, ok := f.running[key]
	if ok && k.wait == 0 {
		return k, true
	}
	if !ok {
		work, cancel := context.WithCancel(context.WithoutCancel(ctx))
		k = &fetching{url: r.URL, done: make(chan struct{}), cancel: cancel}
		f.running[key] = k
		go f.run(work, key, r, k)
	}
	k.wait++
	return k, false
}

// leave ends a transfer that nobody waits for any more: what it has is kept.
func (f *Fetcher) leave(k *fetching, gone bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if gone {
		return
	}
	if k.wait--; k.wait == 0 {
		k.cancel()
	}
}

func (f *Fetcher) run(ctx context.Context, key string, r conductor.Remote, k *fetching) {
	began := time.Now()
	var fresh bool
	k.file, fresh, k.err = f.get(ctx, key, r)
	if fresh && k.err == nil {
		f.cfg.Log.Info("file fetched", "what", r.What, "url", shown(r.URL), "size", k.file.Size, "took", time.Since(began).Round(time.Millisecond))
	}
	f.mu.Lock()
	delete(f.running, key)
	f.mu.Unlock()
	k.cancel()
	close(k.done)
}

// get returns what is there, or brings it. A file whose hash nobody knows is asked
// for again, and only sent if it has changed; while its server is silent, what is
// there is used.
func (f *Fetcher) get(ctx context.Context, key string, r conductor.Remote) (file *conductor.Fetched, fresh bool, err error) {
	have, ok := f.ready(key)
	if ok && r.Sum != "" {
		return f.answer(key, have), false, nil
	}
	var old *fetched
	if ok {
		old = &have
	}
	if err := f.sweep(); err != nil {
		f.cfg.Log.Warn("fetched files that nobody uses stay", "error", err)
	}
	m, err := f.bring(ctx, key, r, old)
	switch {
	case errors.Is(err, errSame):
		return f.answer(key, have), false, nil
	case ok && errs.Is(err, errs.Unavailable) && ctx.Err() == nil:
		f.cfg.Log.Warn("a file's server does not answer; what was fetched before is used", "what", r.What, "url", shown(r.URL), "error", err)
		return f.answer(key, have), false, nil
	case err != nil:
		return nil, false, err
	}
	return f.answer(key, m), true, nil
}

// bring tries until the file is whole.
func (f *Fetcher) bring(ctx context.Context, key string, r conductor.Remote, old *fetched) (fetched, error) {
	for try := 1; ; try++ {
		m, err := f.attempt(ctx, key, r, old)
		if err == nil || !errs.Is(err, errs.Unavailable) || try == f.cfg.Attempts {
			return m, err
		}
		f.cfg.Log.Warn("a transfer broke off", "what", r.What, "url", shown(r.URL), "attempt", try, "error", err)
		pause := time.NewTimer(f.cfg.Pause)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return m, ctx.Err()
		}
	}
}

// local looks at a file of this machine: it stays where it is.
func (f *Fetcher) local(r conductor.Remote, path string) (*conductor.Fetched, error) {
	path, err := f.cfg.Guard.File(r.What, path)
	if err != nil {
		return nil, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "%s cannot be read", r.What)
	}
	defer file.Close()
	d, err := newDigests(r.Algo)
	if err != nil {
		return nil, err
	}
	size, err := io.Copy(d, file)
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "%s cannot be read", r.What)
	}
	if err := d.compare(r); err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "%s, %s", r.What, path)
	}
	return &conductor.Fetched{Path: path, Size: size, SHA256: d.content()}, nil
}

// Text implements conductor.Fetcher: one MiB at most.
func (f *Fetcher) Text(ctx context.Context, what, from string) (string, error) {
	fail := func(err error) (string, error) {
		return "", errs.Wrap(errs.CodeOf(err), err, "read %s from %s", what, shown(from))
	}
	if err := f.cfg.Guard.Check(from); err != nil {
		return fail(err)
	}
	ctx, cancel := context.WithTimeout(ctx, f.cfg.Answer+f.cfg.Stall)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return fail(errs.New(errs.Invalid, "it is no URL"))
	}
	resp, err := f.do(req)
	if err != nil {
		return fail(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fail(statusError(resp))
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, textLimit+1))
	if err != nil {
		return fail(errs.Wrap(errs.Unavailable, err, "the answer broke off"))
	}
	if len(data) > textLimit {
		return fail(errs.New(errs.Invalid, "it is longer than %d KiB", textLimit>>10))
	}
	return string(data), nil
}

// do sends a request; errors are ours, without the URL.
func (f *Fetcher) do(req *http.Request) (*http.Response, error) {
	resp, err := f.http.Do(req)
	if err == nil {
		return resp, nil
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) { // names the URL with its query, which may sign for the download
		err = wrapped.Err
	}
	var own *errs.Error
	if errors.As(err, &own) { // the guard's
		return nil, own
	}
	return nil, errs.Wrap(errs.Unavailable, err, "the server does not answer")
}

// statusError tells an answer that is no file.
func statusError(resp *http.Response) error {
	switch code := resp.StatusCode; {
	case code >= 500, code == http.StatusTooManyRequests, code == http.StatusRequestTimeout:
		return errs.New(errs.Unavailable, "the server answers %s", resp.Status)
	default:
		return errs.New(errs.Invalid, "the server answers %s", resp.Status)
	}
}

// shown is a URL without what signs for a download.
func shown(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "(not a URL)"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}
