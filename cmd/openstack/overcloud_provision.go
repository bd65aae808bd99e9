package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"trefoil/internal/errs"
	"trefoil/internal/format"
	"trefoil/internal/nearest"
	"trefoil/overcloud/baremetal"
	"trefoil/overcloud/deploy"
	"trefoil/overcloud/network/provision"
	"trefoil/overcloud/role"
	"trefoil/overcloud/stack"
	"trefoil/overcloud/stack/client"
	"trefoil/roles"
)

func (p *program) provisionCommands() []*cli.Command {
	ports := &cli.BoolFlag{Name: "network-ports", Usage: "deprecated; ports are always made"}
	return []*cli.Command{
		p.nodeDeleteCommand(),
		{Name: "provision", Usage: "bring up the machines of a file, configure nothing", ArgsUsage: "BAREMETAL_DEPLOYMENT", Flags: []cli.Flag{
			outputFlag("baremetal_environment.yaml"), yesFlag(), stackFlag(), templatesFlag(), workingDirFlag(), ports,
			&cli.StringFlag{Name: "overcloud-ssh-user", Usage: "accepted; the image's user is heat-admin", Value: "heat-admin"},
			&cli.StringFlag{Name: "overcloud-ssh-key", Usage: "private key whose public half (FILE.pub) may log in as well"},
			&cli.IntFlag{Name: "concurrency", Usage: "accepted; the undercloud's own limit holds", Value: 20},
			&cli.IntFlag{Name: "timeout", Usage: "seconds", Value: 3600},
			&cli.BoolFlag{Name: "network-config", Usage: "accepted; other networks than ctlplane are set up by overcloud deploy"},
		}, Action: p.nodeProvision},
		{Name: "unprovision", Usage: "give back the machines that a file marks with provisioned: false", ArgsUsage: "BAREMETAL_DEPLOYMENT", Flags: []cli.Flag{
			yesFlag(), stackFlag(), ports, &cli.BoolFlag{Name: "all", Usage: "every machine of the file"},
			&cli.BoolFlag{Name: "force", Usage: "also where something of the deployed cloud is lost"},
		}, Action: p.nodeUnprovision},
		{Name: "extract", Usage: "write files of what is deployed", Subcommands: []*cli.Command{
			{Name: "provisioned", Usage: "write a file of a stack's machines", Flags: []cli.Flag{outputFlag(""), yesFlag(), stackFlag(), workingDirFlag(),
				&cli.StringFlag{Name: "roles-file", Aliases: []string{"r"}, Usage: "roles, for the default routes of their networks"},
				&cli.StringFlag{Name: "networks-file", Aliases: []string{"n"}, Usage: "accepted; the undercloud knows its networks"},
			}, Action: p.nodeExtract},
		}},
	}
}

// machineFile is the file of instances that the command line names.
type machineFile struct {
	path, text string
	made       *baremetal.Deployment
}

func (p *program) machineFile(c *cli.Context) (*machineFile, error) {
	a, err := args(c, "BAREMETAL_DEPLOYMENT")
	if err != nil {
		return nil, err
	}
	return p.readMachines(a[0], c.String("stack"))
}

func (p *program) readMachines(path, stackName string) (*machineFile, error) {
	data, err := readInput(path, "Bare-metal deployment file")
	if err != nil {
		return nil, err
	}
	f, err := baremetal.Parse(path, data)
	if err != nil {
		return nil, err
	}
	for _, b := range f.Playbooks() {
		fmt.Fprintf(p.err, "WARNING: role %s: the playbook %s is not run: there is no Ansible here\n", b.Role, b.File)
	}
	for _, w := range f.Warnings() {
		fmt.Fprintf(p.err, "WARNING: %s\n", w)
	}
	made, err := f.Expand(baremetal.Options{Stack: stackName})
	if err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(path)
	return &machineFile{abs, string(data), made}, err
}

// publicKey reads FILE.pub beside a private key.
func publicKey(c *cli.Context) (string, error) {
	key := c.String("overcloud-ssh-key")
	if key == "" {
		return "", nil
	}
	data, err := os.ReadFile(key + ".pub")
	if err != nil {
		return "", errs.Wrap(errs.Invalid, err, "--overcloud-ssh-key %s", key).WithHint("ssh-keygen -y -f %s > %s.pub", key, key)
	}
	return string(data), nil
}

func (p *program) nodeProvision(c *cli.Context) error {
	f, err := p.machineFile(c)
	if err != nil {
		return err
	}
	out, err := p.output(c)
	if err != nil {
		return err
	}
	keys, err := publicKey(c)
	if err != nil {
		return err
	}
	seconds := c.Int("timeout")
	if seconds < 1 {
		return usageError{fmt.Errorf("--timeout %d: expected seconds, 1 or more", seconds)}
	}
	if c.Bool("network-ports") {
		fmt.Fprintln(p.err, `DEPRECATED option "--network-ports" detected. This option is no longer used, network ports are always managed.`)
	}
	if err := p.likeRoles(f.path, f.made.Roles); err != nil {
		return err
	}
	in := stack.Input{Only: stack.OnlyProvision, BaremetalFile: f.path, Files: map[string]string{f.path: f.text}, SSHKeys: keys}
	d := &deployment{p: p, c: c, name: c.String("stack"), in: in}
	if err := d.plan(); err != nil {
		return err
	}
	nets, err := provision.New(d.s)
	if err != nil {
		return err
	}
	if err := nets.CheckPorts(c.Context, f.path, f.made.Instances); err != nil {
		return err
	}
	if _, err := d.checked(); err != nil {
		return err
	}
	s, err := d.followed((seconds + 59) / 60)
	if err != nil {
		return err
	}
	env, err := d.machinesEnvironment(s, f, nets)
	if err != nil {
		return err
	}
	if err := writeYAML(out, env); err != nil {
		return err
	}
	fmt.Fprintf(p.out, "Nodes deployed successfully, add %s to your deployment environment\n", c.String("output"))
	return nil
}

// likeRoles warns of roles that are called almost as one in this program: which there are is known
// only to overcloud deploy, when the machines have been provisioned.
func (p *program) likeRoles(path string, asked []baremetal.Role) error {
	const slip = 2
	known, err := role.Dir{FS: roles.FS, Path: bareTemplates + "roles"}.Names()
	if err != nil {
		return err
	}
	for _, r := range asked {
		near := nearest.Name(r.Name, known)
		suffix, own := strings.CutPrefix(r.Name, near) // Compute1 and ComputeB are roles of somebody's own
		own = own && suffix != "" && suffix == strings.ToUpper(suffix)
		if near != "" && near != r.Name && !own && nearest.Distance(r.Name, near) <= slip {
			fmt.Fprintf(p.err, "WARNING: %s: role %s is none that comes with the templates; did you mean %q? overcloud deploy will want a roles file (-r) that has it\n", path, r.Name, near)
		}
	}
	return nil
}

// followed is follow to a good end.
func (d *deployment) followed(timeoutMins int) (*client.Stack, error) {
	s, err := d.follow(timeoutMins)
	if err == nil && strings.HasSuffix(s.Status, stack.Failed) {
		d.p.printFailures(s.Failures)
		err = errs.New(errs.Conflict, "stack %s is %s", d.name, s.Status).WithHint("run the same command again: it goes on where it stopped")
	}
	return s, err
}

// machinesEnvironment gives the machines their ports on all networks and says
// what the templates must know of them.
func (d *deployment) machinesEnvironment(s *client.Stack, f *machineFile, nets *provision.Client) (map[string]any, error) {
	ctx := d.c.Context
	nodes, err := d.h.Nodes(ctx, s.ID)
	if err != nil {
		return nil, err
	}
	dir, err := home()
	if err != nil {
		return nil, err
	}
	if err := d.pinHosts(dir, nodes); err != nil {
		return nil, err
	}
	var machines []provision.Machine
	for _, in := range f.made.Instances {
		at := slices.IndexFunc(nodes, func(n client.Node) bool { return n.Name == in.Hostname })
		if at < 0 {
			return nil, errs.New(errs.Internal, "stack %s has no machine %s", d.name, in.Hostname)
		}
		machines = append(machines, provision.Machine{Instance: in, UUID: nodes[at].InstanceUUID})
	}
	ports, capitals, err := nets.Ports(ctx, d.name, machines)
	if err != nil {
		return nil, err
	}
	return f.made.Environment(ports, capitals, d.c.String("templates")), nil
}

func (p *program) nodeUnprovision(c *cli.Context) error {
	f, err := p.machineFile(c)
	if err != nil {
		return err
	}
	if c.Bool("network-ports") {
		fmt.Fprintln(p.err, `DEPRECATED option "--network-ports" detected. This option is no longer used, network ports are always managed.`)
	}
	h, err := p.stacks(c)
	if err != nil {
		return err
	}
	name := c.String("stack")
	old, err := h.Stack(c.Context, name)
	if err != nil && !errs.Is(err, errs.NotFound) {
		return err
	}
	var names []string
	var rows [][]any
	if err == nil {
		if names, rows, err = p.toUnprovision(c, h, old, f.made); err != nil {
			return err
		}
	}
	if len(names) == 0 {
		fmt.Fprintln(p.out, "Nothing to unprovision, exiting")
		return nil
	}
	fmt.Fprintln(p.out, "\nThe following nodes will be unprovisioned:")
	if err := format.Table(p.out, []string{"hostname", "name", "id"}, rows, format.Left); err != nil {
		return err
	}
	if !c.Bool("yes") {
		if err := p.confirm(fmt.Sprintf("Are you sure you want to unprovision these %s nodes and ports [y/N]? ", name)); err != nil {
			return err
		}
	}
	d := &deployment{p: p, c: c, name: name, in: stack.Input{Only: stack.OnlyUnprovision, Unprovision: names, Force: c.Bool("force")}, h: h, old: old}
	if _, err := d.followed(unprovisionMinutes); err != nil {
		return err
	}
	fmt.Fprintln(p.out, "Unprovision complete")
	return nil
}

// unprovisionMinutes is how long giving back, with its cleaning, may take.
const unprovisionMinutes = 240

// toUnprovision are those machines of the stack that the file marks, or with --all those that it lists.
func (p *program) toUnprovision(c *cli.Context, h *client.Client, s *client.Stack, d *baremetal.Deployment) (names []string, rows [][]any, err error) {
	if s.InProgress() {
		return nil, nil, errs.New(errs.Conflict, "Unable to unprovision as the stack '%s' status is '%s'", s.Name, s.Status).
			WithHint("follow it with: openstack stack event list %s --follow; stop it with: openstack stack cancel %s", s.Name, s.Name)
	}
	nodes, err := h.Nodes(c.Context, s.ID)
	if err != nil {
		return nil, nil, err
	}
	marked := d.Absent
	if c.Bool("all") {
		marked = slices.Concat(d.Instances, d.Absent)
	}
	labels, err := p.nodeNames(c)
	if err != nil {
		return nil, nil, err
	}
	for _, in := range marked {
		for _, n := range nodes {
			if n.Name == in.Hostname {
				names = append(names, n.Name)
				rows = append(rows, []any{n.Name, labels[n.NodeUUID], n.NodeUUID})
			}
		}
	}
	return names, rows, nil
}

// withMachines adds deploy's -b FILE to what is sent.
func (p *program) withMachines(c *cli.Context, in *stack.Input) error {
	path := c.String("baremetal-deployment")
	if path == "" {
		return nil
	}
	f, err := p.readMachines(path, c.String("stack"))
	if err != nil {
		return err
	}
	for _, s := range scales() {
		if _, set := in.Counts[s.role]; set && slices.ContainsFunc(f.made.Roles, func(r baremetal.Role) bool { return r.Name == s.role }) {
			return usageError{errors.New("--" + s.flag + "-scale: " + path + " says how many machines " + s.role + " has")}
		}
	}
	in.Files[f.path], in.BaremetalFile = f.text, f.path
	_, err = deploy.Machines(&stack.Stack{Name: c.String("stack"), Input: *in})
	return err
}
