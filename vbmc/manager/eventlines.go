package manager

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"trefoil/vbmc/ipmi"
)

// EventLines are the records of a BMC's System Event Log with the host's times, oldest
// first; also of one that does not run.
func (m *Manager) EventLines(name string) ([]Line, error) {
	log, err := m.eventLog(name)
	if err != nil {
		return nil, fmt.Errorf("event log of domain %s: %w", name, err)
	}
	lines := make([]Line, len(log))
	var at time.Time // a record without a time came at the earliest with the one before it
	for i, l := range log {
		if !l.At.IsZero() {
			at = l.At
		}
		lines[i] = Line{at, selLine(strconv.Itoa(int(l.Record.ID())), l.Record.Text())}
	}
	return lines, nil
}

func (m *Manager) eventLog(name string) ([]ipmi.Logged, error) {
	if err := m.Known(name); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if in := m.running[name]; in != nil {
		return in.bmc.EventLog(), nil
	}
	return ipmi.StoredEventLog(m.store.bmc(name))
}

func selLine(id, text string) string { return "SEL " + id + " " + text }

// InTimeOrder joins the daemon's lines with those of the event log, whose times are whole
// seconds. Within a second the daemon's lines come first: they tell what was asked for.
func InTimeOrder(log, events []Line) []Line {
	all := slices.Concat(log, events)
	slices.SortStableFunc(all, func(a, b Line) int { return cmp.Compare(a.At.Unix(), b.At.Unix()) })
	return all
}
