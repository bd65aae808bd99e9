package manager

import (
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"trefoil/internal/errs"
)

func TestLogRing(t *testing.T) {
	r := NewLogRing()
	log := slog.New(r.Handler(slog.NewTextHandler(io.Discard, nil)))
	log.With("domain", "a").Info("one", "k", "v w")
	log.Warn("two", "domain", "b")
	log.Info("of nobody")
	old, lines, cancel := r.Follow("a")
	if len(old) != 1 || !strings.HasSuffix(old[0].String(), ` INFO one k="v w"`) || old[0].At.IsZero() {
		t.Errorf("%q", old)
	}
	log.Error("three", "domain", "a")
	if l := <-lines; l.Text != "ERROR three" {
		t.Errorf("%q", l)
	}
	log.Warn("refused", "domain", "a", "user", "\x1b]0;gone\a")
	if l := <-lines; !strings.HasSuffix(l.Text, `refused user="\x1b]0;gone\a"`) {
		t.Errorf("%q", l)
	}
	cancel()
	for range 3 * linesPerDomain {
		log.Info("many", "domain", "a")
	}
	if n := len(r.Lines("a")); n != linesPerDomain {
		t.Errorf("%d lines are kept, want %d", n, linesPerDomain)
	}
	if l := r.Lines("b"); len(l) != 1 || l[0].Text != "WARN two" {
		t.Errorf("%q", l)
	}
}

// TestLogHasTheEventLog: events come from the log that outlives the BMC, once, and at once
// to who follows.
func TestLogHasTheEventLog(t *testing.T) {
	m, _ := newManager(t)
	ring := NewLogRing()
	m.log = slog.New(ring.Handler(slog.NewTextHandler(io.Discard, nil)))
	c := running(t, m, "a")
	s := login(t, c.Port, "admin", c.Password)
	_, lines, cancel := ring.Follow("a")
	defer cancel()
	// Add SEL Entry: the power unit was switched off.
	if cc, _, err := s.Do(0x0a, 0x44, 0, 0, 2, 0, 0, 0, 0, 0x20, 0, 4, 9, 1, 0x6f, 0, 0xff, 0xff); cc != 0 || err != nil {
		t.Fatal(cc, err)
	}
	const want = "SEL 2 Power Unit #1: power off" // 1 is the login
	for l := range lines {
		if l.Text == want {
			break
		}
	}
	for _, l := range ring.Lines("a") {
		if strings.Contains(l.Text, "Power Unit") {
			t.Errorf("the event is kept twice: %s", l)
		}
	}
	has := func(when string) {
		t.Helper()
		got, err := m.EventLines("a")
		if err != nil || !slices.ContainsFunc(got, func(l Line) bool { return l.Text == want && !l.At.IsZero() }) {
			t.Errorf("%s: %v %v", when, got, err)
		}
	}
	has("while it runs")
	if _, err := m.Stop("a"); err != nil {
		t.Fatal(err)
	}
	has("stopped")
	if _, err := m.EventLines("nobody"); !errs.Is(err, errs.NotFound) {
		t.Errorf("of nobody: %v", err)
	}
}

func TestInTimeOrder(t *testing.T) {
	at := func(ms int64, text string) Line { return Line{time.UnixMilli(ms), text} }
	log := []Line{at(1500, "asked to switch on"), at(3100, "later")}
	events := []Line{{Text: "no time"}, at(1000, "on"), at(3000, "off"), at(4000, "lost")}
	var got []string
	for _, l := range InTimeOrder(log, events) {
		got = append(got, l.Text)
	}
	if want := []string{"no time", "asked to switch on", "on", "later", "off", "lost"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
