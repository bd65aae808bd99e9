package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"trefoil/internal/errs"
	"trefoil/internal/format"
	"trefoil/vbmc/control"
	"trefoil/vbmc/domain"
	"trefoil/vbmc/manager"
)

func addFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "username", Usage: "IPMI user", Value: manager.DefaultUsername},
		&cli.StringFlag{Name: "password", Usage: "IPMI password; shows in the process list", Value: manager.DefaultPassword},
		&cli.StringFlag{Name: "password-file", Usage: "file whose first line is the IPMI password"},
		&cli.StringFlag{Name: "port", Usage: "UDP port, or auto: the first free one from 6230 on", Value: strconv.Itoa(manager.DefaultPort)},
		&cli.StringFlag{Name: "address", Usage: "address to listen on", Value: manager.DefaultAddress},
		&cli.StringFlag{Name: "libvirt-uri", Usage: "where the domain is", Value: manager.DefaultLibvirtURI},
		&cli.StringFlag{Name: "libvirt-sasl-username", Usage: "refused: vbmc cannot do SASL; use qemu+ssh or qemu+tls"},
		&cli.StringFlag{Name: "libvirt-sasl-password", Usage: "refused, as the user name"},
		&cli.StringFlag{Name: "kg", Usage: "BMC key; 0x begins hexadecimal; shows in the process list"},
		&cli.StringFlag{Name: "kg-file", Usage: "file whose first line is the BMC key"},
		&cli.StringFlag{Name: "cipher-suites", Usage: "such as 17,3; the preferred one first"},
		&cli.StringFlag{Name: "console", Usage: "always, ondemand or off: when the serial console is held open"},
		&cli.StringFlag{Name: "boot-mac", Usage: "network card that PXE boots from; otherwise the first one"},
		&cli.StringFlag{Name: "efi", Usage: "record or refuse: what an EFI boot override does on a domain with BIOS"},
		&cli.StringFlag{Name: "live-boot-order", Usage: "qmp, restart or off: how a guest's reboot after a one-time boot is kept from booting the same again"},
		&cli.BoolFlag{Name: "all", Aliases: []string{"from-libvirt"}, Usage: "every domain that has no BMC, each on a port of its own"},
	}
}

// editFlags are those of add without its defaults: what is not given stays.
func editFlags() []cli.Flag {
	var out []cli.Flag
	for _, f := range addFlags() {
		if s, ok := f.(*cli.StringFlag); ok {
			s.Value = ""
			out = append(out, s)
		}
	}
	return out
}

// call asks the daemon, which is started when it is not there.
func (p *program) call(c *cli.Context, req control.Request) (*control.Reply, error) {
	req.Patience = p.settings.Patience
	r, err := control.Call(c.Context, p.settings.Socket(), req)
	if errors.Is(err, control.ErrNoDaemon) {
		if err := p.wake(c); err != nil {
			return nil, err
		}
		r, err = control.Call(c.Context, p.settings.Socket(), req)
	}
	if err != nil {
		return nil, err
	}
	return r, p.tell(r)
}

// wake starts the daemon unless that was forbidden.
func (p *program) wake(c *cli.Context) error {
	if c.Bool("no-daemon") {
		if err := p.unreachable(); err != nil {
			return err
		}
		return errs.New(errs.Unavailable, "the vbmc daemon is not running (no answer on %s)", p.settings.Socket()).WithHint("start it: vbmcd")
	}
	fmt.Fprintf(p.err, "starting the vbmc daemon, log %s\n", p.settings.DaemonLog())
	_, _, err := p.spawn(c.Context)
	return err
}

// tell prints what the daemon says besides, as virtualbmc does.
func (p *program) tell(r *control.Reply) error {
	for _, m := range r.Messages {
		if strings.HasPrefix(m, "Started vBMC instance") {
			now := time.Now()
			fmt.Fprintf(p.err, "%s.%03d %d INFO VirtualBMC [-] %s\n", now.Format("2006-01-02 15:04:05,000"), now.Nanosecond()/1e6, os.Getpid(), m)
			continue
		}
		if r.RC == 0 {
			fmt.Fprintln(p.err, "warning:", m)
			continue
		}
		fmt.Fprintf(p.err, "(1): %s\n", m)
	}
	if r.RC != 0 {
		return coded(r.RC)
	}
	return nil
}

func (p *program) add(c *cli.Context) error {
	all := c.Bool("all")
	if all && c.NArg() > 0 {
		return usageError{errors.New("--all takes no domain_name")}
	}
	if err := words(c, map[bool]int{false: 1}[all]); err != nil {
		return err
	}
	password, err := secret(c, "password")
	if err != nil {
		return err
	}
	kg, err := secret(c, "kg")
	if err != nil {
		return err
	}
	req := control.Request{Command: "add", Config: manager.Config{
		Domain: c.Args().First(), Username: c.String("username"), Password: password, Address: c.String("address"), LibvirtURI: c.String("libvirt-uri"),
		SASLUsername: c.String("libvirt-sasl-username"), SASLPassword: c.String("libvirt-sasl-password"),
		KG: kg, CipherSuites: c.String("cipher-suites"), Console: c.String("console"),
		BootMAC: c.String("boot-mac"), EFI: c.String("efi"), LiveBootOrder: c.String("live-boot-order"),
	}}
	if err := setPort(&req.Config, c.String("port")); err != nil {
		return err
	}
	if all {
		if c.IsSet("port") && req.Config.Port != manager.AutoPort {
			return usageError{errors.New("--all chooses ports itself")}
		}
		req.Command = "add-all"
	}
	r, err := p.call(c, req)
	if r != nil && (all || req.Config.Port == manager.AutoPort) {
		for _, b := range r.BMCs { // who let a port be chosen wants to know it
			fmt.Fprintln(p.out, b.Domain, b.Port)
		}
	}
	if all && err == nil && len(r.BMCs) == 0 {
		fmt.Fprintln(p.err, "nothing to add: this libvirt has no domain without a BMC; see: vbmc list")
	}
	return err
}

// setPort takes --port of add and edit alike; argparse ends with 2 for what is no number.
func setPort(to *manager.Config, value string) error {
	if err := to.Set("port", value); err != nil {
		return usageError{fmt.Errorf("argument --port: invalid int value: '%s' (expected a number or auto)", value)}
	}
	return nil
}

func (p *program) edit(c *cli.Context) error {
	if err := words(c, 1); err != nil {
		return err
	}
	args := map[string]string{}
	for _, f := range c.Command.Flags {
		name := f.Names()[0]
		if !c.IsSet(name) {
			continue
		}
		value := c.String(name)
		if name == "port" {
			if err := setPort(&manager.Config{}, value); err != nil {
				return err
			}
		}
		if of, fromFile := strings.CutSuffix(name, "-file"); fromFile {
			name = of
			var err error
			if value, err = secret(c, name); err != nil {
				return err
			}
		}
		args[strings.ReplaceAll(name, "-", "_")] = value
	}
	if len(args) == 0 {
		return usageError{errors.New("nothing to change: name at least one option, see 'vbmc edit --help'")}
	}
	r, err := p.call(c, control.Request{Command: "edit", Domains: c.Args().Slice(), Args: args})
	if err == nil && args["port"] == "auto" {
		for _, b := range r.BMCs {
			fmt.Fprintln(p.out, c.Args().First(), b.Port)
		}
	}
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
	if err := words(c, 0); err != nil {
		return err
	}
	if err := choices(c, listFormats()...); err != nil {
		return err
	}
	r, err := p.call(c, control.Request{Command: "list"})
	if err != nil {
		return err
	}
	rows := make([][]any, len(r.BMCs))
	for i, b := range r.BMCs {
		rows[i] = []any{b.Domain, b.Status, b.Address, b.Port}
		if why := trouble(b); why != "" {
			fmt.Fprintf(p.err, "%s: %s\n", or(b.Directory, b.Domain), why)
		}
		p.strange(b)
	}
	return p.printList(c, []string{"Domain name", "Status", "Address", "Port"}, rows)
}

func (p *program) show(c *cli.Context) error {
	if err := words(c, 1); err != nil {
		return err
	}
	if err := choices(c, append([]string{"shell"}, listFormats()...)...); err != nil {
		return err
	}
	r, err := p.call(c, control.Request{Command: "show", Domains: c.Args().Slice()})
	if err != nil {
		return err
	}
	b := r.BMCs[0]
	fields := showFields(b)
	if c.Bool("long") {
		fields = append(fields, longFields(b)...)
	}
	if why := trouble(b); why != "" {
		fmt.Fprintln(p.err, why)
	}
	p.strange(b)
	if c.String("format") == "shell" {
		p.printShell(c.String("prefix"), c.StringSlice("column"), fields)
		return nil
	}
	rows := make([][]any, len(fields))
	for i, f := range fields {
		rows[i] = []any{f.Name, f.Value}
	}
	return p.printList(c, []string{"Property", "Value"}, rows)
}

// strange prints what the tables do not tell of a BMC that may not be as it was meant.
func (p *program) strange(b manager.Info) {
	for _, odd := range b.Odd {
		fmt.Fprintln(p.err, "warning:", odd)
	}
}

// trouble is what a person should know of a BMC that the tables do not show.
func trouble(b manager.Info) string {
	switch {
	case b.Reason != "" && b.Status == manager.StatusRunning:
		return "the configuration file is not followed: " + b.Reason
	case b.Reason != "":
		return "not running: " + b.Reason
	case b.Live != nil && b.Live.Trouble != "":
		return "the hypervisor says: " + b.Live.Trouble
	}
	return ""
}

// showFields are virtualbmc's rows, in its order.
func showFields(b manager.Info) []format.Field {
	active := "False"
	if b.Active {
		active = "True"
	}
	return []format.Field{
		{Name: "active", Value: active}, {Name: "address", Value: b.Address}, {Name: "domain_name", Value: b.Domain},
		{Name: "libvirt_sasl_password", Value: b.SASLPassword}, {Name: "libvirt_sasl_username", Value: none(b.SASLUsername)}, {Name: "libvirt_uri", Value: b.LibvirtURI},
		{Name: "password", Value: b.Password}, {Name: "port", Value: b.Port}, {Name: "status", Value: b.Status}, {Name: "username", Value: b.Username},
	}
}

// longFields are what virtualbmc does not show.
func longFields(b manager.Info) []format.Field {
	out := []format.Field{{Name: "kg", Value: none(b.KG)}, {Name: "cipher_suites", Value: or(b.CipherSuites, "17,3")}, {Name: "console", Value: b.ConsoleOrDefault()},
		{Name: "boot_mac", Value: none(b.BootMAC)}, {Name: "efi", Value: or(b.EFI, "record")}, {Name: "live_boot_order", Value: or(b.LiveBootOrder, "qmp")}}
	l := b.Live
	if l == nil {
		return append(out, format.Field{Name: "reason", Value: none(b.Reason)})
	}
	boot := l.Boot.Device.String()
	if l.Boot.Device != domain.None {
		boot += map[bool]string{true: ", persistent", false: ", once"}[l.Boot.Persistent]
		boot += map[bool]string{true: ", EFI", false: ""}[l.Boot.EFI]
	}
	return append(out, format.Field{Name: "power", Value: l.Power}, format.Field{Name: "boot_override", Value: boot},
		format.Field{Name: "identify", Value: map[bool]string{true: "on", false: "off"}[l.Identify]},
		format.Field{Name: "sessions", Value: l.Sessions}, format.Field{Name: "logins", Value: l.Logins}, format.Field{Name: "refused", Value: l.Refused},
		format.Field{Name: "commands", Value: l.Commands}, format.Field{Name: "sol_active", Value: map[bool]string{true: "yes", false: "no"}[l.SOLActive]},
		format.Field{Name: "ipmi_user", Value: or(l.Lockout, "ok")},
		format.Field{Name: "hypervisor", Value: or(l.Trouble, "ok")}, format.Field{Name: "reason", Value: none(b.Reason)})
}

func none(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
