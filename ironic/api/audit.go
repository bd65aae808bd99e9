package api

import (
	"context"
	"net"
	"net/http"
	"path"
	"slices"
	"strings"

	"trefoil/ironic/policy"
)

// trail is what becomes known of a request on its way, for the audit log.
type trail struct {
	caller policy.Caller
	node   string // uuid
}

type trailKey struct{}

// note writes into the trail of a request, if it has one.
func note(ctx context.Context, write func(*trail)) {
	if t, ok := ctx.Value(trailKey{}).(*trail); ok {
		write(t)
	}
}

// action is what a method does, in the words of CADF (DMTF DSP0262); "": it changes nothing.
func action(method string) string {
	return map[string]string{http.MethodPost: "create", http.MethodPut: "update", http.MethodPatch: "update",
		http.MethodDelete: "delete"}[method]
}

// longestPath is how much of a path the audit log repeats: strangers choose it.
const longestPath = 512

// audited returns the context of a request and what logs it when it has been answered.
func (s *server) audited(ctx context.Context, r *http.Request, rec *recorder) (context.Context, func()) {
	what := action(r.Method)
	if s.audit == nil || what == "" || slices.Contains(s.auditIgnore, r.Method) {
		return ctx, func() {}
	}
	t := &trail{}
	return context.WithValue(ctx, trailKey{}, t), func() {
		outcome, status := "success", max(rec.status, http.StatusOK)
		if status >= http.StatusBadRequest {
			outcome = "failure"
		}
		address, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil {
			address = r.RemoteAddr
		}
		created := ""
		if where := rec.Header().Get("Location"); where != "" && status == http.StatusCreated {
			created = path.Base(where)
		}
		shown := r.URL.Path
		if len(shown) > longestPath {
			shown = strings.ToValidUTF8(shown[:longestPath], "") + "…"
		}
		line := s.audit
		if d := t.caller.UserDomainID; d != "" { // the project's is empty where there is no project
			line = line.With("user_domain_id", d, "project_domain_id", t.caller.ProjectDomainID)
		}
		line.Info("audit", "request_id", requestID(ctx), "action", what, "outcome", outcome, "status", status,
			"method", r.Method, "path", shown, "node", t.node, "created", created, "user", t.caller.User, "user_id", t.caller.UserID,
			"project", t.caller.Project, "project_id", t.caller.ProjectID, "system", t.caller.System, "address", address)
	}
}
