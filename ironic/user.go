package ironic

import "context"

type userKey struct{}

// WithUser returns a context of work that a user asked for, by the id of the user; an empty one changes nothing.
func WithUser(ctx context.Context, id string) context.Context {
	if id == "" {
		return ctx
	}
	return context.WithValue(ctx, userKey{}, id)
}

// User is the id of who asked for the work that ctx is of; empty: nobody, or nobody who is known.
func User(ctx context.Context) string {
	id, _ := ctx.Value(userKey{}).(string)
	return id
}
