package deploy

import (
	"errors"
	"slices"

	"trefoil/overcloud/plan"
	"trefoil/overcloud/resource"
)

// errLeftOut ends a document that waits for machines which are gone on without.
var errLeftOut = errors.New("what is waited for was left out")

// outdated tells whether a document that was made of whole waits for machines that are
// gone on without by now.
func (r *run) outdated(whole, doc resource.Document) bool {
	return resource.Sum(r.without(whole, r.gone()).Resources) != resource.Sum(doc.Resources)
}

// awaitingOnly is a document that does not wait for machines which are gone on without:
// queries and looks at Ceph are those of a cloud without them, all else stays. Its hash is
// another one, so that the next deployment awaits them again. The machine itself stays: one
// that was left out while it runs is brought to its end.
func (r *run) awaitingOnly(p *plan.Plan, machines []plan.Node, doc resource.Document, gone []string) resource.Document {
	if len(gone) == 0 || !slices.ContainsFunc(doc.Resources, resource.Resource.Asks) {
		return doc
	}
	left := slices.DeleteFunc(slices.Clone(machines), func(n plan.Node) bool { return n.Name != doc.Node && slices.Contains(gone, n.Name) })
	cfg, err := p.Configure(left)
	if err != nil { // no machine of a service that must be somewhere is left
		r.log.Warn("machines that were left out are still waited for", "node", doc.Node, "step", doc.Step, "error", err)
		return doc
	}
	return doc.AskingAs(cfg[doc.Node][doc.Step-1])
}
