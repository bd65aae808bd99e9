package api

import (
	"net/http"

	"trefoil/internal/errs"
)

// report is ours: GET report/NODE, a tar.gz of a machine's logs with secrets masked,
// or of what the undercloud knows of the stack where NODE is "undercloud".
func (v *view) report(w http.ResponseWriter, rest []string) error {
	if err := v.root("reported on"); err != nil {
		return err
	}
	if v.Report == nil || len(rest) != 1 {
		return errs.New(errs.NotFound, "the resource could not be found")
	}
	out := &begun{w: w}
	err := v.Report(v.r.Context(), v.s, rest[0], out)
	switch {
	case err == nil:
		return nil
	case !out.yes:
		if errs.Is(err, errs.Internal) { // what a machine says is for the operator, too
			err = errs.Wrap(errs.Unavailable, err, "no report of %s", rest[0])
		}
		return err
	}
	v.Log.Error("report broke off", "node", rest[0], "error", err)
	panic(http.ErrAbortHandler) // so that the client sees that it is not whole
}

// begun is an answer that knows whether it has been begun.
type begun struct {
	w   http.ResponseWriter
	yes bool
}

func (b *begun) Write(p []byte) (int, error) {
	if !b.yes {
		b.w.Header().Set("Content-Type", "application/gzip")
		b.w.Header().Set("Cache-Control", "no-store")
		b.yes = true
	}
	return b.w.Write(p)
}
