package install

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"trefoil/internal/errs"
	"trefoil/undercloud/secret"
)

// Process is a program that runs in the background without systemd: a file
// remembers which process it is, so that never another one is ended.
type Process struct {
	Binary    string
	Args      []string
	Env       []string // added to ours
	PIDFile   string
	LogFile   string
	Config    string // the file that it read at its start; empty: none
	HealthURL string // answers 200 when the service is ready; empty: not waited for
}

// Status is what is known about a process.
type Status struct {
	Running bool
	PID     int
	Since   time.Time // when it was started
	Stale   bool      // its program or its configuration was replaced since
}

// pidRecord identifies a process: a PID alone may be somebody else's by now.
type pidRecord struct {
	PID     int       `json:"pid"`
	Ticks   uint64    `json:"start_ticks"` // since boot, field 22 of /proc/PID/stat
	BootID  string    `json:"boot_id"`
	Started time.Time `json:"started"`
	Config  string    `json:"config,omitempty"` // which version of Process.Config it read
}

// Log is the file that the process writes to.
func (p *Process) Log() string { return p.LogFile }

// Status tells whether the process that the file names still runs.
func (p *Process) Status() (Status, error) {
	rec, err := p.record()
	if err != nil || rec == nil {
		return Status{}, err
	}
	if boot, err := bootID(); err != nil || boot != rec.BootID {
		return Status{}, err
	}
	ticks, alive, err := startTicks(rec.PID)
	if err != nil || !alive || ticks != rec.Ticks {
		return Status{}, err
	}
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", rec.PID))
	replaced := err == nil && strings.HasSuffix(exe, " (deleted)")
	return Status{Running: true, PID: rec.PID, Since: rec.Started, Stale: replaced || rec.Config != fileVersion(p.Config)}, nil
}

// fileVersion changes whenever the file is replaced. It compares no clocks, and
// tells nothing of a file that holds secrets.
func fileVersion(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	var inode uint64
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		inode = st.Ino
	}
	return fmt.Sprintf("%d-%d-%d", inode, info.Size(), info.ModTime().UnixNano())
}

func (p *Process) record() (*pidRecord, error) {
	data, err := os.ReadFile(p.PIDFile)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read pid file: %w", err)
	}
	rec := &pidRecord{}
	if err := json.Unmarshal(data, rec); err != nil {
		return nil, errs.Wrap(errs.Internal, err, "%s is not what the undercloud writes there", p.PIDFile).
			WithHint("look whether it runs (pgrep -a undercloud); if it does not, remove that file")
	}
	return rec, nil
}

func bootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(b)), err
}

// startTicks reads when a process was started; a zombie does not count as alive.
func startTicks(pid int) (ticks uint64, alive bool, err error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	// The command's name, in parentheses, may hold anything.
	at := strings.LastIndexByte(string(data), ')')
	fields := strings.Fields(string(data[at+1:]))
	if at < 0 || len(fields) < 20 {
		return 0, false, fmt.Errorf("read /proc/%d/stat: %d fields", pid, len(fields))
	}
	ticks, err = strconv.ParseUint(fields[19], 10, 64)
	return ticks, err == nil && fields[0] != "Z" && fields[0] != "X", err
}

// Start starts the process in a session of its own and waits until it is
// healthy, ends, or ctx does. A running one is left alone.
func (p *Process) Start(ctx context.Context) (Status, error) {
	if st, err := p.Status(); err != nil || st.Running {
		return st, err
	}
	if err := os.MkdirAll(filepath.Dir(p.LogFile), 0o700); err != nil {
		return Status{}, fmt.Errorf("make log directory: %w", err)
	}
	log, err := os.OpenFile(p.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return Status{}, fmt.Errorf("open service log: %w", err)
	}
	defer log.Close()
	version := fileVersion(p.Config)         // before the program reads it
	cmd := exec.Command(p.Binary, p.Args...) //nolint:gosec // the operator's own program
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, "/"
	cmd.Env = append(os.Environ(), p.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return Status{}, fmt.Errorf("start %s: %w", p.Binary, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	// Programs that know how write their own record; theirs is the better one.
	if st, err := p.Status(); err != nil || st.PID != cmd.Process.Pid {
		if err := p.remember(cmd.Process.Pid, version); err != nil {
			_ = cmd.Process.Kill() // nobody could ever stop it
			return Status{}, err
		}
	}
	if err := p.waitHealthy(ctx, ended); err != nil {
		return Status{}, err
	}
	return p.Status()
}

// Announce is called by the program itself at its start; load reads Config. It can
// then be found and stopped even when whoever started it was killed right after,
// or was systemd. Another one that runs is an errs.Conflict.
func (p *Process) Announce(load func() error) error {
	version := fileVersion(p.Config) // of what load reads, or older: then it counts as replaced
	if err := load(); err != nil {
		return err
	}
	st, err := p.Status()
	if err != nil {
		return err
	}
	if st.Running && st.PID != os.Getpid() {
		return errs.New(errs.Conflict, "the undercloud runs already, as process %d", st.PID).WithHint("undercloud stop")
	}
	return p.remember(os.Getpid(), version)
}

func (p *Process) remember(pid int, config string) error {
	ticks, alive, err := startTicks(pid)
	if err != nil || !alive {
		ticks = 0 // it ended already: waitHealthy says so
	}
	boot, err := bootID()
	if err != nil {
		return fmt.Errorf("read boot id: %w", err)
	}
	data, err := json.Marshal(pidRecord{PID: pid, Ticks: ticks, BootID: boot, Started: time.Now().UTC(), Config: config})
	if err != nil {
		return err
	}
	return secret.WriteFile(p.PIDFile, append(data, '\n'), 0o644)
}

// waitHealthy polls until the service answers, or says why it never will.
func (p *Process) waitHealthy(ctx context.Context, ended <-chan error) error {
	if p.HealthURL == "" {
		return nil
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			return errs.Wrap(errs.Unavailable, err, "the undercloud service ended right after its start").
				WithHint("the last lines of %s:\n%s", p.LogFile, tail(p.LogFile, 10))
		case <-ctx.Done():
			return errs.Wrap(errs.Unavailable, ctx.Err(), "the undercloud service does not answer at %s", p.HealthURL).
				WithHint("the last lines of %s:\n%s", p.LogFile, tail(p.LogFile, 10))
		case <-tick.C:
			if Healthy(ctx, p.HealthURL) {
				return nil
			}
		}
	}
}

// Healthy tells whether url answers 200 within two seconds.
func Healthy(ctx context.Context, url string) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func tail(path string, lines int) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	return "    " + strings.Join(all[max(0, len(all)-lines):], "\n    ")
}

// Stop asks the process to end and, when ctx ends first, kills it. Not running is no error.
func (p *Process) Stop(ctx context.Context) error {
	st, err := p.Status()
	if err != nil {
		return err
	}
	if st.Running {
		if err := p.end(ctx, st.PID); err != nil {
			return err
		}
	}
	if err := os.Remove(p.PIDFile); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove pid file: %w", err)
	}
	return nil
}

func (p *Process) end(ctx context.Context, pid int) error {
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stop process %d: %w", pid, err)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	done := ctx.Done()
	for {
		if st, err := p.Status(); err != nil || !st.Running {
			return err
		}
		select {
		case <-done:
			done = nil // once is enough
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("kill process %d: %w", pid, err)
			}
		case <-tick.C:
		}
	}
}
