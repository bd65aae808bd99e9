package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"trefoil/internal/cliargs"
	"trefoil/internal/errs"
	"trefoil/internal/nearest"
	"trefoil/vbmc/manager"
)

// version is set by the linker.
var version = "devel"

// Exit codes of virtualbmc: 1 for every failure, 2 for a wrong command line.
const (
	exitFailed = 1
	exitUsage  = 2
)

// program is what commands share.
type program struct {
	out, err io.Writer
	settings manager.Settings
	service  string // socket of the service manager that started this program

	detached bool // a command started this daemon: it makes room for a service's
}

type usageError struct{ err error }

func (u usageError) Error() string { return u.err.Error() }

// coded ends with a code; everything has been said.
type coded int

func (coded) Error() string { return "" }

func run(ctx context.Context, args []string, getenv func(string) string, out, errw io.Writer) int {
	if filepath.Base(args[0]) == "vbmcd" {
		args = append([]string{"vbmc", "daemon"}, args[1:]...)
	}
	settings, err := manager.LoadSettings(getenv)
	if err != nil {
		return fail(errw, fmt.Errorf("vbmc: %w", err))
	}
	p := &program{out: out, err: errw, settings: settings, service: getenv("NOTIFY_SOCKET")}
	app := p.app(args)
	if args, err = cliargs.Whole(app, args); err != nil {
		err = usageError{err}
	} else {
		err = app.RunContext(ctx, cliargs.Reorder(app, nil, args))
	}
	var u usageError
	var c coded
	switch {
	case err == nil:
		return 0
	case errors.As(err, &c):
		return int(c)
	case errors.As(err, &u):
		fmt.Fprintln(errw, "vbmc: error:", err)
		return exitUsage
	}
	return fail(errw, err)
}

// fail tells what went wrong and what to do.
func fail(errw io.Writer, err error) int {
	fmt.Fprintln(errw, err)
	if h := errs.HintOf(err); h != "" {
		fmt.Fprintln(errw, "hint:", h)
	}
	return exitFailed
}

func (p *program) app(args []string) *cli.App {
	usage := func(c *cli.Context, err error, _ bool) error { return usageError{flagError(c, err, args)} }
	app := &cli.App{Name: "vbmc", Usage: "virtual BMCs for libvirt domains", HideVersion: true, Writer: p.out, ErrWriter: p.err,
		ExitErrHandler: func(*cli.Context, error) {}, OnUsageError: usage, DisableSliceFlagSeparator: true,
		Flags: globalFlags(), Commands: p.commands(),
		Before: func(c *cli.Context) error {
			if c.Bool("version") {
				fmt.Fprintln(p.out, "vbmc", version)
				return coded(0)
			}
			return nil
		},
		Action: func(c *cli.Context) error {
			if c.NArg() > 0 {
				return usageError{fmt.Errorf("'%s' is not a vbmc command. See 'vbmc --help'.%s", c.Args().First(), p.near(c.Args().First()))} //nolint:staticcheck // virtualbmc's words
			}
			return cli.ShowAppHelp(c)
		}}
	for _, c := range app.Commands {
		c.OnUsageError = usage
	}
	return app
}

func globalFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "no-daemon", Usage: "do not start the daemon when it is not running"},
		&cli.BoolFlag{Name: "version", Usage: "print the version"}, // -v is "verbose" in virtualbmc
		&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "accepted; the daemon has its own log"},
		&cli.BoolFlag{Name: "debug", Usage: "accepted; the daemon has its own log"},
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "accepted; the daemon has its own log"},
		&cli.StringFlag{Name: "log-file", Usage: "of the daemon, in place of [log] logfile; accepted elsewhere"},
	}
}

func (p *program) commands() []*cli.Command {
	return []*cli.Command{
		{Name: "add", Usage: "make a BMC for a domain, or for all", ArgsUsage: "DOMAIN", Flags: addFlags(), Action: p.add},
		{Name: "delete", Usage: "remove BMCs", ArgsUsage: "DOMAIN...", Action: p.each("delete")},
		{Name: "start", Usage: "start BMCs", ArgsUsage: "DOMAIN...", Action: p.each("start")},
		{Name: "stop", Usage: "stop BMCs", ArgsUsage: "DOMAIN...", Action: p.each("stop")},
		{Name: "edit", Usage: "change a BMC; sessions stay open where they can", ArgsUsage: "DOMAIN", Flags: editFlags(), Action: p.edit},
		{Name: "list", Usage: "list BMCs", Flags: formatFlags(), Action: p.list},
		{Name: "show", Usage: "show a BMC", ArgsUsage: "DOMAIN", Flags: formatFlags(
			&cli.BoolFlag{Name: "long", Usage: "also what is going on now"},
			&cli.StringFlag{Name: "prefix", Usage: "of shell: begins the names of all variables"}), Action: p.show},
		{Name: "log", Usage: "show the daemon's log and the BMC's event log of a domain", ArgsUsage: "DOMAIN", Flags: []cli.Flag{
			&cli.BoolFlag{Name: "follow", Aliases: []string{"f"}, Usage: "go on until interrupted"}}, Action: p.log},
		{Name: "sol", Usage: "use the serial console of a domain through its BMC", ArgsUsage: "DOMAIN", Flags: solFlags(), Action: p.sol},
		{Name: "doctor", Usage: "find out why a BMC does not answer; all of them without a DOMAIN", ArgsUsage: "[DOMAIN...]", Flags: formatFlags(), Action: p.doctor},
		{Name: "complete", Usage: "print the bash completion", Action: p.complete},
		{Name: "daemon", Usage: "serve all BMCs (also when called as vbmcd)", Flags: []cli.Flag{
			&cli.BoolFlag{Name: "foreground", Usage: "stay in the foreground"},
			&cli.BoolFlag{Name: "detached", Hidden: true}}, Action: p.daemon}, // of launch
	}
}

func (p *program) commandNames() []string {
	var names []string
	for _, c := range p.commands() {
		names = append(names, c.Name)
	}
	return names
}

// near names the command that may be meant: the nearest, else the first that begins alike.
func (p *program) near(word string) string {
	known := p.commandNames()
	best := nearest.Name(word, known)
	for _, c := range known {
		if best == "" && word != "" && strings.HasPrefix(c, word[:1]) {
			best = c
		}
	}
	if best == "" {
		return ""
	}
	return "\nDid you mean: " + best + "?"
}
