package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"trefoil/internal/cliargs"
	"trefoil/internal/errs"
	"trefoil/internal/format"
	"trefoil/overcloud/session"
)

// version is set by the linker.
var version = "devel"

// Exit codes, as the Python clients have them.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitChanges     = 3 // of a dry run: something would change
	exitInterrupted = 130
)

// bareTemplates is what --templates means without a value: the tree in this binary.
const bareTemplates = "/usr/share/openstack-tripleo-heat-templates/"

// program is what commands share: streams and the global options.
type program struct {
	in       io.Reader
	out, err io.Writer
}

func run(ctx context.Context, args []string, in io.Reader, out, errw io.Writer) int {
	p := &program{in: in, out: out, err: errw}
	if isNeutron(args) {
		return p.runNeutron(ctx, args)
	}
	args = helpOf(args)
	app := p.app()
	usageEverywhere(app.Commands)
	cliargs.PlainHelp(app)
	if next, ok := p.handOver(app, args); ok {
		return next()
	}
	args = cliargs.Reorder(app, cliargs.Optional{"templates": bareTemplates}, args)
	err := app.RunContext(ctx, args)
	return p.exit(ctx, err)
}

func (p *program) app() *cli.App {
	return &cli.App{
		Name: "openstack", Usage: "OpenStack On OpenStack: an undercloud that deploys overclouds", Version: version,
		Writer: p.out, ErrWriter: p.err,
		DisableSliceFlagSeparator: true, // capabilities='profile:control,boot_option:local' is one value
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "os-cloud", Usage: "cloud of clouds.yaml (OS_CLOUD)"},
			&cli.StringFlag{Name: "os-auth-type", Usage: "none and http_basic are for a standalone bare-metal service, password and v3applicationcredential for a cloud (OS_AUTH_TYPE)"},
			&cli.StringFlag{Name: "os-endpoint", Usage: "URL of a standalone service (OS_ENDPOINT)"},
			&cli.StringFlag{Name: "os-username", Usage: "user (OS_USERNAME)"},
			&cli.StringFlag{Name: "os-password", Usage: "password; better in OS_PASSWORD, which is in no list of processes"},
			&cli.StringFlag{Name: "os-cacert", Usage: "certificates of an own authority (OS_CACERT)"},
			&cli.BoolFlag{Name: "debug", Usage: "print each API request to standard error, without headers and bodies"},
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "no progress"},
		},
		Commands: []*cli.Command{
			p.undercloudCommand(), p.overcloudCommand(), p.baremetalCommand(), p.imageCommand(), p.subnetCommand(), p.flavorCommand(),
			p.serverCommand(), p.hostCommand(), p.projectCommand(), p.stackCommand(), p.tokenCommand(), labCommand(),
		},
		ExitErrHandler: func(*cli.Context, error) {}, // run prints and chooses the code
		OnUsageError:   usage,
	}
}

// usageError is a wrong command line: exit code 2.
type usageError struct{ err error }

func (u usageError) Error() string { return u.err.Error() }

func usage(_ *cli.Context, err error, _ bool) error { return usageError{reworded(err)} }

var (
	badValue = regexp.MustCompile(`^invalid value "(.*)" for flag -+(\S+): .*$`)
	noValue  = regexp.MustCompile(`^flag needs an argument: -+(\S+)$`)
)

// reworded says what is wrong with a flag as the Python client does.
func reworded(err error) error {
	if m := noValue.FindStringSubmatch(err.Error()); m != nil {
		return fmt.Errorf("argument %s: expected one argument", dashed(m[1]))
	}
	if m := badValue.FindStringSubmatch(err.Error()); m != nil {
		return fmt.Errorf("argument %s: invalid value: '%s'", dashed(m[2]), m[1])
	}
	return err
}

func dashed(flag string) string {
	if len(flag) == 1 {
		return "-" + flag
	}
	return "--" + flag
}

// usageEverywhere has every command tell a wrong flag in one line, with exit code 2.
func usageEverywhere(cmds []*cli.Command) {
	for _, c := range cmds {
		c.OnUsageError = usage
		usageEverywhere(c.Subcommands)
	}
}

// exit prints err and chooses the exit code.
func (p *program) exit(ctx context.Context, err error) int {
	var u usageError
	var quiet silentError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &quiet):
		return int(quiet)
	case errors.As(err, &u):
		fmt.Fprintf(p.err, "openstack: error: %v\n", err)
		return exitUsage
	}
	fmt.Fprintln(p.err, err)
	if h := errs.HintOf(err); h != "" {
		fmt.Fprintf(p.err, "hint: %s\n", h)
	}
	if ctx.Err() != nil {
		return exitInterrupted
	}
	return exitFailed
}

// silentError ends with a code; everything has been said.
type silentError int

func (silentError) Error() string { return "" }

// session logs in as the global options and the environment say.
func (p *program) session(c *cli.Context) (*session.Session, error) {
	return session.FromEnv(c.Context, p.sessionOptions(c))
}

// sessionOptions are what the global options say of a login.
func (p *program) sessionOptions(c *cli.Context) session.Options {
	o := session.Options{Cloud: c.String("os-cloud"), AuthType: c.String("os-auth-type"), Endpoint: c.String("os-endpoint"),
		Username: c.String("os-username"), Password: c.String("os-password"), CACert: c.String("os-cacert"),
		Silent: "is the service running? undercloud status; of an overcloud: openstack overcloud status"}
	if c.Bool("debug") {
		o.Debug = func(method, url string, status int, took time.Duration) {
			fmt.Fprintf(p.err, "DEBUG: %s %s %d %s\n", method, url, status, took.Round(time.Millisecond))
		}
	}
	return o
}

// progress is where waiting is told: standard error, or nowhere.
func (p *program) progress(c *cli.Context) io.Writer {
	if c.Bool("quiet") {
		return io.Discard
	}
	return p.err
}

// formatFlags are those of every command that prints a result.
func formatFlags(more ...cli.Flag) []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "format", Aliases: []string{"f"}, Usage: "table, json, yaml, csv or value", Value: "table"},
		&cli.StringSliceFlag{Name: "column", Aliases: []string{"c"}, Usage: "column to show; may be given more than once"},
		&cli.StringFlag{Name: "sort-column", Usage: "column to sort by"},
	}, more...)
}

func options(c *cli.Context) format.Options {
	return format.Options{Format: c.String("format"), Columns: c.StringSlice("column"), Sort: c.String("sort-column")}
}

// args checks the number of arguments and returns them.
func args(c *cli.Context, names ...string) ([]string, error) {
	got := c.Args().Slice()
	many := len(names) > 0 && strings.HasSuffix(names[len(names)-1], "...")
	switch {
	case len(got) < len(names):
		return nil, usageError{fmt.Errorf("the following arguments are required: %s", strings.Join(names[len(got):], ", "))}
	case len(got) > len(names) && !many:
		return nil, usageError{fmt.Errorf("unrecognized arguments: %s", strings.Join(got[len(names):], " "))}
	}
	return got, nil
}

// home is the user's directory.
func home() (string, error) {
	h, err := os.UserHomeDir()
	if err != nil {
		return "", errs.Wrap(errs.Invalid, err, "find the home directory").WithHint("set HOME")
	}
	return h, nil
}
