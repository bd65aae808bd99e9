package manager

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Bounds of what LogRing keeps: lines of one domain, and of all together.
const (
	linesPerDomain = 200
	linesOfAll     = 20_000
)

// LogRing keeps the latest log lines of each domain, so that `vbmc log` can show
// them. It stands before the daemon's real handler.
type LogRing struct{ kept *keptLines }

// keptLines is what all handlers of a ring share.
type keptLines struct {
	mu       sync.Mutex
	lines    map[string][]string
	watchers map[string][]chan string
}

// NewLogRing makes an empty ring.
func NewLogRing() *LogRing {
	return &LogRing{&keptLines{lines: map[string][]string{}, watchers: map[string][]chan string{}}}
}

// Handler passes everything on to next and keeps what carries a domain.
func (r *LogRing) Handler(next slog.Handler) slog.Handler {
	return ringHandler{next: next, kept: r.kept}
}

// Lines are the latest lines of a domain, oldest first.
func (r *LogRing) Lines(domain string) []string {
	r.kept.mu.Lock()
	defer r.kept.mu.Unlock()
	return slices.Clone(r.kept.lines[domain])
}

// Follow is Lines and a channel with every line after them. A reader that falls far
// behind misses lines rather than to hold up the daemon.
func (r *LogRing) Follow(domain string) (old []string, lines <-chan string, cancel func()) {
	k := r.kept
	k.mu.Lock()
	defer k.mu.Unlock()
	ch := make(chan string, linesPerDomain)
	k.watchers[domain] = append(k.watchers[domain], ch)
	return slices.Clone(k.lines[domain]), ch, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		left := slices.DeleteFunc(k.watchers[domain], func(c chan string) bool { return c == ch })
		if k.watchers[domain] = left; len(left) == 0 {
			delete(k.watchers, domain)
		}
	}
}

func (k *keptLines) add(domain, line string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	old := k.lines[domain]
	// With very many domains each has a smaller share, so that memory is bounded.
	if limit := min(linesPerDomain, max(1, linesOfAll/(len(k.lines)+1))); len(old) >= limit {
		old = slices.Delete(old, 0, len(old)-limit+1)
	}
	k.lines[domain] = append(old, line)
	for _, w := range k.watchers[domain] {
		select {
		case w <- line:
		default:
		}
	}
}

// ringHandler is one logger's view of a ring.
type ringHandler struct {
	next   slog.Handler
	kept   *keptLines
	domain string
	attrs  string // of With, as they are printed
}

func (h ringHandler) Enabled(ctx context.Context, l slog.Level) bool { return h.next.Enabled(ctx, l) }

func (h ringHandler) Handle(ctx context.Context, r slog.Record) error {
	var attrs []slog.Attr
	r.Attrs(func(a slog.Attr) bool { attrs = append(attrs, a); return true })
	if g := h.with(attrs); g.domain != "" {
		g.kept.add(g.domain, fmt.Sprintf("%s %s %s%s", r.Time.Format(time.DateTime), r.Level, r.Message, g.attrs))
	}
	return h.next.Handle(ctx, r)
}

// with takes the domain out of attributes and prints the others.
func (h ringHandler) with(attrs []slog.Attr) ringHandler {
	var b strings.Builder
	b.WriteString(h.attrs)
	for _, a := range attrs {
		if a.Key == "domain" {
			h.domain = a.Value.String()
			continue
		}
		v := a.Value.Resolve().String()
		// A value may come from a packet that nobody signed: nothing of it may steer a terminal.
		if strings.ContainsFunc(v, func(r rune) bool { return r == ' ' || r == '"' || !strconv.IsPrint(r) }) {
			v = fmt.Sprintf("%q", v)
		}
		fmt.Fprintf(&b, " %s=%s", a.Key, v)
	}
	h.attrs = b.String()
	return h
}

func (h ringHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	h = h.with(attrs)
	h.next = h.next.WithAttrs(attrs)
	return h
}

func (h ringHandler) WithGroup(name string) slog.Handler {
	h.next = h.next.WithGroup(name)
	return h
}
