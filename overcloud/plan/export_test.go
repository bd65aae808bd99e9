package plan

import (
	"context"
	"io/fs"

	"trefoil/overcloud/hot"
	"trefoil/overcloud/stack/eval"
)

// Evaluate is Build up to the evaluated root stack, for tests that look inside.
func Evaluate(ctx context.Context, tree fs.FS, o Options) (*eval.Evaluator, *eval.Stack, error) {
	b := &builder{tree: tree, o: o, env: hot.NewEnvironment()}
	if b.o.Stack == "" {
		b.o.Stack = "overcloud"
	}
	if err := b.load(ctx); err != nil {
		return nil, nil, err
	}
	if err := b.environment(); err != nil {
		return nil, nil, err
	}
	b.ev = b.evaluator()
	root, err := b.ev.Stack(ctx, rootTemplate, nil)
	return b.ev, root, err
}

// CtlplaneAttributes is what templates are told of the default provisioning network.
func CtlplaneAttributes() map[string]any { return networkAttributes((&builder{}).ctlplane()) }
