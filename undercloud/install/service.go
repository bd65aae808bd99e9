package install

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"trefoil/internal/errs"
	"trefoil/undercloud/config"
	"trefoil/undercloud/secret"
)

// unitName is what systemd calls the service.
const unitName = "undercloud.service"

// NewProcess is the background service of an undercloud: `undercloud start|stop|status`
// and the installer agree on it. svc may be nil when only Status or Stop are wanted.
func NewProcess(binary, stateDir string, svc *config.Service) *Process {
	conf := config.ServicePath(stateDir)
	p := &Process{Binary: binary, Args: []string{"serve", "--config", conf}, Config: conf,
		PIDFile: filepath.Join(stateDir, "undercloud.pid"), LogFile: filepath.Join(stateDir, "undercloud.log")}
	if svc != nil {
		p.HealthURL = HealthURL(svc)
	}
	return p
}

// HealthURL answers 200 when the service is ready.
func HealthURL(svc *config.Service) string { return svc.AuthURL() + "/healthz" }

func (in *installer) process(svc *config.Service) *Process {
	return NewProcess(in.Binary, in.StateDir, svc)
}

// serviceHealthy tells whether our own service, however it was started, answers.
func (in *installer) serviceHealthy() bool {
	old, err := config.LoadService(config.ServicePath(in.StateDir))
	return err == nil && Healthy(context.Background(), HealthURL(old))
}

// startLimit is how long a start may take: a machine that emulates its processors, or has another's
// work to do, needs minutes.
const startLimit = 5 * time.Minute

// start starts the service, or restarts it when its configuration or program changed.
func (in *installer) start(ctx context.Context, changed bool) error {
	ctx, cancel := context.WithTimeout(ctx, in.HealthTimeout)
	defer cancel()
	defer in.log.waits(in.Now(), "the service to answer at %s", HealthURL(in.svc))()
	switch {
	case in.StartService != nil:
		if err := in.StartService(ctx, in.svc, changed); err != nil {
			return err
		}
		return (&Process{HealthURL: HealthURL(in.svc), LogFile: in.process(nil).LogFile}).waitHealthy(ctx, nil)
	case in.usesUnit():
		return in.startUnit(ctx, changed)
	}
	p := in.process(in.svc)
	st, err := p.Status()
	if err != nil {
		return err
	}
	if st.Running && (changed || st.Stale) {
		in.log.info("Restarting the service: its configuration or program changed")
		if err := p.Stop(ctx); err != nil {
			return err
		}
	}
	st, err = p.Start(ctx)
	if err == nil {
		in.log.info("The service runs as process %d, log %s", st.PID, p.LogFile)
	}
	return err
}

// HasSystemd tells whether systemd is the init of this machine (sd_booted(3)) and
// its services would live in our network. In a lab's network namespace they would
// not: the service would take the interfaces of the host that carries the lab.
func HasSystemd() bool { return systemdAt("/") }

func systemdAt(root string) bool {
	info, err := os.Lstat(filepath.Join(root, "run", "systemd", "system"))
	if err != nil || !info.IsDir() {
		return false
	}
	ours, err := os.Stat(filepath.Join(root, "proc", "self", "ns", "net"))
	if err != nil {
		return false
	}
	inits, err := os.Stat(filepath.Join(root, "proc", "1", "ns", "net"))
	return err == nil && os.SameFile(ours, inits)
}

// usesUnit tells whether systemd runs the service: it reads no other /etc than the machine's.
func (o *Options) usesUnit() bool { return filepath.Clean(o.ConfigRoot) == "/" && HasSystemd() }

// unit says Type=notify, so that systemctl start, and who comes after it, waits until the APIs answer.
// A database that a new version brings up to date may take longer than systemd's minute and a half. It
// is tried for ever: what a start lacks, such as a network card, may come late. Half of the files are the
// ports' connections, see server.Limits.
func unit(binary, stateDir string) string {
	return "[Unit]\nDescription=Trefoil undercloud\nWants=network-online.target\nAfter=network-online.target\nStartLimitIntervalSec=0\n\n" +
		"[Service]\nType=notify\nTimeoutStartSec=10min\nExecStart=" + binary + " serve --config " + config.ServicePath(stateDir) + "\n" +
		"Restart=on-failure\nRestartSec=2\nLimitNOFILE=262144\nUMask=0077\n\n[Install]\nWantedBy=multi-user.target\n"
}

func (in *installer) startUnit(ctx context.Context, changed bool) error {
	path := in.etc("systemd", "system", unitName)
	text := unit(in.Binary, in.StateDir)
	if old, err := os.ReadFile(path); err != nil || string(old) != text {
		if err := secret.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
		if err := systemctl(ctx, "daemon-reload"); err != nil {
			return err
		}
		changed = true
	}
	if err := systemctl(ctx, "enable", unitName); err != nil {
		return err
	}
	u := &unitService{process: in.process(in.svc), systemctl: systemctl}
	return u.ensure(ctx, changed)
}

// Service is the undercloud's service, whoever runs it.
type Service interface {
	Start(ctx context.Context) (Status, error)
	Stop(ctx context.Context) error
	Status() (Status, error)
	Log() string // where to read what it says
}

// NewService is systemd's unit where an installation into stateDir made one and
// systemd runs services in our network; else the background process. configRoot is
// the prefix of /etc; svc may be nil when only Status or Stop are wanted.
func NewService(binary, stateDir, configRoot string, svc *config.Service) Service {
	o := Options{StateDir: stateDir, ConfigRoot: configRoot}.withDefaults()
	p := NewProcess(binary, stateDir, svc)
	if o.usesUnit() && o.hasUnit() {
		return &unitService{process: p, systemctl: systemctl}
	}
	return p
}

// hasUnit tells whether the machine's unit is that of our state directory.
func (o *Options) hasUnit() bool {
	text, err := os.ReadFile(o.etc("systemd", "system", unitName))
	return err == nil && strings.Contains(string(text), " serve --config "+config.ServicePath(o.StateDir)+"\n")
}

// unitService is the service under systemd. Its process announces itself as a
// background process does, which tells what systemd does not: what it read.
type unitService struct {
	process   *Process
	systemctl func(ctx context.Context, args ...string) error
}

// Log names the journal.
func (u *unitService) Log() string { return "the journal: journalctl -u undercloud" }

// Status is that of the process.
func (u *unitService) Status() (Status, error) { return u.process.Status() }

// Stop has systemd stop it; then it is not restarted either.
func (u *unitService) Stop(ctx context.Context) error { return u.systemctl(ctx, "stop", unitName) }

// Start starts the unit unless it runs, and waits until it is healthy, for startLimit at
// most: systemd would start one that fails again and again.
func (u *unitService) Start(ctx context.Context) (Status, error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if err := u.run(ctx, "start"); err != nil {
		return Status{}, err
	}
	return u.Status()
}

// ensure starts the unit, or restarts it when what it runs with is not what is there.
func (u *unitService) ensure(ctx context.Context, changed bool) error {
	st, err := u.Status()
	if err != nil {
		return err
	}
	if changed || !st.Running || st.Stale {
		return u.run(ctx, "restart") // starts it, too
	}
	return u.run(ctx, "start")
}

func (u *unitService) run(ctx context.Context, verb string) error {
	if err := u.systemctl(ctx, verb, unitName); err != nil {
		return errs.Wrap(errs.Unavailable, err, "start the service").WithHint("journalctl -u undercloud -n 50")
	}
	return (&Process{HealthURL: u.process.HealthURL, LogFile: u.Log()}).waitHealthy(ctx, nil)
}

func systemctl(ctx context.Context, args ...string) error {
	out, err := exec.CommandContext(ctx, "systemctl", args...).CombinedOutput()
	if ctx.Err() != nil { // it was killed, which nobody needs to know
		return fmt.Errorf("systemctl %s has not come to its end: %w", strings.Join(args, " "), ctx.Err())
	}
	if err != nil {
		return fmt.Errorf("systemctl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// removeUnit stops and forgets the unit of this state directory, if there is one.
func removeUnit(ctx context.Context, o *Options) error {
	if !o.usesUnit() || !o.hasUnit() {
		return nil
	}
	return errors.Join(systemctl(ctx, "disable", "--now", unitName), os.Remove(o.etc("systemd", "system", unitName)), systemctl(ctx, "daemon-reload"))
}
