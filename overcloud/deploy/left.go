package deploy

import (
	"errors"
	"slices"

	"trefoil/internal/errs"
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
	if len(gone) == 0 || !slices.ContainsFunc(doc.Resources, asks) {
		return doc
	}
	left := slices.DeleteFunc(slices.Clone(machines), func(n plan.Node) bool { return n.Name != doc.Node && slices.Contains(gone, n.Name) })
	cfg, err := p.Configure(left)
	if err != nil { // no machine of a service that must be somewhere is left
		r.log.Warn("machines that were left out are still waited for", "node", doc.Node, "step", doc.Step, "error", err)
		return doc
	}
	return askingAs(doc, cfg[doc.Node][doc.Step-1])
}

// asks tells whether a resource looks at other machines.
func asks(x resource.Resource) bool { return x.Wait != nil && x.Wait.SQL != "" || x.CephHealth != nil }

// askingAs is a document with the questions of another one, of the same machine's step in a cloud of fewer
// machines.
func askingAs(doc, fewer resource.Document) resource.Document {
	out := doc
	out.Resources = slices.Clone(doc.Resources)
	for i, x := range out.Resources {
		for _, other := range fewer.Resources {
			if asks(x) && other.Key() == x.Key() && other.Service == x.Service {
				out.Resources[i] = other
			}
		}
	}
	if doc.Hash != "" {
		out.Hash = resource.Sum(out.Resources)
	}
	return out
}

// configuration is what all machines are to be. Nobody waits for those that the user leaves out: unlike what
// awaitingOnly makes, that stands at the next deployment.
func configuration(p *plan.Plan, machines []plan.Node) (plan.Config, error) {
	cfg, err := p.Configure(machines)
	if err != nil || len(p.Blacklist) == 0 {
		return cfg, err
	}
	fewer, err := p.Configure(slices.DeleteFunc(slices.Clone(machines), func(n plan.Node) bool { return slices.Contains(p.Blacklist, n.Name) }))
	if err != nil {
		return nil, errs.Wrap(errs.CodeOf(err), err, "without the machines of %s", plan.BlacklistParameter)
	}
	for node, docs := range fewer {
		for i := range docs {
			cfg[node][i] = askingAs(cfg[node][i], docs[i])
		}
	}
	return cfg, nil
}
