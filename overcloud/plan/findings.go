package plan

import (
	"fmt"
	"slices"
	"strings"

	"trefoil/internal/nearest"
)

// Kinds of findings.
const (
	Unused     = "unused"     // no evaluated template declares the parameter
	Deprecated = "deprecated" // a template says that it is on its way out
)

// Finding is a parameter that somebody gave and should look at again.
type Finding struct {
	Kind      string `json:"kind"`
	Parameter string `json:"parameter"`
	Where     string `json:"where"`             // file and line, or the command line
	Nearest   string `json:"nearest,omitempty"` // of unused ones: the declared name that may be meant
	Says      string `json:"says,omitempty"`    // of deprecated ones: the template's description
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
	if f.Nearest != "" {
		s += fmt.Sprintf("; did you mean %q?", f.Nearest)
	}
	return s
}

// findings are those of the parameters that a person gave, in their order.
func (b *builder) findings() []Finding {
	declared, deprecated := b.ev.Declared(), b.ev.Deprecated()
	var out []Finding
	for _, g := range b.given {
		says, old := deprecated[g.name]
		switch {
		case !b.ev.Used(g.name) && ofProvisioning(g.name):
		case !b.ev.Used(g.name):
			out = append(out, Finding{Kind: Unused, Parameter: g.name, Where: g.origin.String(), Nearest: nearest.Name(g.name, declared)})
		case old:
			out = append(out, Finding{Kind: Deprecated, Parameter: g.name, Where: g.origin.String(), Says: says})
		}
	}
	return out
}

// ofProvisioning tells the parameters that node, network and vip provision write
// into their environments: a tree that has no use for one is not a mistake.
func ofProvisioning(name string) bool {
	return strings.HasSuffix(name, "RemovalPolicies") || slices.Contains([]string{"HostnameMap", "DeployedServerPortMap", "NodePortMap",
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
