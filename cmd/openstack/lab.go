package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"trefoil/examples"
	"trefoil/internal/errs"
	"trefoil/internal/format"
	"trefoil/internal/initramfs"
	"trefoil/overcloud/lab"
)

// labCommand makes and removes virtual laboratories. It talks to the host it runs
// on, not to an undercloud.
func labCommand() *cli.Command {
	return &cli.Command{Name: "lab", Usage: "virtual machines with BMCs to try an undercloud on", Subcommands: []*cli.Command{
		{Name: "create", Usage: "make a lab, or finish one that was interrupted", ArgsUsage: "[NAME]", Action: labCreate, Flags: []cli.Flag{
			&cli.StringFlag{Name: "file", Usage: "description of the lab (default: the article's five machines, see --print-example)"},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "where the node file is written", Value: "inspection.json"},
			&cli.StringFlag{Name: "acceleration", Usage: "auto, kvm or tcg, instead of the description's"},
			&cli.BoolFlag{Name: "dry-run", Usage: "say what would be made and make nothing"},
			&cli.BoolFlag{Name: "print-example", Usage: "print the default description and make nothing"},
		}},
		{Name: "list", Usage: "list labs", Flags: formatFlags(), Action: labList},
		{Name: "show", Usage: "show a lab and its machines", ArgsUsage: "NAME", Flags: formatFlags(), Action: labShow},
		{Name: "delete", Usage: "remove a lab and everything that runs in it", ArgsUsage: "NAME", Action: labDelete},
		{Name: "exec", Usage: "run a command inside a lab's network", ArgsUsage: "NAME -- COMMAND...", Action: labExec},
		{Name: "shell", Usage: "run a shell inside a lab's network", ArgsUsage: "NAME", Action: labExec},
	}}
}

func labManager(c *cli.Context) (*lab.Manager, error) {
	m, err := lab.New("", func(line string) {
		if !c.Bool("quiet") {
			fmt.Fprintln(c.App.ErrWriter, line)
		}
	})
	if err != nil {
		return nil, err
	}
	m.Probe.Fetch = func(ctx context.Context) (string, error) {
		k, err := initramfs.FetchKernel(ctx, kernelCache, initramfs.Cloud)
		return k.Image, err
	}
	return m, nil
}

// kernelCache keeps the kernel that the probe boots where /boot has none; the
// undercloud takes the ramdisk's kernel from the same place.
const kernelCache = "/var/cache/trefoil/kernel"

func labDescription(c *cli.Context) (file string, data []byte, err error) {
	if file = c.String("file"); file == "" {
		file = "lab.yaml (built in)"
		data, err = examples.FS.ReadFile("lab.yaml")
	} else {
		data, err = os.ReadFile(file)
	}
	if err != nil {
		return "", nil, errs.Wrap(errs.Invalid, err, "read the lab's description")
	}
	return file, data, nil
}

func labCreate(c *cli.Context) error {
	if c.NArg() > 1 {
		return usageError{fmt.Errorf("unrecognized arguments: %s", strings.Join(c.Args().Slice()[1:], " "))}
	}
	file, data, err := labDescription(c)
	if err != nil {
		return err
	}
	if c.Bool("print-example") {
		_, err := c.App.Writer.Write(data)
		return err
	}
	config, err := lab.Parse(file, data, c.Args().First())
	if err != nil {
		return err
	}
	switch a := c.String("acceleration"); a {
	case "":
	case "auto", "kvm", "tcg":
		config.Acceleration = a
	default:
		return usageError{fmt.Errorf("argument --acceleration: %q is unknown; expected auto, kvm or tcg", a)}
	}
	m, err := labManager(c)
	if err != nil {
		return err
	}
	if c.Bool("dry-run") {
		s, err := m.Plan(c.Context, config)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.App.Writer, "acceleration %s: %s\n", s.Acceleration.Accel, s.Acceleration.Reason)
		return labMachines(c, &lab.Status{State: s})
	}
	s, err := m.Create(c.Context, config, c.String("output"))
	if err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "Lab %s is ready. Work inside it: openstack lab shell %s\n", s.Config.Name, s.Config.Name)
	return nil
}

func labList(c *cli.Context) error {
	if _, err := args(c); err != nil {
		return err
	}
	m, err := labManager(c)
	if err != nil {
		return err
	}
	labs, err := m.List(c.Context)
	if err != nil {
		return err
	}
	rows := make([][]any, len(labs))
	for i, s := range labs {
		rows[i] = []any{s.Config.Name, s.Condition(), len(s.Machines), s.Config.Namespace, string(s.Acceleration.Accel), s.Dir()}
	}
	return format.List(c.App.Writer, options(c), []string{"Name", "State", "Machines", "Namespace", "Acceleration", "Directory"}, rows)
}

func labShow(c *cli.Context) error {
	a, err := args(c, "NAME")
	if err != nil {
		return err
	}
	m, err := labManager(c)
	if err != nil {
		return err
	}
	s, err := m.Show(c.Context, a[0])
	if err != nil {
		return err
	}
	n := s.Config.Network
	fields := []format.Field{
		{Name: "name", Value: s.Config.Name}, {Name: "state", Value: s.Condition()}, {Name: "namespace", Value: s.Config.Namespace},
		{Name: "acceleration", Value: string(s.Acceleration.Accel)}, {Name: "acceleration_reason", Value: s.Acceleration.Reason},
		{Name: "bridge", Value: n.Bridge}, {Name: "cidr", Value: n.CIDR}, {Name: "host_address", Value: n.HostAddress}, {Name: "local_interface", Value: n.Interface},
		{Name: "libvirt_uri", Value: s.LibvirtURI()}, {Name: "vbmc_config", Value: s.VBMCConfig()},
		{Name: "directory", Value: s.Dir()}, {Name: "inspection", Value: s.Inspection},
	}
	if c.String("format") != "table" {
		return format.Show(c.App.Writer, options(c), append(fields, format.Field{Name: "machines", Value: labObjects(s)}))
	}
	if err := format.Show(c.App.Writer, options(c), fields); err != nil {
		return err
	}
	return labMachines(c, s)
}

// labMachines prints a lab's machines as a table, and what they have less of than was asked for.
func labMachines(c *cli.Context, s *lab.Status) error {
	rows := make([][]any, len(s.Machines))
	for i, x := range s.Machines {
		var sizes []string
		for _, d := range x.Disks {
			sizes = append(sizes, d.Size.String())
		}
		rows[i] = []any{x.Name, x.Role, x.VCPUs, x.RAM.MiB(), strings.Join(sizes, "+"), x.NICs[0].MAC, x.Firmware, x.VBMC.Port, s.Power[x.Name], s.VBMC[x.Name]}
	}
	err := format.List(c.App.Writer, format.Options{}, []string{"Machine", "Role", "vCPUs", "Memory MiB", "Disks", "MAC", "Firmware", "vBMC Port", "Power", "vBMC"}, rows)
	if cut := s.Cut(); err == nil && cut != "" {
		_, err = fmt.Fprintln(c.App.Writer, cut)
	}
	return err
}

// labObjects are the machines as plain objects; nothing secret is among them.
func labObjects(s *lab.Status) []any {
	out := make([]any, len(s.Machines))
	for i, x := range s.Machines {
		out[i] = map[string]any{
			"name": x.Name, "role": x.Role, "vcpus": x.VCPUs, "memory_mib": x.RAM.MiB(), "disk_gib": x.Disks[0].Size.GiB(), "mac": x.NICs[0].MAC,
			"firmware": x.Firmware, "vbmc_port": x.VBMC.Port, "power": s.Power[x.Name], "vbmc": s.VBMC[x.Name], "console_log": s.ConsoleLog(x.Name),
		}
	}
	return out
}

func labDelete(c *cli.Context) error {
	a, err := args(c, "NAME")
	if err != nil {
		return err
	}
	m, err := labManager(c)
	if err != nil {
		return err
	}
	return m.Delete(c.Context, a[0])
}

// labExec replaces this process by the command, or by a shell.
func labExec(c *cli.Context) error {
	a, err := args(c, "NAME", "COMMAND...")
	if c.Command.Name == "shell" {
		a, err = args(c, "NAME")
	}
	if err != nil {
		return err
	}
	if len(a) == 1 {
		shell := os.Getenv("SHELL")
		if shell == "" {
			shell = "/bin/sh"
		}
		a = append(a, shell)
	}
	m, err := labManager(c)
	if err != nil {
		return err
	}
	argv, env, err := m.Command(a[0], a[1:])
	if err != nil {
		return err
	}
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return errs.Wrap(errs.NotFound, err, "run %s in lab %s", argv[0], a[0])
	}
	if err := syscall.Exec(path, argv, append(os.Environ(), env...)); err != nil {
		return fmt.Errorf("run %s: %w", argv[0], err)
	}
	return nil
}
