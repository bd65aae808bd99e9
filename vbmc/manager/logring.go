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

// Line is one line of a BMC's log.
type Line struct {
	At   time.Time // zero: not known
	Text string
}

func (l Line) String() string {
	if l.At.IsZero() {
		return l.Text
	}
	return l.At.Format(time.DateTime) + " " + l.Text
}

// LogRing keeps the latest log lines of each domain, so that `vbmc log` can show
// them. It stands before the daemon's real handler.
type LogRing struct{ kept *keptLines }

// keptLines is what all handlers of a ring share.
type keptLines struct {
	mu       sync.Mutex
	lines    map[string][]Line
	watchers map[string][]chan Line
}

// NewLogRing makes an empty ring.
func NewLogRing() *LogRing {
	return &LogRing{&keptLines{lines: map[string][]Line{}, watchers: map[string][]chan Line{}}}
}

// Handler passes everything on to next and keeps what carries a domain.
func (r *LogRing) Handler(next slog.Handler) slog.Handler {
	return ringHandler{next: next, kept: r.kept}
}

// Lines are the latest lines of a domain, oldest first, without those of its event
// log, which outlives the daemon: see Manager.EventLines.
func (r *LogRing) Lines(domain string) []Line {
	r.kept.mu.Lock()
	defer r.kept.mu.Unlock()
	return slices.Clone(r.kept.lines[domain])
}

// Follow is Lines and a channel with every line after them, events included. A reader
// that falls far behind misses lines rather than to hold up the daemon.
func (r *LogRing) Follow(domain string) (old []Line, lines <-chan Line, cancel func()) {
	k := r.kept
	k.mu.Lock()
	defer k.mu.Unlock()
	ch := make(chan Line, linesPerDomain)
	k.watchers[domain] = append(k.watchers[domain], ch)
	return slices.Clone(k.lines[domain]), ch, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		left := slices.DeleteFunc(k.watchers[domain], func(c chan Line) bool { return c == ch })
		if k.watchers[domain] = left; len(left) == 0 {
			delete(k.watchers, domain)
		}
	}
}

func (k *keptLines) add(domain string, line Line, keep bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if keep {
		old := k.lines[domain]
		// With very many domains each has a smaller share, so that memory is bounded.
		if limit := min(linesPerDomain, max(1, linesOfAll/(len(k.lines)+1))); len(old) >= limit {
			old = slices.Delete(old, 0, len(old)-limit+1)
		}
		k.lines[domain] = append(old, line)
	}
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
	sel    string // id in the event log of what is told, "" for all else
	attrs  string // of With, as they are printed
}

func (h ringHandler) Enabled(ctx context.Context, l slog.Level) bool { return h.next.Enabled(ctx, l) }

func (h ringHandler) Handle(ctx context.Context, r slog.Record) error {
	var attrs []slog.Attr
	r.Attrs(func(a slog.Attr) bool { attrs = append(attrs, a); return true })
	switch g := h.with(attrs); {
	case g.domain == "":
	case g.sel != "":
		g.kept.add(g.domain, Line{r.Time, selLine(g.sel, r.Message)}, false)
	default:
		g.kept.add(g.domain, Line{r.Time, fmt.Sprintf("%s %s%s", r.Level, r.Message, g.attrs)}, true)
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
		if a.Key == "sel" {
			h.sel = a.Value.String()
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
