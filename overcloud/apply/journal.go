package apply

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/overcloud/resource"
)

// journal is what a step that has not come to its end did so far, each entry once and in
// the order of its last time: the key of a resource before it is changed, and startedMark
// with the key of a unit after it was started. A unit must restart because of what changed
// after its start, however often the step was cut short. What changed before is behind it:
// a service that takes half an hour to load must not begin anew with each run.
type journal []string

const startedMark = "started "

// due tells whether something of RestartOn changed since the unit was started.
func (j journal) due(u *resource.Unit) bool {
	start := slices.Index(j, startedMark+resource.Resource{Unit: u}.Key())
	return slices.ContainsFunc(j[start+1:], func(key string) bool {
		return slices.ContainsFunc(u.RestartOn, func(p string) bool { return resource.Matches(p, key) })
	})
}

// with is the journal with the entry at its end. A change that is there, and no start behind
// it, stays where it is: that spares a write.
func (j journal) with(entry string) journal {
	i := slices.Index(j, entry)
	if i < 0 {
		return append(j, entry)
	}
	if !isStart(entry) && !slices.ContainsFunc(j[i+1:], isStart) {
		return j
	}
	return append(slices.Delete(slices.Clone(j), i, i+1), entry)
}

func isStart(entry string) bool { return strings.HasPrefix(entry, startedMark) }

// note writes an entry of the journal down.
func (s *step) note(entry string) error {
	now := s.past.with(entry)
	if slices.Equal(now, s.past) {
		return nil
	}
	s.past = now
	return s.writePending(s.doc.Step, now)
}

// changing records, before it happens, that a resource is about to change: a
// unit that must restart because of it does so even after a kill in between.
func (s *step) changing(key string) error { return s.note(key) }

func (e *Engine) readPending(step int) (journal, error) {
	var out journal
	b, err := os.ReadFile(e.pendingPath(step))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		return nil, errs.Wrap(errs.Internal, err, "read what the last run left (%s)", e.pendingPath(step)).
			WithHint("the file is damaged, is the disk well? Remove it, restart the services of this step, and deploy again")
	}
	return out, nil
}

func (e *Engine) writePending(step int, j journal) error {
	b, err := json.Marshal(j)
	if err != nil {
		return err
	}
	return writeAtomic(e.pendingPath(step), append(b, '\n'), 0o600, -1, -1)
}
