// Package audit logs who changed what through the bare-metal APIs: one line for each request
// that may change something, let in or refused. Bodies, queries and headers are not in it.
package audit

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"path"
	"slices"
	"strings"

	"trefoil/ironic/policy"
)

// Log says where the lines go. The zero value writes none. Safe for concurrent use.
type Log struct {
	To     *slog.Logger // nil: the log is off
	Ignore []string     // methods that are not logged, as Ironic's [audit]ignore_req_list
}

// Trail is what becomes known of a request on its way.
type Trail struct {
	Caller policy.Caller
	Node   string // uuid
}

type trailKey struct{}

// Note writes into the trail of a request, if it has one.
func Note(ctx context.Context, write func(*Trail)) {
	if t, ok := ctx.Value(trailKey{}).(*Trail); ok {
		write(t)
	}
}

// action is what a method does, in the words of CADF (DMTF DSP0262); "": it changes nothing.
func action(method string) string {
	return map[string]string{http.MethodPost: "create", http.MethodPut: "update", http.MethodPatch: "update",
		http.MethodDelete: "delete"}[method]
}

// longestPath is how much of a path the log repeats: strangers choose it.
const longestPath = 512

// Begin returns the context of a request and what logs it when it has been answered with a
// status (0: 200) and headers.
func (l Log) Begin(ctx context.Context, r *http.Request, requestID string) (context.Context, func(status int, h http.Header)) {
	what := action(r.Method)
	if l.To == nil || what == "" || slices.Contains(l.Ignore, r.Method) {
		return ctx, func(int, http.Header) {}
	}
	t := &Trail{}
	return context.WithValue(ctx, trailKey{}, t), func(status int, h http.Header) {
		outcome, status := "success", max(status, http.StatusOK)
		if status >= http.StatusBadRequest {
			outcome = "failure"
		}
		address, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil {
			address = r.RemoteAddr
		}
		created := ""
		if where := h.Get("Location"); where != "" && status == http.StatusCreated {
			created = path.Base(where)
		}
		shown := r.URL.Path
		if len(shown) > longestPath {
			shown = strings.ToValidUTF8(shown[:longestPath], "") + "…"
		}
		line := l.To
		if d := t.Caller.UserDomainID; d != "" { // the project's is empty where there is no project
			line = line.With("user_domain_id", d, "project_domain_id", t.Caller.ProjectDomainID)
		}
		line.Info("audit", "request_id", requestID, "action", what, "outcome", outcome, "status", status,
			"method", r.Method, "path", shown, "node", t.Node, "created", created, "user", t.Caller.User, "user_id", t.Caller.UserID,
			"project", t.Caller.Project, "project_id", t.Caller.ProjectID, "system", t.Caller.System, "address", address)
	}
}
