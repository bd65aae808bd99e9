package check

import (
	"context"
	"fmt"

	"trefoil/internal/errs"
)

// made has an API make something; doing says what, for the error. Ctrl-C does not end the
// request, only the client's own timeout does: the API would go on with it, and be done
// when the removal has looked already.
func made[T any](ctx context.Context, k *Check, doing string, create func(context.Context) (T, error)) (T, error) {
	var none T
	if err := ctx.Err(); err != nil {
		return none, err
	}
	out, err := create(context.WithoutCancel(ctx))
	if err == nil {
		return out, nil
	}
	err = explain(err)
	if errs.Is(err, errs.Unavailable) {
		k.unsure.Store(true)
	}
	return none, fmt.Errorf("%s: %w", doing, err)
}
