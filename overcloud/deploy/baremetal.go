package deploy

import (
	"io/fs"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/nearest"
	"trefoil/internal/yaml"
	"trefoil/overcloud/baremetal"
	"trefoil/overcloud/placement"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/stack"
)

// Machines is what a stack's baremetal_deployment file asks for; nil without such a file.
func Machines(s *stack.Stack) (*baremetal.Deployment, error) {
	if s.Input.BaremetalFile == "" {
		return nil, nil
	}
	text, ok := s.Input.Files[s.Input.BaremetalFile]
	if !ok {
		return nil, errs.New(errs.NotFound, "%s is not among the files sent", s.Input.BaremetalFile)
	}
	f, err := baremetal.Parse(s.Input.BaremetalFile, []byte(text))
	if err != nil {
		return nil, err
	}
	d, err := f.Expand(baremetal.Options{Stack: s.Name, SSHKeys: s.Input.SSHKeys})
	if err != nil {
		return nil, err
	}
	var foreign []string
	for _, in := range d.Instances {
		if !in.Managed() {
			foreign = append(foreign, in.Hostname)
		}
	}
	if len(foreign) > 0 {
		return nil, errs.New(errs.Invalid, "%s: machines that run already (managed: false) cannot be taken over yet: %s", s.Input.BaremetalFile, strings.Join(foreign, ", ")).
			WithHint("leave them out, or have them deployed: managed: true")
	}
	return d, nil
}

// cloudDomain is the default of the parameter CloudDomain in TripleO's templates,
// for machines that come up before any template is read.
const cloudDomain = "localdomain"

// onlyMachines tells that nothing but machines was ever asked of a stack.
func onlyMachines(s *stack.Stack) bool { return len(s.Input.Tree) == 0 && s.Input.BaremetalFile != "" }

// machinesTemplate stands where such a stack's overcloud.yaml would be.
const machinesTemplate = "heat_template_version: queens\ndescription: Machines that are provisioned and not yet configured.\nresources: {}\n"

// machinesOnly is the plan of an action that only provisions: roles, counts and
// names of the file, nothing to configure. It needs no templates.
func (w Plans) machinesOnly(s *stack.Stack, d *baremetal.Deployment, there []plan.Node) (*plan.Plan, error) {
	p := &plan.Plan{Stack: s.Name, CloudDomain: cloudDomain, Outputs: map[string]any{}, RootTemplate: []byte(machinesTemplate)}
	if d == nil {
		return p, nil
	}
	for _, r := range d.Roles {
		server := r.Name
		if server == "Compute" {
			server = "NovaCompute" // deprecated_server_resource_name of TripleO's roles
		}
		p.Roles = append(p.Roles, plan.Role{Name: r.Name, Count: r.Count, HostnameFormat: r.HostnameFormat, ServerResource: server})
	}
	return p, plan.CheckFixed(plan.Options{Stack: s.Name, Ctlplane: w.Ctlplane, Leaves: w.Leaves, Addresses: s.Addresses, Machines: there, Fixed: fixed(s, d)})
}

// fixed are the addresses that a file of machines asks for.
func fixed(s *stack.Stack, d *baremetal.Deployment) []plan.Fixed {
	if d == nil {
		return nil
	}
	var out []plan.Fixed
	for _, in := range d.Instances {
		for _, n := range in.Networks() {
			if n.FixedIP != "" {
				out = append(out, plan.Fixed{Role: in.Role, Host: in.Hostname, Index: in.Index, Network: n.Network, IP: n.FixedIP, File: s.Input.BaremetalFile, Line: in.Line})
			}
		}
	}
	return out
}

// counted is the environment by which the file's roles, counts and names reach
// the templates. It comes last: the file decides.
func counted(s *stack.Stack, d *baremetal.Deployment) (plan.File, error) {
	data, err := yaml.Marshal(map[string]any{"parameter_defaults": d.Parameters()})
	return plan.File{Name: s.Input.BaremetalFile, Data: data}, err
}

// settle holds the file of instances against the roles that a plan is to be made of.
func settle(tree fs.FS, o plan.Options, s *stack.Stack, d *baremetal.Deployment) error {
	names, err := plan.RoleNames(tree, o)
	if err != nil {
		return err
	}
	for _, r := range d.Roles {
		if !slices.Contains(names, r.Name) {
			cure := "give a roles file that has it (-r): openstack overcloud roles generate -o FILE " + r.Name
			if nearest.Name(r.Name, names) != "" {
				cure = "correct the name, or give a roles file that has such a role (-r)"
			}
			return errs.New(errs.Invalid, "%s: role %s is not in the roles file%s", s.Input.BaremetalFile, r.Name, nearest.Hint(r.Name, names)).WithHint("%s", cure)
		}
	}
	return nil
}

// rolesOf are the roles that a file lists.
func rolesOf(d *baremetal.Deployment) map[string]bool {
	out := map[string]bool{}
	if d != nil {
		for _, r := range d.Roles {
			out[r.Name] = true
		}
	}
	return out
}

// instanceOf is what the file says of a host name, or the zero Instance.
func instanceOf(d *baremetal.Deployment, name string) baremetal.Instance {
	if d != nil {
		for _, in := range d.Instances {
			if in.Hostname == name {
				return in
			}
		}
	}
	return baremetal.Instance{}
}

// concerned are the nodes that the action is about.
func (r *run) concerned(nodes []stack.Node) []stack.Node {
	if r.s.Input.Only != stack.OnlyProvision {
		return nodes
	}
	return slices.DeleteFunc(slices.Clone(nodes), func(n stack.Node) bool { return instanceOf(r.machines, n.Name).Hostname == "" })
}

// image is the name of the image that a chosen machine gets.
func (r *run) image(c placement.Choice, role plan.Role) string {
	if in := instanceOf(r.machines, c.Name); in.Hostname != "" {
		return in.Image()
	}
	return role.Image
}

// keys are the lines of a text that hold something.
func keys(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}
