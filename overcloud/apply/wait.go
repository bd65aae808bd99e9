package apply

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"trefoil/internal/errs"
	"trefoil/internal/logfile"
	"trefoil/overcloud/resource"
)

const (
	logTail        = 16 << 10 // bytes of a log that go with an error
	defaultTimeout = 300 * time.Second
	sayEvery       = 5 * time.Second // between two "waiting" events
	failedEvery    = 12              // of which a unit that has processes is looked at by systemctl
)

func seconds(n int) time.Duration {
	if n <= 0 {
		return defaultTimeout
	}
	return time.Duration(n) * time.Second
}

func (s *step) exec(e *resource.Exec) handler {
	run := func(ctx context.Context, user string, args []string) error {
		return s.telling("exec:"+e.Name, errRuns, func() error {
			_, err := s.System.Run(ctx, Command{Args: args, Env: e.Env, User: user, Timeout: seconds(e.Timeout)})
			return err
		})
	}
	return handler{
		slow: true,
		ok: func(ctx context.Context) (bool, error) {
			if e.Creates != "" {
				_, err := os.Lstat(s.path(e.Creates))
				return err == nil, nil
			}
			err := run(ctx, "", e.Unless) // as root: it looks where the user may not, e.g. into the database
			var ended *RunError
			if errors.As(err, &ended) {
				return false, nil
			}
			return err == nil, err
		},
		set: func(ctx context.Context) error {
			err := run(ctx, e.User, e.Command)
			var ended *RunError
			if !errors.As(err, &ended) {
				return err
			}
			if e.Hint != "" {
				return withTail(errs.Wrap(errs.Internal, err, "%s", e.Name).WithHint("%s", e.Hint), ended.Output)
			}
			return withTail(err, ended.Output)
		},
	}
}

// What is told of a resource while there is nothing better to say.
var (
	errRuns        = errors.New("the program runs")
	errNoAnswerYet = errors.New("asked, and no answer yet")
)

// telling gives the turn away while f runs, and tells again and again that it does: a
// program that loads for minutes must not look like one that hangs unseen.
func (s *step) telling(key string, running error, f func() error) error {
	ended := make(chan error, 1)
	go func() { ended <- f() }()
	for {
		err := s.aside(func() error {
			select {
			case err := <-ended:
				return err
			case <-time.After(sayEvery):
				return running
			}
		})
		if err != running {
			return err
		}
		s.waiting(key, running)
	}
}

// wait polls until the thing answers. It ends early when the unit behind it
// has failed: nothing would come any more.
func (s *step) wait(w *resource.Wait) handler {
	return handler{
		slow:  true,
		ok:    func(ctx context.Context) (bool, error) { return true, s.waitFor(ctx, w) },
		cheap: nil,
		set:   func(context.Context) error { return nil },
	}
}

func (s *step) waitFor(ctx context.Context, w *resource.Wait) error {
	asking, giveUp := context.WithCancel(ctx)
	defer giveUp()
	began := s.Now()
	said := began
	var asked chan error
	for times := 0; ; {
		looked := time.Now()
		last := s.look(asking, w, &asked)
		if last == nil {
			return nil
		}
		if s.Now().Sub(began) >= seconds(w.Timeout) {
			return s.gaveUp(ctx, w, fmt.Errorf("no answer after %s: %w", seconds(w.Timeout), last))
		}
		if s.Now().Sub(said) >= sayEvery {
			said = s.Now()
			s.waiting("wait:"+w.Name, last)
			times++
			if w.Unit != "" && s.failed(ctx, w.Unit, times) {
				return s.gaveUp(ctx, w, fmt.Errorf("unit %s has failed: %w", w.Unit, last))
			}
		}
		if err := s.sleep(ctx, s.pause(w, time.Since(looked))); err != nil {
			return err
		}
	}
}

// look asks and waits a while for the answer, or goes on waiting for that of a
// question already asked. A web server that has just started answers all that it was
// asked while it loaded: who gives up and asks anew stands behind his own questions.
func (s *step) look(ctx context.Context, w *resource.Wait, asked *chan error) error {
	if w.SQL != "" {
		return s.telling("wait:"+w.Name, errNoAnswerYet, func() error { return s.question(ctx, w) })
	}
	if *asked == nil {
		answer := make(chan error, 1)
		go func() { answer <- s.System.Probe(ctx, *w) }()
		*asked = answer
	}
	return s.aside(func() error {
		select {
		case err := <-*asked:
			*asked = nil
			return err
		case <-time.After(sayEvery):
			return errNoAnswerYet
		}
	})
}

// probe looks once and gives the turn away meanwhile. It tells nothing: who asks for the
// health of a service listens to no events.
func (s *step) probe(ctx context.Context, w *resource.Wait) error {
	return s.aside(func() error { return s.question(ctx, w) })
}

// question needs no turn.
func (s *step) question(ctx context.Context, w *resource.Wait) error {
	if w.SQL == "" {
		return s.System.Probe(ctx, *w)
	}
	out, err := s.mysqlAsk(ctx, w.SQL)
	if err != nil {
		return err
	}
	if rows := strings.TrimSpace(out); rows != "" {
		return fmt.Errorf("missing: %s", strings.ReplaceAll(rows, "\n", ", "))
	}
	return nil
}

// longestPause is one between two looks: a look that took two minutes of a busy machine
// says nothing of how long the next one takes.
const longestPause = 20 * time.Second

// pause is the time between two looks. A query starts a client, which is not free
// where the machine is busy with what is waited for: a tenth of the time, if that is short.
func (s *step) pause(w *resource.Wait, took time.Duration) time.Duration {
	if w.SQL != "" {
		return min(max(10*s.poll(), 9*took), longestPause)
	}
	return s.poll()
}

// restarts is how often systemd may start a service again before it counts as
// broken: once can be an accident of the beginning, and nothing comes of many.
const restarts = 5

// failed is certain only for a unit that systemd has given up, that has ended by
// itself, or that does so again and again. systemctl costs a program and the
// manager's time, of twenty waits at once: what has processes is asked seldom.
func (s *step) failed(ctx context.Context, unit string, times int) bool {
	group, err := os.ReadFile(s.path("/sys/fs/cgroup/system.slice/" + fullName(unit) + "/cgroup.events"))
	if err == nil && strings.Contains(string(group), "populated 1") && times%failedEvery != 0 {
		return false
	}
	out, err := s.systemctl(ctx, "show", "--property=ActiveState,NRestarts,Job", "--", fullName(unit))
	if err != nil {
		return false
	}
	is := map[string]string{}
	for line := range strings.Lines(out) {
		k, v, _ := strings.Cut(strings.TrimSpace(line), "=")
		is[k] = v
	}
	n, _ := strconv.Atoi(is["NRestarts"])
	ended := is["ActiveState"] == "inactive" && cmp.Or(is["Job"], "0") == "0"
	return is["ActiveState"] == "failed" || ended || is["ActiveState"] == "activating" && n >= restarts
}

func (s *step) gaveUp(ctx context.Context, w *resource.Wait, err error) error {
	e := errs.Wrap(errs.Unavailable, err, "wait for %s", cmp.Or(w.TCP, w.HTTP, w.Unix, w.Ceph, w.Name))
	var log string
	switch {
	case w.Log != "":
		e = e.WithHint("%s on the node tells more", w.Log)
		end, _ := logfile.End(s.path(w.Log), logTail) // a service that never began has none
		log = string(end)
	case w.Unit != "":
		e = e.WithHint("journalctl -u %s on the node tells more", w.Unit)
	}
	if log == "" && w.Unit != "" {
		log = s.journal(ctx, fullName(w.Unit))
	}
	return withTail(e, log)
}

// disks looks only; a node whose disks do not fit is a mistake of placement.
func (s *step) disks(d *resource.Disks) handler {
	return handler{slow: true, ok: func(ctx context.Context) (bool, error) {
		all, err := s.System.Disks(ctx, d.Devices)
		if err != nil {
			return false, fmt.Errorf("list disks: %w", err)
		}
		return true, CheckDisks(d, all)
	}}
}

// CheckDisks tells whether enough free disks of the size are among those; the
// error says of each disk why it does not do.
func CheckDisks(d *resource.Disks, all []Disk) error {
	var why, held []string
	good := 0
	for _, disk := range all {
		if len(d.Devices) > 0 && !slices.Contains(d.Devices, disk.Path) {
			continue
		}
		size := float64(disk.Bytes) / (1 << 30)
		switch {
		case disk.Remote && len(d.Devices) == 0:
			why = append(why, fmt.Sprintf("%s (%.1f GiB): %s", disk.Path, size, notLooked))
		case disk.Use != "" && disk.Use != "ceph_bluestore": // a data disk that Ceph has taken stays good
			why = append(why, fmt.Sprintf("%s (%.1f GiB): %s", disk.Path, size, disk.Use))
			if !disk.Mounted && size >= float64(d.MinSizeGB) {
				held = append(held, why[len(why)-1])
			}
		case size < float64(d.MinSizeGB):
			why = append(why, fmt.Sprintf("%s: %.1f GiB is too small", disk.Path, size))
		default:
			good++
		}
	}
	hint := cmp.Or(d.Hint, "add disks to the machine, or clean those that are in use (baremetal node clean), or lower the number in the environment")
	switch {
	case good >= d.Count && len(held) > 0:
		return errs.New(errs.Conflict, "what is on these data disks would be overwritten: %s", strings.Join(held, "; ")).WithHint("%s", hint)
	case good >= d.Count:
		return nil
	}
	for _, path := range d.Devices {
		if !present(all, path) {
			why = append(why, path+": no such disk")
		}
	}
	return errs.New(errs.Invalid, "%d free data disks of at least %d GiB; expected %d: %s", good, d.MinSizeGB, d.Count, strings.Join(why, "; ")).
		WithHint("%s", hint)
}

func present(all []Disk, path string) bool {
	for _, d := range all {
		if d.Path == path {
			return true
		}
	}
	return false
}
