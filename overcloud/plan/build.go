package plan

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"sort"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/nearest"
	"trefoil/overcloud/hot"
	"trefoil/overcloud/jinja"
	"trefoil/overcloud/network"
	"trefoil/overcloud/stack/eval"
)

// Options are what one deployment adds to the tree.
type Options struct {
	Stack        string            // default overcloud
	Action       string            // CREATE or UPDATE, the parameter StackAction; default CREATE
	Roles        File              // empty: roles_data.yaml of the tree
	Networks     File              // empty: network_data.yaml of the tree
	VIPs         File              // vip_data; empty: virtual addresses are chosen
	Base         []File            // environments that the tree's own go over
	Environments []File            // -e, in order; a name below the tree is relative to it
	Files        map[string][]byte // files outside the tree that environments refer to, by cleaned path
	Counts       map[string]int    // machines by role, from --control-scale and the like
	Removed      map[string][]int  // by role, indexes that earlier actions removed: they are not given again, as Heat remembers them of a group
	Flavors      map[string]string // flavors by role, from --control-flavor and the like
	Parameters   map[string]any    // parameter_defaults from other flags: NtpServer, NovaComputeLibvirtType …
	Passwords    map[string]string // from GeneratePasswords
	Ctlplane     eval.Subnet       // the provisioning network; empty: 192.168.24.0/24, as TripleO's
	Leaves       []eval.Subnet     // its other subnets, behind routers: machines may ask for addresses there
	Addresses    map[string]string // of an earlier plan: they are kept
	Fixed        []Fixed           // addresses that a file of machines asks for
	Machines     []Node            // that are there already, with their indexes and addresses
	Sketch       int               // where more machines are asked for in all, one of each role is planned; 0: all are
	AddressHeld  bool              // the machines are laid out for the virtual address in Addresses
}

// TreePath is where TripleO keeps its tree; environments may name files below it.
const TreePath = "/usr/share/openstack-tripleo-heat-templates/"

const rootTemplate = "overcloud.yaml"

// builder holds what one Build works on.
type builder struct {
	tree     fs.FS
	o        Options
	rendered map[string][]byte
	roles    *roleFile
	networks *jinja.List

	networksFile File
	env          *hot.Environment
	virtual      []network.VIP  // virtual ones that a file asks for
	warnings     []string       // met while the plan is made
	mapped       []hot.Mapping  // lines of registries that a person gave
	basic        []string       // types that the tree's own environments map
	machines     int            // that are asked for in all
	asked        map[string]int // machines by role, where one of each stands for all
	given        []given        // parameters that a person gave, to be checked for misspelling
	ev           *eval.Evaluator
	root         *eval.Stack
}

type given struct {
	name   string
	origin hot.Origin
	root   bool // of the root template only
}

// Build turns the tree and the options into a plan. It is deterministic: the
// same input gives the same plan. Precedence of parameters, low to high: the
// tree's environments, passwords, Parameters, Counts and Flavors, Environments.
func Build(ctx context.Context, tree fs.FS, o Options) (*Plan, error) {
	if o.Stack == "" {
		o.Stack = "overcloud"
	}
	b := &builder{tree: tree, o: o, env: hot.NewEnvironment()}
	if err := b.load(ctx); err != nil {
		return nil, err
	}
	if err := b.environment(); err != nil {
		return nil, err
	}
	b.wholeCounts()
	b.sketch()
	if err := b.checkServices(); err != nil {
		return nil, err
	}
	if err := b.shapes(); err != nil {
		return nil, err
	}
	b.ev = b.evaluator()
	var err error
	if b.root, err = b.ev.Stack(ctx, rootTemplate, nil); err != nil {
		return nil, err
	}
	return b.plan()
}

// evaluator is one that knows the tree and the provisioning network.
func (b *builder) evaluator() *eval.Evaluator {
	ctlplane := b.roomy()
	ev := &eval.Evaluator{Read: b.read, Env: b.env, Root: b.o.Stack, Subnets: []eval.Subnet{ctlplane}}
	ev.Addresses, ev.Indexes = b.known(ctlplane.Network)
	ev.Removed, ev.Sketch = map[string][]int{}, map[string]bool{}
	for role := range b.asked {
		ev.Sketch[b.o.Stack+"."+role] = true
	}
	for role, list := range b.o.Removed {
		ev.Removed[b.o.Stack+"."+role] = list
	}
	if seed := b.o.Passwords[SeedName]; seed != "" {
		ev.Random = seeded([]byte(seed))
	}
	return ev
}

// plan reads what the evaluated stack says.
func (b *builder) plan() (*Plan, error) {
	p := &Plan{Stack: b.o.Stack, Sketched: b.asked != nil, Parameters: b.effective(), Unseeded: b.ev.Random == nil && len(b.ev.Secrets()) > 0, Passwords: map[string]string{}, Outputs: map[string]any{},
		Networks: b.ev.Networks(), Addresses: b.ev.Planned(), Registry: b.registry(), RootTemplate: b.rendered[rootTemplate]}
	for k, v := range b.o.Passwords {
		if p.Passwords[k] = v; k != SeedName {
			p.Passwords[k] = hot.String(b.env.Defaults[k])
		}
	}
	p.CloudDomain, _ = b.root.Parameters["CloudDomain"].(string)
	for _, o := range b.root.Template().Outputs {
		v, err := b.root.Output(o.Name)
		if err != nil {
			return nil, err
		}
		p.Outputs[o.Name] = v
	}
	for _, def := range b.roles.roles {
		r, err := b.role(def)
		if err != nil {
			return nil, err
		}
		p.Roles = append(p.Roles, *r)
		servers, err := b.servers(def, r)
		if err != nil {
			return nil, err
		}
		p.Servers = append(p.Servers, servers...)
	}
	if err := b.check(p); err != nil {
		return nil, err
	}
	p.Deployments = b.deployments(p.Servers)
	if err := p.weigh(); err != nil {
		return nil, err
	}
	p.standing, p.external = b.standing(p), b.root.Parameters[loadBalancer] == false
	p.Blacklist, p.listedBy = b.blacklist(), b.setBy(BlacklistParameter)
	p.NetworkLabels, p.CopiesBy = b.labels(), b.setBy(copiesParameter)+copiesParameter
	var err error
	if p.MTU, err = b.packetSizes(); err != nil {
		return nil, err
	}
	p.NetworkConfigs = b.networkConfigs(p.Outputs)
	p.Findings, p.Given, p.Declared, p.Secrets = b.findings(), b.named(), b.ev.Declared(), slices.Concat(b.ev.Secrets(), p.keystonePasswords())
	p.Warnings = slices.Concat(b.lint(p.Findings), p.unclustered(), p.livedWith(), b.balancedElsewhere(p), p.open(), b.idleAddresses(p), b.idleFixed(), b.idleNetworks(p), b.strayNetworks(p), p.cutOff(), b.wireless(p))
	p.Hidden = b.ev.Hidden()
	for _, k := range slices.Concat(sortedKeys(b.o.Passwords), b.env.Encrypted) {
		if !slices.Contains(p.Hidden, k) && k != SeedName {
			p.Hidden = append(p.Hidden, k)
		}
	}
	slices.Sort(p.Hidden)
	for _, check := range []func(*Plan) error{(*Plan).checkNeeds, (*Plan).checkSockets, b.checkNetworks, b.checkVLANs, b.checkSegments, b.checkCeph, (*Plan).clash, b.grown} {
		if err := check(p); err != nil {
			return nil, err
		}
	}
	return p, p.rehearse()
}

// registry is what stands behind each type.
func (b *builder) registry() map[string]string {
	out := map[string]string{}
	for _, t := range b.env.Types() {
		out[t], _, _ = b.env.Resolve(t)
	}
	return out
}

// load reads roles and networks and renders the tree.
func (b *builder) load(ctx context.Context) error {
	roles, err := b.file(b.o.Roles, "roles_data.yaml")
	if err != nil {
		return err
	}
	networks, err := b.file(b.o.Networks, "network_data.yaml")
	if err != nil {
		return err
	}
	if b.roles, err = parseRoles(roles); err != nil {
		return err
	}
	nets, err := parseNetworks(networks)
	if err != nil {
		return err
	}
	b.networks, b.networksFile = nets, networks
	if err := b.checkNetworkNames(); err != nil {
		return err
	}
	b.rendered, err = render(ctx, b.tree, b.roles, nets)
	return err
}

func (b *builder) file(f File, def string) (File, error) {
	if f.Data != nil {
		return f, nil
	}
	if f.Name == "" {
		f.Name = def
	}
	data, err := b.read(f.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return f, errs.New(errs.NotFound, "%s not found in the template tree", f.Name).
			WithHint("give --templates a directory with TripleO's layout")
	}
	return File{f.Name, data}, err
}

// read returns a rendered file, a file of the tree or one that came with the environments.
func (b *builder) read(name string) ([]byte, error) {
	name = path.Clean(name)
	if data, ok := b.o.Files[name]; ok {
		return data, nil
	}
	name = strings.TrimPrefix(name, TreePath)
	if data, ok := b.rendered[name]; ok {
		return data, nil
	}
	if !fs.ValidPath(name) {
		return nil, fs.ErrNotExist
	}
	return fs.ReadFile(b.tree, name)
}

// checkServices tells which services of the roles file no registry knows.
func (b *builder) checkServices() error {
	var p problems
	for _, r := range b.roles.roles {
		for _, s := range r.Services {
			if _, _, mapped := b.env.Resolve(s.Text); !mapped {
				p.add(b.roles.name, s.Line, "role %s: unknown service %q%s", r.Name, s.Text, nearest.Hint(s.Text, b.env.Types()))
			}
		}
	}
	if len(p) == 0 {
		return nil
	}
	return errs.New(errs.Invalid, "%s", strings.Join(p, "\n")).
		WithHint("a service needs a line in a resource_registry: a template, or OS::Heat::None to leave it out")
}

// lint is what a person should look at again.
func (b *builder) lint(findings []Finding) []string {
	out := append(append([]string(nil), b.env.Warnings...), b.ev.Warnings()...)
	out = append(out, b.leftOut()...)
	out = append(out, withoutEffect(b.env.Overrides)...)
	out = append(out, b.warnings...)
	out = append(out, b.unasked()...)
	for _, f := range findings {
		out = append(out, f.String())
	}
	return out
}

// withoutEffect tells of what Heat would heed on single resources.
func withoutEffect(overrides []hot.Override) []string {
	var out []string
	for _, o := range overrides {
		for _, x := range []struct {
			key  string
			list []string
		}{{"hooks", o.Hooks}, {"restricted_actions", o.Restricted}} {
			if len(x.list) > 0 {
				out = append(out, fmt.Sprintf("%s: resource_registry resources %s: %s (%s) has no effect here: no step waits for it or is refused",
					o.Origin, strings.Join(o.Resource, "."), x.key, strings.Join(x.list, ", ")))
			}
		}
	}
	return out
}

// withoutTemplate is the environment that lists services which the tree has no template for.
const withoutTemplate = "environments/services-without-template.yaml"

// leftOut tells, for each role, which services are asked for but not there yet.
func (b *builder) leftOut() []string {
	var out []string
	for _, r := range b.roles.roles {
		var names []string
		services, _ := b.root.Parameters[r.Name+"Services"].([]any)
		for _, s := range services {
			if target, from, _ := b.env.Resolve(hot.String(s)); target == "OS::Heat::None" && from.File == withoutTemplate {
				names = append(names, strings.TrimPrefix(hot.String(s), serviceTypes))
			}
		}
		if len(names) > 0 {
			out = append(out, fmt.Sprintf("%s: role %s: %d services have no template yet and are left out: %s", b.roles.name, r.Name, len(names), strings.Join(names, ", ")))
		}
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}
