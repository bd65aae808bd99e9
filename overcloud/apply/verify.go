package apply

import (
	"context"

	"trefoil/overcloud/resource"
)

// Verify tells how many of the documents, from the first on, are as they were
// recorded and still hold as far as that can be seen cheaply. It changes nothing,
// and emits "verified" for each. It asks systemd once for the units of all.
func (e *Engine) Verify(ctx context.Context, docs []*resource.Document) (int, error) {
	if len(docs) == 0 {
		return 0, nil
	}
	unlock, err := e.lock(ctx, docs[0].Step)
	if err != nil {
		return 0, err
	}
	defer unlock()
	all := &step{Engine: e, shared: &shared{}, doc: &resource.Document{}}
	for _, d := range docs {
		all.doc.Resources = append(all.doc.Resources, d.Resources...)
	}
	if err := all.loadUnits(ctx); err != nil {
		return 0, err
	}
	for i, d := range docs {
		one := &step{Engine: e, doc: d, began: e.Now(), last: e.Now(), own: d.Resources, shared: &shared{units: all.units}}
		if !one.recorded(resource.Sum(d.Resources)) {
			return i, nil
		}
		if same, err := one.holds(); err != nil || !same {
			return i, err
		}
		one.emit("verified", "")
	}
	return len(docs), nil
}
