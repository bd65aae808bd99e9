package apply

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"trefoil/overcloud/resource"
)

// mostMissing is how many rows of a probe are told; of a thousand networks a few say enough.
const mostMissing = 10

// passedOver is a probe in a step: only health looks at it.
func passedOver() handler {
	return handler{cheap: func() (bool, error) { return true, nil }}
}

// unserved are the rows of a probe's query whose program does not run.
func (s *step) unserved(ctx context.Context, p *resource.Probe) []string {
	rows, err := s.mysqlClient(ctx, p.SQL)
	if err != nil {
		return []string{fmt.Sprintf("%s: %v", p.Name, err)}
	}
	var out []string
	more := 0
	for row := range strings.Lines(rows) {
		key, name, _ := strings.Cut(strings.TrimRight(row, "\n"), "\t")
		switch {
		case key == "" || s.programRuns(p, key):
			continue
		case len(out) == mostMissing:
			more++
			continue
		}
		called := key
		if name != "" {
			called = fmt.Sprintf("%s (%s)", name, key)
		}
		out = append(out, strings.ReplaceAll(p.Missing, "*", called))
	}
	if more > 0 {
		out = append(out, fmt.Sprintf("and %d more", more))
	}
	return out
}

// programRuns tells whether the process that a row's file names is the program: the
// number may have become somebody else's.
func (s *step) programRuns(p *resource.Probe, key string) bool {
	if strings.ContainsRune(key, '/') { // it is not the name of anything
		return false
	}
	pid, err := os.ReadFile(s.path(strings.ReplaceAll(p.PIDFile, "*", key)))
	if err != nil {
		return false
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(pid)))
	if err != nil {
		return false
	}
	comm, err := os.ReadFile(s.path(fmt.Sprintf("/proc/%d/comm", n)))
	return err == nil && strings.TrimSpace(string(comm)) == p.Program
}
