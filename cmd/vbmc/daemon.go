package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/lmittmann/tint"
	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"trefoil/internal/errs"
	"trefoil/internal/servicemanager"
	"trefoil/vbmc/control"
	"trefoil/vbmc/manager"
)

func (p *program) daemon(c *cli.Context) error {
	if err := words(c, 0); err != nil {
		return err
	}
	if f := c.String("log-file"); f != "" {
		var err error
		if p.settings.LogFile, err = filepath.Abs(f); err != nil {
			return fmt.Errorf("--log-file: %w", err)
		}
	}
	s := p.settings
	if p.detached = c.Bool("detached"); p.detached {
		p.service = "" // of whoever called the command: not this daemon's
	}
	if !c.Bool("foreground") {
		mine, pid, err := p.spawn(c.Context)
		if err == nil && !mine {
			err = manager.Busy(s.ConfigDir, pid)
		}
		return err
	}
	log, reopen, closeLog, err := p.logger() // who cannot write it takes over from nobody
	if err != nil {
		return err
	}
	defer closeLog()
	for _, odd := range s.Odd {
		warn(log, odd)
	}
	release, err := p.claim(c.Context, func(err error) { warn(log, err) })
	if err != nil {
		return err
	}
	defer release()
	l, err := control.Listen(s.Socket())
	if err != nil {
		return err
	}
	defer os.Remove(s.Socket())
	// Whoever has claimed the directory is the daemon: a pid file of a dead one is replaced.
	if err := s.WritePID(); err != nil {
		l.Close()
		return err
	}
	defer os.Remove(s.PIDFile)
	return p.serve(c.Context, log, reopen, l)
}

func (p *program) serve(ctx context.Context, log *slog.Logger, reopen func() error, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ring := manager.NewLogRing()
	log = slog.New(ring.Handler(log.Handler()))
	m := manager.New(p.settings, &manager.Libvirt{Log: log, Dir: p.settings.Leftovers()}, log)
	if addr := p.settings.Metrics; addr != "" {
		stop, err := serveMetrics(ctx, addr, m, log)
		if err != nil {
			l.Close()
			return err
		}
		defer stop()
	}
	served := make(chan error, 1)
	go func() {
		defer cancel()
		srv := control.Server{Manager: m, ShowPasswords: p.settings.ShowPasswords, Log: log, Lines: ring}
		if p.detached {
			srv.Yield = cancel
		}
		served <- srv.Serve(ctx, l)
	}()
	onHangup(ctx, log, reopen, m)
	log.Info("vbmc daemon is ready", "config", p.settings.ConfigDir, "pid", os.Getpid())
	m.Run(ctx, func() {
		if err := servicemanager.Notify(p.service, "READY=1"); err != nil {
			log.Warn(err.Error())
		}
	})
	cancel()
	return <-served
}

// logger writes to the log file, of which reopen takes a new one, or to standard error.
func (p *program) logger() (log *slog.Logger, reopen func() error, done func(), err error) {
	level := slog.LevelInfo
	if p.settings.Debug {
		level = slog.LevelDebug
	}
	var w io.Writer = p.err
	reopen, done = func() error { return nil }, func() {}
	if p.settings.LogFile != "" {
		f, err := openLog(p.settings.LogFile)
		if err != nil {
			return nil, nil, nil, err
		}
		w, reopen, done = f, f.Reopen, func() { f.Close() }
	}
	return slog.New(tint.NewHandler(w, &tint.Options{Level: level, TimeFormat: time.DateTime, NoColor: true})), reopen, done, nil
}

// onHangup does at SIGHUP what a daemon does: it takes a new log file and reads its
// configurations again. One in a terminal ends with it, as every program there.
func onHangup(ctx context.Context, log *slog.Logger, reopen func() error, m *manager.Manager) {
	if _, err := unix.IoctlGetTermios(int(os.Stderr.Fd()), unix.TCGETS); err == nil {
		return
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, unix.SIGHUP)
	go func() {
		defer signal.Stop(hangup)
		for {
			select {
			case <-hangup:
				if err := reopen(); err != nil {
					log.Error("log file stays the old one", "reason", err)
				}
				log.Info("log file is opened anew, and configurations are read")
				m.Sync()
			case <-ctx.Done():
				return
			}
		}
	}()
}

// spawnWait is how long a daemon that a command starts may take to its first answer.
const spawnWait = 10 * time.Second

// spawn starts the daemon in a session of its own and waits until one answers. Where
// another command or the administrator was faster, that is not the one (mine is false).
func (p *program) spawn(ctx context.Context) (mine bool, pid int, err error) {
	cmd, err := p.launch()
	if err != nil {
		return false, 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	waiting, cancel := context.WithTimeout(ctx, spawnWait) // one that hangs must not outlast it
	defer cancel()
	for {
		if r, err := control.Call(waiting, p.settings.Socket(), control.Request{Command: "list", Patience: p.settings.Patience}); err == nil {
			if mine = r.PID == cmd.Process.Pid; !mine { // ours waits for the lock and must not take over later
				_ = cmd.Process.Kill()
				<-ended
			}
			return mine, r.PID, nil
		}
		select {
		case err := <-ended:
			return false, 0, p.notBegun(err)
		case <-waiting.Done():
			if ctx.Err() != nil {
				return false, 0, ctx.Err()
			}
			return false, 0, errs.New(errs.Unavailable, "the vbmc daemon did not answer within %v", spawnWait).WithHint("see %s", p.settings.DaemonLog())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// notBegun is why the daemon that was started ended at once. One that has the directory
// and cannot be reached, its socket removed, keeps out all others.
func (p *program) notBegun(ended error) error {
	if err := p.unreachable(); err != nil {
		return err
	}
	log := p.settings.DaemonLog()
	return errs.New(errs.Unavailable, "the vbmc daemon ended at once (%v): %s", ended, lastLine(log)).WithHint("see %s", log)
}

// unreachable tells that another daemon has the configuration directory although none
// answers; nil when none has.
func (p *program) unreachable() error {
	pid, held := p.settings.Holder()
	if !held {
		return nil
	}
	err := errs.Wrap(errs.Conflict, manager.Busy(p.settings.ConfigDir, pid), "no daemon answers on %s", p.settings.Socket())
	if pid == 0 {
		return err.WithHint("end it, and start one anew: vbmcd; its BMCs come back")
	}
	if _, gone := os.Lstat(p.settings.Socket()); gone == nil {
		return err.WithHint("is it stopped or hung? kill -CONT %[1]d wakes a stopped one; or end it (kill -9 %[1]d), and start one anew: vbmcd; its BMCs come back", pid)
	}
	return err.WithHint("was the socket removed? end it (kill %d), and start one anew: vbmcd; its BMCs come back", pid)
}

// launch starts this program as the daemon.
func (p *program) launch() (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	if err := os.MkdirAll(p.settings.ConfigDir, 0o700); err != nil {
		return nil, fmt.Errorf("make configuration directory: %w", err)
	}
	log, err := os.OpenFile(p.settings.DaemonLog(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the daemon's log: %w", err)
	}
	defer log.Close()
	// It opens the file by itself too, to take a new one when this is moved away. Here
	// only what a fault of the program prints goes.
	cmd := exec.Command(self, "--log-file", log.Name(), "daemon", "--foreground", "--detached")
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the vbmc daemon: %w", err)
	}
	return cmd, nil
}

// lastLine is the last line of a file that is no hint of what to do.
func lastLine(file string) string {
	data, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	last := len(lines) - 1
	for last > 0 && strings.HasPrefix(lines[last], "hint: ") {
		last--
	}
	return lines[last]
}

// warn logs err with what to do about it, if there is anything.
func warn(log *slog.Logger, err error) {
	if hint := errs.HintOf(err); hint != "" {
		log = log.With("do", hint)
	}
	log.Warn(err.Error())
}
