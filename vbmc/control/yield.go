package control

import (
	"context"
	"io"

	"trefoil/internal/errs"
)

// yield ends the daemon, if it is one that makes room for another; the answer leaves before.
func (s *Server) yield() *Reply {
	if s.Yield == nil {
		return result(errs.New(errs.Conflict, "this vbmc daemon was not started by a command and makes no room for another").
			WithHint("stop it where it was started"))
	}
	s.Log.Info("vbmc daemon makes room for that of the service manager")
	return &Reply{follow: func(context.Context, io.Writer) { s.Yield() }}
}
