package plan

import (
	"slices"

	"trefoil/internal/errs"
	"trefoil/internal/nearest"
	"trefoil/overcloud/hot"
)

// BlacklistParameter names machines that a deployment leaves as they are, as in TripleO.
const BlacklistParameter = "DeploymentServerBlacklist"

// blacklist is what it names.
func (b *builder) blacklist() []string {
	given, _ := b.root.Parameters[BlacklistParameter].([]any)
	var out []string
	for _, v := range given {
		out = append(out, hot.String(v))
	}
	return out
}

// Listed refuses a blacklist with a name that no machine has: mistyped, the machine that was meant
// would be changed. It is for who asks for a deployment: in what is deployed already a name may be
// that of a machine which has left since.
func (p *Plan) Listed() error {
	if p.Sketched {
		return nil
	}
	var names []string
	for _, s := range p.Servers {
		names = append(names, s.Name)
	}
	for _, name := range p.Blacklist {
		if !slices.Contains(names, name) {
			return errs.New(errs.Invalid, "%sparameter %s: no machine of this deployment is called %q%s", p.listedBy, BlacklistParameter, name, nearest.Hint(name, names)).
				WithHint("the machines' names: openstack overcloud status; take those out that are no more")
		}
	}
	return nil
}
