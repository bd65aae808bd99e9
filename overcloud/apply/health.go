package apply

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"trefoil/internal/errs"
	"trefoil/internal/logfile"
	"trefoil/overcloud/resource"
)

// lookLimit is how long one look at a service may take; probesAtOnce how many are
// made side by side.
const (
	lookLimit    = 20 * time.Second
	probesAtOnce = 8
	explainLog   = 10 // lines of a program's own log beside those of the journal
)

// Health looks at services and changes nothing: it waits for no other run, and asks
// systemd once for all units. It answers in the order of the checks.
func (e *Engine) Health(ctx context.Context, checks []resource.Check) ([]resource.Health, error) {
	units := &resource.Document{}
	osds := (&step{Engine: e}).cephNode().Units()
	checks = slices.Clone(checks)
	for i := range checks {
		c := &checks[i]
		if c.OSDs {
			c.Units = slices.Concat(c.Units, osds)
		}
		for _, u := range c.Units {
			units.Resources = append(units.Resources, resource.Resource{Unit: &resource.Unit{Name: u}})
		}
	}
	s := &step{Engine: e, shared: &shared{}, doc: units, hide: newMask(units)}
	if err := s.loadUnits(ctx); err != nil {
		return nil, err
	}
	out := make([]resource.Health, len(checks))
	slots := make(chan struct{}, probesAtOnce)
	var wg sync.WaitGroup
	for i, c := range checks {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			s.turn.Lock() // looking gives it away
			defer s.turn.Unlock()
			problems := s.problems(ctx, c)
			out[i] = resource.Health{Service: c.Service, OK: len(problems) == 0, Detail: s.hide.line(strings.Join(problems, "; "))}
			if c.Explain {
				s.explainUnits(ctx, c, &out[i])
			}
		})
	}
	wg.Wait()
	return out, nil
}

// explainUnits tells of the units of a service whether they have ended for good, and
// what they said last: in the journal, and in the file that Debian names after the unit.
func (s *step) explainUnits(ctx context.Context, c resource.Check, h *resource.Health) {
	var lines []string
	for _, name := range c.Units {
		logs, _ := filepath.Glob(s.path("/var/log/*/" + name + ".log")) // a name without meaning in a pattern
		for _, file := range logs {
			h.Logs = append(h.Logs, "/"+strings.TrimPrefix(strings.TrimPrefix(file, s.path("/")), "/"))
			end, _ := logfile.End(file, logTail) // one that is gone by now holds nothing
			said := tailLines(string(end))
			lines = append(lines, said[max(0, len(said)-explainLog):]...)
		}
		lines = append(lines, tailLines(s.journal(ctx, fullName(name)))...)
		h.Ended = h.Ended || !s.units[fullName(name)].running() && s.failed(ctx, name, failedEvery)
	}
	if err := explain(errors.New(cmp.Or(h.Detail, "it does not work")), lines); errs.HintOf(err) != "" {
		h.Detail, h.Hint = err.Error(), errs.HintOf(err)
	}
	h.Tail = s.hide.tail(lines)
}

// problems are what is wrong with one service.
func (s *step) problems(ctx context.Context, c resource.Check) []string {
	var out []string
	for _, name := range c.Units {
		is := s.units[fullName(name)]
		switch {
		case is.load == "not-found" || is.load == "masked":
			out = append(out, fmt.Sprintf("unit %s is %s", name, is.load))
		case !is.running():
			out = append(out, fmt.Sprintf("unit %s is %s%s", name, is.active, s.lastWords(ctx, fullName(name))))
		}
	}
	if c.OSDs && len(c.Units) == 0 {
		out = append(out, "no disk has an OSD")
	}
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	for _, w := range c.Waits {
		if err := s.probe(ctx, &w); err != nil {
			out = append(out, fmt.Sprintf("%s: %v", w.Name, err))
		}
	}
	for _, p := range c.Probes {
		out = append(out, s.unserved(ctx, &p)...)
	}
	if c.Ceph != nil {
		out = append(out, s.cephProblems(ctx, c.Ceph)...)
	}
	return out
}

// cephProblems are what keeps the cluster from being whole.
func (s *step) cephProblems(ctx context.Context, h *resource.CephHealth) (missing []string) {
	err := s.aside(func() (err error) {
		missing, err = s.cephNode().Missing(ctx, resource.SplitList(h.OSDHosts), resource.SplitList(h.Monitors))
		return err
	})
	if err != nil {
		return []string{fmt.Sprintf("the cluster does not tell how it is: %v", err)}
	}
	return missing
}

// lastWords is the last line that a unit wrote into the journal, after a colon.
func (s *step) lastWords(ctx context.Context, unit string) string {
	var out string
	err := s.aside(func() (err error) {
		out, err = s.System.Run(ctx, Command{Args: []string{"journalctl", "--no-pager", "-o", "cat", "-n", "5", "-u", unit}, Timeout: lookLimit})
		return err
	})
	lines := strings.Split(strings.TrimSpace(out), "\n")
	slices.Reverse(lines)
	// systemd's own closing words say less than the program's.
	i := slices.IndexFunc(lines, func(l string) bool {
		return l != "" && !strings.HasPrefix(l, unit+":") && !strings.HasPrefix(l, "Stopped ") && !strings.HasPrefix(l, "Failed to start ")
	})
	if err != nil || i < 0 {
		return ""
	}
	return ": " + lines[i]
}
