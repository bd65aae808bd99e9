package jobs

import (
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"

	"trefoil/internal/errs"
)

// Guard runs f, which works for the job id, and makes an Internal error of a panic in
// it, so that what f worked on can be settled as after any other failure. The log gets
// the stack. What a panic says is told only where Go's runtime said it: other values
// may hold a secret, and of them the type is told.
func Guard(log *slog.Logger, id string, f func() error) (err error) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		what := fmt.Sprintf("panic with a value of type %T", p)
		if e, ok := p.(runtime.Error); ok {
			what = e.Error()
		}
		log.Error("job panicked", "job", id, "panic", what, "stack", string(debug.Stack()))
		err = errs.New(errs.Internal, "a mistake in this program ended job %s: %s", id, what).
			WithHint("look at the service's log, which says where, and report it")
	}()
	return f()
}
