package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"trefoil/internal/cliargs"
	"trefoil/internal/errs"
	"trefoil/internal/nearest"
	"trefoil/undercloud/config"
	"trefoil/undercloud/install"
)

// version is set by the linker.
var version = "devel"

// Labs and tests move what the undercloud keeps, and where it finds /etc.
const (
	stateDirEnv   = "UNDERCLOUD_STATE_DIR"
	configRootEnv = "UNDERCLOUD_CONFIG_ROOT"
)

func run(ctx context.Context, args []string, out, errw io.Writer) int {
	stateDir := os.Getenv(stateDirEnv)
	if stateDir == "" {
		stateDir = install.DefaultStateDir
	}
	app := &cli.App{Name: "undercloud", Usage: "the undercloud's service", Version: version, Writer: out, ErrWriter: errw,
		ExitErrHandler: func(*cli.Context, error) {}, Action: noCommand, OnUsageError: wrongOption,
		Commands: []*cli.Command{
			{Name: "serve", Usage: "run in the foreground", OnUsageError: wrongOption, Flags: []cli.Flag{
				&cli.StringFlag{Name: "config", Usage: "the undercloud's `FILE`, which openstack undercloud install writes", Value: config.ServicePath(stateDir)},
				&cli.StringFlag{Name: "standalone", Usage: "only the bare-metal API, introspection and network boot, as this `FILE` says; examples/baremetal.conf is one"}},
				Action: func(c *cli.Context) error { return serveAction(c, errw) }},
			{Name: "start", OnUsageError: wrongOption, Usage: "run in the background", Action: func(c *cli.Context) error { return start(c.Context, stateDir, out) }},
			{Name: "stop", OnUsageError: wrongOption, Usage: "stop the background service; unfinished work goes on at the next start", Action: func(c *cli.Context) error { return stop(c.Context, stateDir, out) }},
			{Name: "status", OnUsageError: wrongOption, Usage: "tell whether the service runs; exit code 3 if not", Action: func(*cli.Context) error { return status(stateDir, out) }},
		}}
	return ended(errw, app.RunContext(ctx, cliargs.Reorder(app, nil, args)))
}

// ended tells why a command failed and returns its exit code. A disk that is full at a start,
// when nobody else has looked for that yet, is told with what to do.
func ended(errw io.Writer, err error) int {
	if err == nil {
		return 0
	}
	err = errs.NoSpace(err)
	fmt.Fprintln(errw, "undercloud:", err)
	if h := errs.HintOf(err); h != "" {
		fmt.Fprintln(errw, "hint:", h)
	}
	if errs.Is(err, errs.Unavailable) {
		return 3 // as LSB's init scripts: not running
	}
	return 1
}

// noCommand tells what a word may mean that is no command; without one it shows the help.
func noCommand(c *cli.Context) error {
	word := c.Args().First()
	if word == "" {
		return cli.ShowAppHelp(c)
	}
	var known []string
	for _, command := range c.App.VisibleCommands() {
		if command.Name != "help" {
			known = append(known, command.Name)
		}
	}
	return errs.New(errs.Invalid, "%q is no command%s", word, nearest.Hint(word, known)).WithHint("the commands are %s; undercloud --help says more", strings.Join(known, ", "))
}

// wrongOption tells an option that is none, with the one that may be meant.
func wrongOption(c *cli.Context, err error, _ bool) error {
	name, none := strings.CutPrefix(err.Error(), "flag provided but not defined: -")
	if !none {
		return err
	}
	var known []string
	for _, f := range slices.Concat(c.Command.VisibleFlags(), c.App.VisibleFlags()) {
		known = append(known, "--"+f.Names()[0])
	}
	return errs.New(errs.Invalid, "--%s is no option%s", strings.TrimPrefix(name, "-"), nearest.Hint("--"+name, known))
}

func serveAction(c *cli.Context, errw io.Writer) error {
	if extra := c.Args().First(); extra != "" {
		return errs.New(errs.Invalid, "serve takes no arguments, and %q is one", extra).WithHint("undercloud serve --standalone FILE, or undercloud serve [--config FILE]")
	}
	if !c.IsSet("standalone") {
		return serve(c.Context, c.String("config"), errw)
	}
	if c.IsSet("config") {
		return errs.New(errs.Invalid, "--standalone and --config exclude each other: the one is the bare-metal API alone, the other the undercloud")
	}
	return serveStandalone(c.Context, c.String("standalone"), errw)
}

func service(stateDir string) (install.Service, error) {
	svc, err := config.LoadService(config.ServicePath(stateDir))
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	return install.NewService(self, stateDir, os.Getenv(configRootEnv), svc), nil
}

func start(ctx context.Context, stateDir string, out io.Writer) error {
	p, err := service(stateDir)
	if err != nil {
		return err
	}
	st, err := p.Start(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "the undercloud runs as process %d since %s, log %s\n", st.PID, st.Since.Format(time.RFC3339), p.Log())
	return nil
}

func stop(ctx context.Context, stateDir string, out io.Writer) error {
	p, err := service(stateDir)
	if err != nil {
		return err
	}
	if err := p.Stop(ctx); err != nil {
		return err
	}
	fmt.Fprintln(out, "the undercloud is stopped")
	return nil
}

func status(stateDir string, out io.Writer) error {
	p, err := service(stateDir)
	if err != nil {
		return err
	}
	st, err := p.Status()
	if err != nil {
		return err
	}
	if !st.Running {
		return errs.New(errs.Unavailable, "the undercloud is not running").WithHint("undercloud start; its log is %s", p.Log())
	}
	fmt.Fprintf(out, "the undercloud runs as process %d since %s, log %s\n", st.PID, st.Since.Format(time.RFC3339), p.Log())
	return nil
}
