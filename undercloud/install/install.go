// Package install turns an undercloud.conf into a running undercloud: checks
// first, then steps that can be repeated. A second run changes only what the
// configuration changed; a run that was cut off is finished by the next.
package install

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"trefoil/internal/errs"
	"trefoil/internal/filelock"
	"trefoil/undercloud/config"
)

// DefaultStateDir is where an installed undercloud keeps everything that is its own.
const DefaultStateDir = "/var/lib/undercloud"

// Options is what an installation needs to know. Home and Binary (or StartService) are required.
type Options struct {
	ConfPath   string // default Home/undercloud.conf; a relative path is taken from Home
	Home       string // of the operator: stackrc, passwords, keys and the log go there
	StateDir   string // default /var/lib/undercloud
	ConfigRoot string // default /; prefix of /etc, for tests
	IPXEDir    string // default /usr/lib/ipxe
	Binary     string // the undercloud program

	// StartService starts the daemon, or restarts it when changed says that its
	// configuration did. Default: a systemd unit where systemd is PID 1, else a
	// background process of Binary.
	StartService func(ctx context.Context, svc *config.Service, changed bool) error
	// Commands are programs that must be on PATH; nft is added where there is NAT.
	Commands []string
	// HealthTimeout bounds the wait for the service; default five minutes: one that ends is not waited for.
	HealthTimeout time.Duration

	Out        io.Writer // what the operator sees; default os.Stdout
	Now        func() time.Time
	Rand       io.Reader
	Interfaces func() ([]string, error)
	EUID       func() int
	LookPath   func(string) (string, error)
	MemoryMB   func() (int, error) // RAM and swap
}

func (o Options) withDefaults() Options {
	if o.StateDir == "" {
		o.StateDir = DefaultStateDir
	}
	if o.ConfigRoot == "" {
		o.ConfigRoot = "/"
	}
	if o.IPXEDir == "" {
		o.IPXEDir = "/usr/lib/ipxe"
	}
	if o.ConfPath == "" {
		o.ConfPath = "undercloud.conf"
	}
	if !filepath.IsAbs(o.ConfPath) {
		o.ConfPath = filepath.Join(o.Home, o.ConfPath)
	}
	if o.HealthTimeout == 0 {
		o.HealthTimeout = startLimit
	}
	if o.Out == nil {
		o.Out = os.Stdout
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Interfaces == nil {
		o.Interfaces = interfaceNames
	}
	if o.EUID == nil {
		o.EUID = os.Geteuid
	}
	if o.LookPath == nil {
		o.LookPath = exec.LookPath
	}
	if o.MemoryMB == nil {
		o.MemoryMB = memoryMB
	}
	return o
}

func interfaceNames() ([]string, error) {
	list, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, i := range list {
		names = append(names, i.Name)
	}
	return names, nil
}

func (o *Options) etc(path ...string) string {
	return filepath.Join(append([]string{o.ConfigRoot, "etc"}, path...)...)
}

func (o *Options) home(path ...string) string {
	return filepath.Join(append([]string{o.Home}, path...)...)
}

// The two files that an operator must keep safe.
func (o *Options) passwordsPath() string { return o.home("undercloud-passwords.conf") }
func (o *Options) stackrcPath() string   { return o.home("stackrc") }

// installer is one run.
type installer struct {
	Options
	log       *logger
	conf      *config.Config
	svc       *config.Service
	passwords map[string]string
	lock      *os.File // while it is open no other installation runs on StateDir
}

// Run installs or updates the undercloud. Everything it has to say, the reason of
// a failure included, goes to Out and to ~/.instack/install-undercloud.log: a
// caller only has to exit with 1 when there is an error.
func Run(ctx context.Context, o Options) error {
	o = o.withDefaults()
	log, err := openLog(o)
	if err != nil {
		return err
	}
	defer log.close()
	in := &installer{Options: o, log: log}
	defer func() { in.lock.Close() }() // nil: closes nothing
	if err := in.run(ctx); err != nil {
		log.failure(err)
		return err
	}
	log.complete(o.passwordsPath(), o.stackrcPath())
	return nil
}

func (in *installer) run(ctx context.Context) error {
	if in.EUID() != 0 {
		return errs.New(errs.Forbidden, "installing the undercloud needs root: it makes a bridge, firewall rules and files in /etc").
			WithHint("run it again as: sudo --preserve-env=HOME,PATH openstack undercloud install")
	}
	in.log.info("Logging to %s", in.log.path)
	if err := in.load(); err != nil {
		return err
	}
	if err := in.preflight(ctx); err != nil {
		return err
	}
	for _, s := range in.steps() {
		in.log.info("%s", s.title)
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("stopped before: %s; run the same command again to go on: %w", s.title, err)
		}
		if err := s.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

type step struct {
	name, title string
	do          func(context.Context) error
}

func (in *installer) steps() []step {
	changed := false
	return []step{
		{"make state directory", "Making the state directory " + in.StateDir, in.stateDir},
		{"make passwords", "Making passwords that are missing", in.makePasswords},
		{"write /etc/hosts", "Checking the host name " + in.conf.Hostname + " in /etc/hosts", in.hostsFile},
		{"make ssh key", "Checking the SSH key of the operator", in.sshKey},
		// Before the configuration, with which the service does not start without it.
		{"make certificate", "Checking the certificate of the public endpoints", in.certificate},
		{"write service configuration", "Writing the service configuration", func(context.Context) (err error) {
			changed, err = in.serviceFile()
			return err
		}},
		{"configure network", "Configuring " + config.Bridge + " with " + in.conf.LocalIP.String(), func(ctx context.Context) error {
			return EnsureNetwork(ctx, in.svc, in.ConfigRoot)
		}},
		{"write os-net-config", "Writing /etc/os-net-config/config.json", in.netConfigFile},
		{"write stackrc", "Writing stackrc and clouds.yaml", in.clientFiles},
		{"start service", "Starting the undercloud service", func(ctx context.Context) error { return in.start(ctx, changed) }},
		{"configure ctlplane", "Configuring the ctlplane network, flavors and keypair", in.bootstrap},
	}
}

// load reads the file.
func (in *installer) load() error {
	conf, err := config.Load(in.ConfPath)
	if err != nil {
		return err
	}
	if conf.Hostname == "" {
		name, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("ask for the host name: %w", err)
		}
		conf.Hostname = name
	}
	for _, what := range conf.Ignored {
		in.log.warn("Option without effect: %s", what)
	}
	in.conf = conf
	return nil
}

func (in *installer) stateDir(context.Context) error {
	if err := os.MkdirAll(in.StateDir, 0o700); err != nil {
		return err
	}
	if err := os.Chmod(in.StateDir, 0o700); err != nil {
		return err
	}
	return in.alone()
}

// alone keeps a second installation off: each would make passwords, and
// stackrc could get those of one and the service those of the other. The lock
// goes with the process, however it ends.
func (in *installer) alone() error {
	f, err := os.OpenFile(filepath.Join(in.StateDir, "install.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := filelock.Take(f); err != nil {
		f.Close()
		return errs.Wrap(errs.Conflict, err, "another installation of this undercloud is running").
			WithHint("wait until it has ended, then run the same command again")
	}
	in.lock = f
	return nil
}

func (in *installer) serviceFile() (bool, error) {
	key, err := os.ReadFile(in.home(".ssh", "id_rsa.pub"))
	if err != nil {
		return false, fmt.Errorf("read the operator's public key: %w", err)
	}
	in.svc = &config.Service{Config: *in.conf, StateDir: in.StateDir, Bridge: config.Bridge,
		AdminPassword: in.passwords["undercloud_admin_password"], SSHPublicKey: string(key), Ports: config.DefaultPorts()}
	if in.conf.TLS() {
		in.svc.TLSPorts = config.DefaultTLSPorts()
	}
	return in.svc.Save(config.ServicePath(in.StateDir))
}
