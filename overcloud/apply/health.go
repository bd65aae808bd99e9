package apply

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"trefoil/overcloud/resource"
)

// lookLimit is how long one look at a service may take; probesAtOnce how many are
// made side by side.
const (
	lookLimit    = 20 * time.Second
	probesAtOnce = 8
)

// Health looks at services and changes nothing: it waits for no other run, and asks
// systemd once for all units. It answers in the order of the checks.
func (e *Engine) Health(ctx context.Context, checks []resource.Check) ([]resource.Health, error) {
	units := &resource.Document{}
	for _, c := range checks {
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
			problems := s.problems(ctx, c)
			s.turn.Unlock()
			out[i] = resource.Health{Service: c.Service, OK: len(problems) == 0, Detail: s.hide.line(strings.Join(problems, "; "))}
		})
	}
	wg.Wait()
	return out, nil
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
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	for _, w := range c.Waits {
		if err := s.probe(ctx, &w); err != nil {
			out = append(out, fmt.Sprintf("%s: %v", w.Name, err))
		}
	}
	return out
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
