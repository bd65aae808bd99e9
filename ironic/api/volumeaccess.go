package api

import (
	"fmt"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/policy"
)

// volume looks for the connector or target of the path, so that its node is known; gone where
// the caller does not see that node.
func (c *call) volume() error {
	var err error
	if strings.HasPrefix(c.r.URL.Path, "/v1/"+c.s.targets.path("")+"/") {
		_, err = c.s.targets.find(c)
	} else {
		_, err = c.s.connectors.find(c)
	}
	return err
}

// seen are those of a list whose node the caller's project owns or leases; all where he may list all.
func (k *volumeKind[T]) seen(c *call, list []*T) ([]*T, error) {
	own, err := c.listsOf("volume")
	if err != nil || own == nil {
		return list, err
	}
	nodes, err := c.s.store.Nodes(c.ctx(), ironic.NodeFilter{Projects: own})
	if err != nil {
		return nil, fmt.Errorf("list the nodes of a project: %w", err)
	}
	mine := map[string]bool{}
	for _, n := range nodes {
		mine[n.UUID] = true
	}
	return slices.DeleteFunc(list, func(v *T) bool { return !mine[k.row(v).NodeUUID] }), nil
}

// heldBy has a refusal because of a node's lock say for what it is held and since when.
func (c *call) heldBy(node string, err error) error {
	if !errs.Is(err, errs.Locked) {
		return err
	}
	if h, herr := c.s.store.Hold(c.ctx(), node); herr == nil && h.Host != "" { // else it was given back meanwhile
		return h.Refusal(node)
	}
	return err
}

// targetProperties are how a volume is reached, without what is secret in it, or words in their
// place for whoever may not read them.
func targetProperties(c *call, v *ironic.VolumeTarget) any {
	const name = "baremetal:volume:view_target_properties"
	if c != nil && !c.allowed(name, policy.Target{}) {
		return map[string]any{"redacted_contents": "** Value redacted: Requires permission " + name + " access. Permission denied. **"}
	}
	return mask(v.Properties)
}
