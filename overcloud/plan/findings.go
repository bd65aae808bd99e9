package plan

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"trefoil/internal/nearest"
	"trefoil/overcloud/hot"
)

// Kinds of findings.
const (
	Unused     = "unused"     // no template declares the parameter
	NoService  = "service"    // only a service declares it that no role has
	Deprecated = "deprecated" // a template says that it is on its way out
	RootOnly   = "root"       // it is given in the section parameters, which only the root template reads, and others declare it too
	NotOfRole  = "role"       // it stands in a role's parameters, and no template of its services lets a role set it
)

// Finding is a parameter that somebody gave and should look at again.
type Finding struct {
	Kind      string `json:"kind"`
	Parameter string `json:"parameter"`
	Where     string `json:"where"`             // file and line, or the command line
	Nearest   string `json:"nearest,omitempty"` // of unused ones and those of a role: the declared name that may be meant
	Says      string `json:"says,omitempty"`    // of deprecated ones: the template's description; of a service: its type; of those of a role: what to do
}

// String is the finding as a warning.
func (f Finding) String() string {
	if f.Kind == Deprecated {
		s := fmt.Sprintf("%s: parameter %s is deprecated", f.Where, f.Parameter)
		if f.Says != "" {
			s += ": " + f.Says
		}
		return s
	}
	s := fmt.Sprintf("%s: parameter %s is not used by any template", f.Where, f.Parameter)
	if f.Kind == RootOnly {
		return fmt.Sprintf("%s: %s stands in the section parameters, which only overcloud.yaml reads; services read parameter_defaults", f.Where, f.Parameter)
	}
	if f.Kind == NoService {
		return fmt.Sprintf("%s: parameter %s is of %s, which no role has", f.Where, f.Parameter, f.Says)
	}
	if f.Kind == NotOfRole {
		return fmt.Sprintf("%s: %s is not supported as a role-specific input: %s", f.Where, f.Parameter, f.Says)
	}
	if f.Nearest != "" {
		s += fmt.Sprintf("; did you mean %q?", f.Nearest)
	}
	return s
}

// findings are those of the parameters that a person gave, in their order.
func (b *builder) findings() []Finding {
	declared, deprecated, others := b.ev.Declared(), b.ev.Deprecated(), sync.OnceValue(b.undeployed)
	var out []Finding
	for _, g := range b.given {
		says, old := deprecated[g.name]
		switch {
		case !b.ev.Used(g.name) && (ofProvisioning(g.name) || generated.MatchString(g.name)):
		case g.root && b.ev.DeclaredBelow(g.name, rootTemplate):
			out = append(out, Finding{Kind: RootOnly, Parameter: g.name, Where: g.origin.String()})
		case !b.ev.Used(g.name) && others()[g.name] != "":
			out = append(out, Finding{Kind: NoService, Parameter: g.name, Where: g.origin.String(), Says: others()[g.name]})
		case !b.ev.Used(g.name):
			near := nearest.Name(g.name, append(declared, sortedKeys(others())...))
			if b.nothing(g.name) && (near == "" || nearest.Distance(g.name, near) > slip) {
				continue
			}
			out = append(out, Finding{Kind: Unused, Parameter: g.name, Where: g.origin.String(), Nearest: near})
		case old:
			out = append(out, Finding{Kind: Deprecated, Parameter: g.name, Where: g.origin.String(), Says: says})
		}
	}
	return append(out, b.ofRoles(others())...)
}

// undeployed are the parameters of services that the tree has and no role asks for, each
// with the first such service: nobody misspelt them. A template that cannot be read says
// nothing here, as nothing is deployed from it.
func (b *builder) undeployed() map[string]string {
	out := map[string]string{}
	for _, typ := range b.env.Types() {
		file, _, _ := b.env.Resolve(typ)
		if !strings.HasPrefix(typ, serviceTypes) || !hot.IsFile(file) || b.ev.Asked(typ) {
			continue
		}
		data, err := b.ev.Read(file)
		if err != nil {
			continue
		}
		t, err := hot.ParseTemplate(file, data)
		if err != nil {
			continue
		}
		for _, d := range t.Parameters {
			if out[d.Name] == "" {
				out[d.Name] = typ
			}
		}
	}
	return out
}

// serviceTypes begin the types of services, which roles list.
const serviceTypes = "OS::TripleO::Services::"

// slip is how many letters of a name somebody may have got wrong for it to be taken for
// another, where it is harmless if it is meant.
const slip = 2

// nothing tells a parameter that asks for no machines of a role that there is not: that
// is what there will be.
func (b *builder) nothing(name string) bool {
	return strings.HasSuffix(name, "Count") && hot.String(b.effective()[name]) == "0"
}

// ofRoles are the parameters of single roles (<Role>Parameters) that no template of the
// role's services takes from there: only those with the tag role_specific are.
func (b *builder) ofRoles(others map[string]string) []Finding {
	var out []Finding
	for _, g := range b.given {
		role, ok := strings.CutSuffix(g.name, "Parameters")
		if !ok || !slices.ContainsFunc(b.roles.roles, func(r roleDef) bool { return r.Name == role }) {
			continue
		}
		given, _ := b.env.Defaults[g.name].(map[string]any)
		known := b.ev.RoleSpecific(role)
		for _, k := range sortedKeys(given) {
			f := Finding{Kind: Unused, Parameter: g.name + " " + k, Where: b.env.At(g.name, k).String()}
			switch {
			case slices.Contains(known, k):
				continue
			case b.ev.Used(k) && b.roleSpecific(k):
				f.Kind, f.Says = NotOfRole, "no service of role "+role+" takes it"
			case b.ev.Used(k):
				f.Kind, f.Says = NotOfRole, "it changes nothing there; under parameter_defaults it is that of all roles"
			case others[k] != "":
				f.Kind, f.Says = NoService, others[k]
			default:
				f.Nearest = nearest.Name(k, slices.Concat(known, b.ev.Declared()))
			}
			out = append(out, f)
		}
	}
	return out
}

// roleSpecific tells a parameter that some role may set for itself.
func (b *builder) roleSpecific(name string) bool {
	return slices.ContainsFunc(b.roles.roles, func(r roleDef) bool { return slices.Contains(b.ev.RoleSpecific(r.Name), name) })
}

// generated are parameters that tools write for every service there is, used or
// not; TripleO's client does not warn of them either.
var generated = regexp.MustCompile(`^((Docker|Container).*Image|SwiftFetchDir(Get|Put)Tempurl|PythonInterpreter)$`)

// ofProvisioning tells the parameters that node, network and vip provision write
// into their environments: a tree that has no use for one is not a mistake.
func ofProvisioning(name string) bool {
	return strings.HasSuffix(name, "RemovalPolicies") || slices.Contains([]string{hostnameMap, "DeployedServerPortMap", "NodePortMap",
		"DeployedNetworkEnvironment", "VipPortMap", "ControlPlaneVipData"}, name)
}

// named are the parameters that a person gave, each once, sorted.
func (b *builder) named() []string {
	var out []string
	for _, g := range b.given {
		out = append(out, g.name)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// provisioned are the types that network, vip and node provision map in their
// environments, whether or not the tree has them.
var provisioned = regexp.MustCompile(`^OS::TripleO::(Network(::.*)?|DeployedServer::.*|Server|.*Server|.*::Ports::.*)$`)

// unasked tells lines of registries that a person gave for types that no template
// asks for and the tree does not know: a mistyped one changes nothing.
func (b *builder) unasked() []string {
	var out []string
	for _, m := range b.mapped {
		asked := provisioned.MatchString(m.Pattern) || strings.Contains(m.Pattern, "*") || len(m.Resource) > 0 || slices.Contains(b.basic, m.Pattern) || b.ev.Asked(m.Pattern) ||
			slices.ContainsFunc(b.env.Registry, func(x hot.Mapping) bool { return x.Target == m.Pattern })
		if !asked {
			out = append(out, fmt.Sprintf("%s: resource_registry %s: no template asks for this type%s", m.Origin, m.Pattern, nearest.Hint(m.Pattern, b.basic)))
		}
	}
	return out
}
