package apply

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"trefoil/internal/errs"
	"trefoil/overcloud/resource"
)

// unitState is what systemd says of a unit.
type unitState struct{ id, load, active, path string }

func (u unitState) running() bool { return u.active == "active" || u.active == "reloading" }

func fullName(name string) string {
	if strings.HasPrefix(filepath.Ext(name), ".") && slices.Contains([]string{".service", ".socket", ".timer", ".target", ".mount", ".path"}, filepath.Ext(name)) {
		return name
	}
	return name + ".service"
}

// loadUnits asks systemd once for all units of the document: each call costs a
// tenth of a second under emulation.
func (s *step) loadUnits(ctx context.Context) error {
	var names []string
	for _, r := range s.doc.Resources {
		if r.Unit != nil && !slices.Contains(names, fullName(r.Unit.Name)) {
			names = append(names, fullName(r.Unit.Name))
		}
		if r.CephOSD != nil {
			for _, u := range s.cephNode().Units() {
				names = append(names, fullName(u))
			}
		}
	}
	units := map[string]unitState{}
	if len(names) == 0 {
		s.units = units
		return nil
	}
	out, err := s.systemctl(ctx, append([]string{"show", "--property=Id,LoadState,ActiveState,FragmentPath", "--"}, names...)...)
	if err != nil {
		return err
	}
	blocks := strings.Split(strings.TrimSpace(out), "\n\n")
	if len(blocks) != len(names) {
		return fmt.Errorf("systemctl show: %d answers for %d units", len(blocks), len(names))
	}
	for i, b := range blocks {
		var u unitState
		for line := range strings.Lines(b) {
			k, v, _ := strings.Cut(strings.TrimSpace(line), "=")
			switch k {
			case "Id":
				u.id = v
			case "LoadState":
				u.load = v
			case "ActiveState":
				u.active = v
			case "FragmentPath":
				u.path = v
			}
		}
		units[names[i]] = u
	}
	s.units = units
	return nil
}

func (s *step) unit(u *resource.Unit) handler {
	name := fullName(u.Name)
	return handler{
		slow: true,
		// cheap is right only after loadUnits, as asRecorded does.
		cheap: func() (bool, error) { return s.unitOK(u, s.units[name]) },
		ok: func(ctx context.Context) (bool, error) {
			is, err := s.unitState(ctx, name)
			if err != nil || s.due(u) && (is.running() || is.active == "activating") { // it may start with what was before
				return false, err
			}
			ok, err := s.unitOK(u, is)
			if ok && err == nil {
				err = s.keepInputs(u)
			}
			return ok, err
		},
		set: func(ctx context.Context) error { return s.setUnit(ctx, u, s.units[name]) },
	}
}

// unitState is what systemd says, after it has read what was written. Nobody has
// the turn meanwhile: a unit must not be started from its old file.
func (s *step) unitState(ctx context.Context, name string) (unitState, error) {
	if s.dirty {
		if _, err := s.systemctl(ctx, "daemon-reload"); err != nil {
			return unitState{}, err
		}
		s.units, s.dirty = nil, false
	}
	if s.units == nil {
		if err := s.loadUnits(ctx); err != nil {
			return unitState{}, err
		}
	}
	return s.units[name], nil
}

// due tells whether the unit must restart: something of RestartOn changed in this
// step since it was started, or is not what it was when it was started, in an earlier
// step or run.
func (s *step) due(u *resource.Unit) bool {
	if s.past.due(u) {
		return true
	}
	was, err := os.ReadFile(s.inputsPath(u))
	return err == nil && strings.TrimSpace(string(was)) != s.inputs(u)
}

// inputs is a hash of the service's resources that RestartOn names, files of units among
// them, which are done before the rest.
func (s *step) inputs(u *resource.Unit) string {
	var in []resource.Resource
	for _, r := range s.doc.Resources {
		if r.Service == s.own[0].Service && slices.ContainsFunc(u.RestartOn, func(p string) bool { return resource.Matches(p, r.Key()) }) {
			in = append(in, r)
		}
	}
	return resource.Sum(in)
}

func (s *step) inputsPath(u *resource.Unit) string {
	return s.path(stateDir + "/units/" + fullName(u.Name))
}

// keepInputs writes down what the unit runs with.
func (s *step) keepInputs(u *resource.Unit) error {
	sum := s.inputs(u)
	if was, err := os.ReadFile(s.inputsPath(u)); err == nil && strings.TrimSpace(string(was)) == sum || len(u.RestartOn) == 0 {
		return nil
	}
	return writeAtomic(s.inputsPath(u), []byte(sum+"\n"), 0o600, -1, -1)
}

func (s *step) unitOK(u *resource.Unit, is unitState) (bool, error) {
	stopped := u.State == "stopped"
	if is.load == "not-found" && stopped {
		return true, nil
	}
	if is.load == "not-found" || is.load == "masked" {
		return false, errs.New(errs.NotFound, "unit %s is %s on this node", fullName(u.Name), is.load).
			WithHint("the package that brings it is not in the image: rebuild overcloud-full with the roles that you deploy")
	}
	enabled, err := s.enabled(is)
	if err != nil || enabled != wantEnabled(u) {
		return false, err
	}
	if stopped {
		return is.active == "inactive" || is.active == "failed", nil
	}
	return is.running() || u.NoBlock && is.active == "activating", nil
}

func wantEnabled(u *resource.Unit) bool {
	if u.Enabled != nil {
		return *u.Enabled
	}
	return u.State != "stopped"
}

// setUnit enables by writing the link itself: systemctl enable runs a perl
// script per unit on Debian where there is an init script of the same name.
func (s *step) setUnit(ctx context.Context, u *resource.Unit, is unitState) error {
	if err := s.enable(is, wantEnabled(u)); err != nil {
		return err
	}
	verb := s.verb(u, is)
	if verb == "" {
		return s.keepInputs(u)
	}
	if is.active == "failed" && verb != "stop" {
		if _, err := s.systemctl(ctx, "reset-failed", is.id); err != nil {
			return err
		}
	}
	for _, args := range calls(u, verb, is.id) {
		if err := s.aside(func() error { _, err := s.systemctl(ctx, args...); return err }); err != nil {
			return withTail(errs.Wrap(errs.Internal, err, "%s unit %s", verb, u.Name).
				WithHint("journalctl -u %s on the node tells more", is.id), s.journal(ctx, is.id))
		}
	}
	is.active = map[string]string{"stop": "inactive"}[verb]
	if verb != "stop" {
		is.active = "active"
		s.started[fullName(u.Name)] = true
	}
	if s.units != nil {
		s.units[fullName(u.Name)] = is
	}
	if err := s.keepInputs(u); err != nil || verb == "stop" {
		return err
	}
	return s.note(startedMark + resource.Resource{Unit: u}.Key())
}

// stay wants that the units which this run has started have not ended two seconds
// later. A program that ends at once has started well, as systemd sees it, and its
// traces of before, a row with a heartbeat for example, are fresh for minutes.
func (s *step) stay(ctx context.Context) error {
	if len(s.started) == 0 {
		return nil
	}
	s.turn.Lock()
	defer s.turn.Unlock()
	if err := s.sleep(ctx, 7*s.poll()); err != nil {
		return err
	}
	for _, r := range s.doc.Resources {
		if r.Unit == nil || !s.started[fullName(r.Unit.Name)] || !s.failed(ctx, r.Unit.Name, 1) {
			continue
		}
		err := errs.New(errs.Unavailable, "unit %s was started and has ended", r.Unit.Name).
			WithHint("journalctl -u %s on the node tells more; is its program there, and may it be run?", r.Unit.Name)
		return s.fail(r.Key(), err, strings.Split(strings.TrimSpace(s.journal(ctx, fullName(r.Unit.Name))), "\n"))
	}
	return nil
}

// verb is what systemctl must do with a unit; empty: nothing.
func (s *step) verb(u *resource.Unit, is unitState) string {
	switch {
	case u.State == "stopped" && is.active != "inactive" && is.active != "failed":
		return "stop"
	case u.State == "stopped":
	case is.running() && s.due(u) && u.Reload:
		return "reload-or-restart"
	case is.running() && s.due(u), is.active == "activating" && s.due(u):
		return "restart"
	case !is.running():
		return "start"
	}
	return ""
}

// calls are the arguments of systemctl for a verb. A restart that nobody waits for is
// two calls: while it was only queued, the old server would answer to the wait that
// follows, the next machine would have its turn, and all would be down at once.
func calls(u *resource.Unit, verb, id string) [][]string {
	switch {
	case u.NoBlock && verb == "restart":
		return [][]string{{"stop", id}, {"--no-block", "start", id}}
	case u.NoBlock:
		return [][]string{{"--no-block", verb, id}}
	}
	return [][]string{{verb, id}}
}

func (s *step) journal(ctx context.Context, unit string) string {
	out, err := s.System.Run(context.WithoutCancel(ctx), Command{Args: []string{"journalctl", "--no-pager", "-o", "cat", "-n", "15", "-u", unit}, Timeout: 20 * time.Second})
	if err != nil {
		return "the journal could not be read: " + err.Error()
	}
	return out
}

// wants is the directory whose links start a unit at boot.
func wants(id string) string {
	switch filepath.Ext(id) {
	case ".socket":
		return "etc/systemd/system/sockets.target.wants"
	case ".timer":
		return "etc/systemd/system/timers.target.wants"
	}
	return "etc/systemd/system/multi-user.target.wants"
}

func (s *step) wantLinks(is unitState) ([]string, error) {
	return filepath.Glob(filepath.Join(s.path("etc/systemd/system"), "*.wants", is.id))
}

func (s *step) enabled(is unitState) (bool, error) {
	links, err := s.wantLinks(is)
	return len(links) > 0, err
}

func (s *step) enable(is unitState, want bool) error {
	have, err := s.enabled(is)
	if err != nil || have == want {
		return err
	}
	if !want {
		links, err := s.wantLinks(is)
		for _, l := range links {
			if e := os.Remove(l); e != nil && !errors.Is(e, fs.ErrNotExist) {
				err = errors.Join(err, e)
			}
		}
		return err
	}
	dir := s.path(wants(is.id))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	err = os.Symlink(is.path, filepath.Join(dir, is.id))
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}
