package plan

import (
	"slices"

	"trefoil/internal/errs"
	"trefoil/internal/nearest"
	"trefoil/overcloud/hot"
)

// BlacklistParameter names machines that a deployment leaves as they are, as in TripleO.
const BlacklistParameter = "DeploymentServerBlacklist"

// blacklist reads it. A name that no machine has is refused: mistyped, the machine that was meant
// would be changed.
func (b *builder) blacklist(p *Plan) error {
	given, _ := b.root.Parameters[BlacklistParameter].([]any)
	var names []string
	for _, s := range p.Servers {
		names = append(names, s.Name)
	}
	for _, v := range given {
		name := hot.String(v)
		if !slices.Contains(names, name) && !p.Sketched {
			return errs.New(errs.Invalid, "%sparameter %s: no machine of this deployment is called %q%s", b.setBy(BlacklistParameter), BlacklistParameter, name, nearest.Hint(name, names)).
				WithHint("the machines' names: openstack overcloud status; take those out that are no more")
		}
		p.Blacklist = append(p.Blacklist, name)
	}
	return nil
}
