package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/lmittmann/tint"
	"github.com/urfave/cli/v2"

	"trefoil/internal/errs"
	"trefoil/vbmc/control"
	"trefoil/vbmc/manager"
)

func (p *program) daemon(c *cli.Context) error {
	if !c.Bool("foreground") {
		return p.spawn(c.Context)
	}
	log, closeLog, err := p.logger()
	if err != nil {
		return err
	}
	defer closeLog()
	s := p.settings
	if err := os.MkdirAll(s.ConfigDir, 0o700); err != nil {
		return fmt.Errorf("make configuration directory: %w", err)
	}
	l, err := control.Listen(s.Socket())
	if err != nil {
		return err
	}
	defer os.Remove(s.Socket())
	// Whoever holds the socket is the daemon: a pid file of a dead one is replaced.
	if err := os.WriteFile(s.PIDFile, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600); err != nil {
		l.Close()
		return fmt.Errorf("write pid file: %w", err)
	}
	defer os.Remove(s.PIDFile)
	return p.serve(c.Context, log, l)
}

func (p *program) serve(ctx context.Context, log *slog.Logger, l net.Listener) error {
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
		served <- srv.Serve(ctx, l)
	}()
	log.Info("vbmc daemon is ready", "config", p.settings.ConfigDir, "pid", os.Getpid())
	err := m.Run(ctx)
	cancel()
	return errors.Join(err, <-served)
}

func (p *program) logger() (*slog.Logger, func(), error) {
	level := slog.LevelInfo
	if p.settings.Debug {
		level = slog.LevelDebug
	}
	var w io.Writer = p.err
	done := func() {}
	if p.settings.LogFile != "" {
		f, err := os.OpenFile(p.settings.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, nil, fmt.Errorf("open log file: %w", err)
		}
		w, done = f, func() { f.Close() }
	}
	return slog.New(tint.NewHandler(w, &tint.Options{Level: level, TimeFormat: time.DateTime, NoColor: true})), done, nil
}

// spawn starts the daemon in a session of its own and waits until it answers.
func (p *program) spawn(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	if err := os.MkdirAll(p.settings.ConfigDir, 0o700); err != nil {
		return fmt.Errorf("make configuration directory: %w", err)
	}
	log, err := os.OpenFile(p.settings.DaemonLog(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the daemon's log: %w", err)
	}
	defer log.Close()
	cmd := exec.Command(self, "daemon", "--foreground")
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the vbmc daemon: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	deadline := time.After(10 * time.Second)
	for {
		if _, err := control.Call(ctx, p.settings.Socket(), control.Request{Command: "list"}); err == nil {
			return nil
		}
		select {
		case err := <-ended:
			return errs.New(errs.Unavailable, "the vbmc daemon ended at once (%v): %s", err, lastLine(p.settings.DaemonLog())).WithHint("see %s", p.settings.DaemonLog())
		case <-deadline:
			return errs.New(errs.Unavailable, "the vbmc daemon did not answer within 10 s").WithHint("see %s", p.settings.DaemonLog())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func lastLine(file string) string {
	data, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return lines[len(lines)-1]
}
