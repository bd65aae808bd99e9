package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"trefoil/internal/cliargs"
	"trefoil/internal/errs"
	"trefoil/internal/format"
	"trefoil/vbmc/control"
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
		fmt.Fprintln(errw, "vbmc:", err)
		return exitFailed
	}
	p := &program{out: out, err: errw, settings: settings}
	app := p.app()
	err = app.RunContext(ctx, cliargs.Reorder(app, nil, args))
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
	fmt.Fprintln(errw, err)
	if h := errs.HintOf(err); h != "" {
		fmt.Fprintln(errw, "hint:", h)
	}
	return exitFailed
}

func (p *program) app() *cli.App {
	usage := func(_ *cli.Context, err error, _ bool) error { return usageError{err} }
	app := &cli.App{Name: "vbmc", Usage: "virtual BMCs for libvirt domains", Version: version, Writer: p.out, ErrWriter: p.err,
		ExitErrHandler: func(*cli.Context, error) {}, OnUsageError: usage, DisableSliceFlagSeparator: true,
		Flags: []cli.Flag{&cli.BoolFlag{Name: "no-daemon", Usage: "do not start the daemon when it is not running"},
			&cli.BoolFlag{Name: "debug"}, &cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}}, &cli.StringFlag{Name: "log-file", Usage: "accepted; the daemon has its own log"}},
		Commands: []*cli.Command{
			{Name: "add", Usage: "make a BMC for a domain", ArgsUsage: "DOMAIN", Flags: addFlags(), Action: p.add},
			{Name: "delete", Usage: "remove BMCs", ArgsUsage: "DOMAIN...", Action: p.each("delete")},
			{Name: "start", Usage: "start BMCs", ArgsUsage: "DOMAIN...", Action: p.each("start")},
			{Name: "stop", Usage: "stop BMCs", ArgsUsage: "DOMAIN...", Action: p.each("stop")},
			{Name: "list", Usage: "list BMCs", Flags: formatFlags(), Action: p.list},
			{Name: "show", Usage: "show a BMC", ArgsUsage: "DOMAIN", Flags: formatFlags(), Action: p.show},
			{Name: "daemon", Usage: "serve all BMCs (also when called as vbmcd)", Flags: []cli.Flag{
				&cli.BoolFlag{Name: "foreground", Usage: "stay in the foreground"}}, Action: p.daemon},
		},
		Action: func(c *cli.Context) error {
			if c.NArg() > 0 {
				return usageError{fmt.Errorf("'%s' is not a vbmc command. See 'vbmc --help'.%s", c.Args().First(), near(c.Args().First()))} //nolint:staticcheck // virtualbmc's words
			}
			return cli.ShowAppHelp(c)
		}}
	for _, c := range app.Commands {
		c.OnUsageError = usage
	}
	return app
}

// near names commands that begin alike.
func near(word string) string {
	for _, c := range []string{"add", "delete", "start", "stop", "list", "show", "daemon"} {
		if word != "" && (strings.HasPrefix(c, word[:1])) {
			return "\nDid you mean: " + c + "?"
		}
	}
	return ""
}

func formatFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "format", Aliases: []string{"f"}, Usage: "table, json, yaml, csv or value", Value: "table"},
		&cli.StringSliceFlag{Name: "column", Aliases: []string{"c"}, Usage: "column to show; may be given more than once"},
		&cli.StringFlag{Name: "sort-column", Usage: "column to sort by"},
	}
}

func options(c *cli.Context) format.Options {
	return format.Options{Format: c.String("format"), Columns: c.StringSlice("column"), Sort: c.String("sort-column")}
}

func addFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "username", Usage: "IPMI user", Value: manager.DefaultUsername},
		&cli.StringFlag{Name: "password", Usage: "IPMI password; shows in the process list", Value: manager.DefaultPassword},
		&cli.StringFlag{Name: "password-file", Usage: "file whose first line is the IPMI password"},
		&cli.IntFlag{Name: "port", Usage: "UDP port", Value: manager.DefaultPort},
		&cli.StringFlag{Name: "address", Usage: "address to listen on", Value: manager.DefaultAddress},
		&cli.StringFlag{Name: "libvirt-uri", Usage: "where the domain is", Value: manager.DefaultLibvirtURI},
		&cli.StringFlag{Name: "libvirt-sasl-username"}, &cli.StringFlag{Name: "libvirt-sasl-password"},
	}
}

// call asks the daemon, which is started when it is not there.
func (p *program) call(c *cli.Context, req control.Request) (*control.Reply, error) {
	r, err := control.Call(c.Context, p.settings.Socket(), req)
	if errors.Is(err, control.ErrNoDaemon) {
		if c.Bool("no-daemon") {
			return nil, errs.New(errs.Unavailable, "the vbmc daemon is not running (no answer on %s)", p.settings.Socket()).WithHint("start it: vbmcd")
		}
		fmt.Fprintf(p.err, "starting the vbmc daemon, log %s\n", p.settings.DaemonLog())
		if err := p.spawn(c.Context); err != nil {
			return nil, err
		}
		r, err = control.Call(c.Context, p.settings.Socket(), req)
	}
	if err != nil {
		return nil, err
	}
	for _, m := range r.Messages {
		if strings.HasPrefix(m, "Started vBMC instance") {
			now := time.Now()
			fmt.Fprintf(p.err, "%s.%03d %d INFO VirtualBMC [-] %s\n", now.Format("2006-01-02 15:04:05,000"), now.Nanosecond()/1e6, os.Getpid(), m)
			continue
		}
		fmt.Fprintf(p.err, "(1): %s\n", m)
	}
	if r.RC != 0 {
		return r, coded(r.RC)
	}
	return r, nil
}

func (p *program) add(c *cli.Context) error {
	if c.NArg() != 1 {
		return usageError{errors.New("the following arguments are required: domain_name")}
	}
	password := c.String("password")
	if f := c.String("password-file"); f != "" {
		data, err := os.ReadFile(f)
		if err != nil {
			return fmt.Errorf("read the password: %w", err)
		}
		password, _, _ = strings.Cut(string(data), "\n")
		password = strings.TrimSuffix(password, "\r")
	}
	_, err := p.call(c, control.Request{Command: "add", Config: manager.Config{Domain: c.Args().First(), Username: c.String("username"), Password: password,
		Port: c.Int("port"), Address: c.String("address"), LibvirtURI: c.String("libvirt-uri"),
		SASLUsername: c.String("libvirt-sasl-username"), SASLPassword: c.String("libvirt-sasl-password")}})
	return err
}

func (p *program) each(command string) cli.ActionFunc {
	return func(c *cli.Context) error {
		if c.NArg() == 0 {
			return usageError{errors.New("the following arguments are required: domain_names")}
		}
		_, err := p.call(c, control.Request{Command: command, Domains: c.Args().Slice()})
		return err
	}
}

func (p *program) list(c *cli.Context) error {
	r, err := p.call(c, control.Request{Command: "list"})
	if err != nil {
		return err
	}
	rows := make([][]any, len(r.BMCs))
	for i, b := range r.BMCs {
		rows[i] = []any{b.Domain, b.Status, b.Address, b.Port}
	}
	o := options(c)
	columns := []string{"Domain name", "Status", "Address", "Port"}
	if o.Format == "table" { // cliff of virtualbmc's time stood numbers left, as the article shows
		for _, row := range rows {
			row[3] = fmt.Sprint(row[3])
		}
	}
	return format.List(p.out, o, columns, rows)
}

func (p *program) show(c *cli.Context) error {
	if c.NArg() != 1 {
		return usageError{errors.New("the following arguments are required: domain_name")}
	}
	r, err := p.call(c, control.Request{Command: "show", Domains: c.Args().Slice()})
	if err != nil {
		return err
	}
	b := r.BMCs[0]
	active := "False"
	if b.Active {
		active = "True"
	}
	fields := []format.Field{{Name: "active", Value: active}, {Name: "address", Value: b.Address}, {Name: "domain_name", Value: b.Domain},
		{Name: "libvirt_sasl_password", Value: b.SASLPassword}, {Name: "libvirt_sasl_username", Value: none(b.SASLUsername)}, {Name: "libvirt_uri", Value: b.LibvirtURI},
		{Name: "password", Value: b.Password}, {Name: "port", Value: b.Port}, {Name: "status", Value: b.Status}, {Name: "username", Value: b.Username}}
	if b.Reason != "" {
		fmt.Fprintf(p.err, "not running: %s\n", b.Reason)
	}
	o := options(c)
	if o.Format != "table" && o.Format != "" {
		rows := make([][]any, len(fields))
		for i, f := range fields {
			rows[i] = []any{f.Name, f.Value}
		}
		return format.List(p.out, o, []string{"Property", "Value"}, rows)
	}
	return format.ShowAs(p.out, o, "Property", "Value", fields)
}

func none(s string) any {
	if s == "" {
		return nil
	}
	return s
}
