// Package api serves Heat's orchestration API v1 as python-heatclient and our own
// commands use it: stacks with those nested in them, resources, events, outputs,
// templates, environments, what failed; and, beside it, TripleO's plans. What a
// deployment of ours cannot do (suspend, adopt, snapshots …) is refused with the
// reason.
package api

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"

	"trefoil/internal/baseurl"
	"trefoil/internal/errs"
	"trefoil/internal/jsonbody"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/plan/diff"
	"trefoil/overcloud/stack"
)

// MaxBody is the largest request, in bytes: a whole template tree.
const MaxBody = 32 << 20

// Service is what the API asks for beyond reading rows.
type Service interface {
	// Create and Update check the plan before they accept it. Conflict: an action is under way.
	Create(ctx context.Context, name string, timeoutMins int, in stack.Input) (*stack.Stack, error)
	Update(ctx context.Context, ident string, timeoutMins int, in stack.Input) error
	Delete(ctx context.Context, ident string) error
	// Preview tells what Create or Update would do, and stores nothing.
	Preview(ctx context.Context, name string, in stack.Input) (*diff.Diff, error)
	// Cancel ends the running action.
	Cancel(ctx context.Context, ident string) error

	// Plan finds a plan, or tells the nearest name. The strings that the others
	// return are warnings.
	Plan(ctx context.Context, name string) (*stack.Plan, error)
	CreatePlan(ctx context.Context, n stack.NewPlan) (*stack.Plan, []string, error)
	UpdatePlan(ctx context.Context, name string, in stack.Input) (*stack.Plan, []string, error)
	SetParameters(ctx context.Context, name, file string, content []byte) ([]string, error)
	RotatePasswords(ctx context.Context, name string, names []string) (*stack.Rotated, error)
	DeletePlan(ctx context.Context, name string) error
	DeployPlan(ctx context.Context, name string, timeoutMins int) (*stack.Stack, error)
}

// Request is the body of a create or an update. Files hold the tree; the
// template is known by name, as in Heat's "files" map.
type Request struct {
	Name        string       `json:"stack_name"`
	TimeoutMins int          `json:"timeout_mins"`
	Input       *stack.Input `json:"input"`
}

// Documents makes what is not in a stack's row: its plan, in Heat's form.
type Documents interface {
	Describe(ctx context.Context, s *stack.Stack) (*stack.Description, error)
	// Files are the templates by name.
	Files(ctx context.Context, s *stack.Stack) (map[string]string, error)
	// Export packs a plan with its passwords.
	Export(ctx context.Context, p *stack.Plan) ([]byte, error)
}

// Config wires the API.
type Config struct {
	Store     stack.Store
	Service   Service
	Documents Documents                       // nil: there is nothing beyond the rows
	Auth      func(http.Handler) http.Handler // nil: everybody may do everything
	// Plan makes a stack's plan for the machines that it has; nil: its configuration cannot be downloaded.
	Plan func(ctx context.Context, s *stack.Stack, there ...plan.Node) (*plan.Plan, error)
	// Health tells how the services of a stack's machines are; nil: nobody can look.
	Health func(ctx context.Context, s *stack.Stack) ([]stack.ServiceHealth, error)
	// Report writes a tar.gz of a machine's logs, or of the undercloud's own; nil: nobody can.
	Report  func(ctx context.Context, s *stack.Stack, node string, w io.Writer) error
	Host    string // the machine's name, for `orchestration service list`
	Version string // of this program, for `orchestration build info`
	Log     *slog.Logger
}

// New makes the handler.
func New(c Config) http.Handler {
	a := &api{Config: c, described: newDescriptions(c.Documents, func(ctx context.Context, id string) bool {
		_, err := c.Store.Stack(ctx, id)
		return errs.Is(err, errs.NotFound)
	})}
	auth := c.Auth
	if auth == nil {
		auth = func(h http.Handler) http.Handler { return h }
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", versions)
	for pattern, f := range a.routes() {
		mux.Handle(pattern, auth(a.handler(f)))
	}
	return mux
}

type api struct {
	Config
	described *descriptions
}

type handlerFunc func(http.ResponseWriter, *http.Request) error

func (a *api) routes() map[string]handlerFunc {
	const base = "/v1/{project}"
	const plans = base + "/trefoil/plans"
	return map[string]handlerFunc{
		"GET " + base + "/stacks":                          a.list,
		"POST " + base + "/stacks":                         a.create,
		"GET " + base + "/stacks/detail":                   a.list,
		"POST " + base + "/stacks/preview":                 a.preview,
		base + "/stacks/{name}":                            a.byName,
		base + "/stacks/{name}/{rest...}":                  a.byPath,
		"GET " + base + "/software_deployments":            a.deployments,
		"GET " + base + "/software_deployments/{id}":       a.deployment,
		"GET " + base + "/resource_types":                  resourceTypes,
		"GET " + base + "/resource_types/{type}":           resourceType,
		"GET " + base + "/resource_types/{type}/template":  refuse("a template for a resource type", "copy one from the template tree"),
		"GET " + base + "/template_versions":               templateVersions,
		"GET " + base + "/template_versions/{v}/functions": templateFunctions,
		"POST " + base + "/validate":                       validate,
		"GET " + base + "/build_info":                      a.buildInfo,
		"GET " + base + "/services":                        a.services,
		"GET " + plans:                                     a.planList,
		"POST " + plans:                                    a.planCreate,
		"GET " + plans + "/{name}":                         a.planShow,
		"PUT " + plans + "/{name}":                         a.planUpdate,
		"DELETE " + plans + "/{name}":                      a.planDelete,
		"POST " + plans + "/{name}/parameters":             a.planParameters,
		"POST " + plans + "/{name}/deploy":                 a.planDeploy,
		"GET " + plans + "/{name}/export":                  a.planExport,
		"GET " + plans + "/{name}/passwords":               a.planPasswords,
		"POST " + plans + "/{name}/passwords/rotate":       a.planRotate,
		"/": func(http.ResponseWriter, *http.Request) error {
			return errs.New(errs.NotFound, "the resource could not be found")
		},
	}
}

// refuse answers a request of Heat's API that this service cannot serve.
func refuse(what, instead string) handlerFunc {
	return func(http.ResponseWriter, *http.Request) error {
		return errs.New(errs.Invalid, "%s is not supported: a stack here is a deployment of TripleO's templates on bare metal", what).WithHint("%s", instead)
	}
}

func (a *api) handler(f handlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := f(w, r); err != nil {
			a.fail(w, r, err)
		}
	})
}

// fail writes Heat's error body. What is ours to mend is logged, not shown.
func (a *api) fail(w http.ResponseWriter, r *http.Request, err error) {
	code := errs.CodeOf(err)
	status := errs.HTTPStatus(code)
	if status >= http.StatusInternalServerError {
		a.Log.Error("orchestration request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	if code == errs.Internal {
		err = errs.New(code, "internal error; see the undercloud's log").WithHint("%s", errs.HintOf(err))
	}
	reply(w, status, map[string]any{"code": status, "title": http.StatusText(status), "explanation": http.StatusText(status),
		"error": map[string]any{"message": errs.Told(err), "traceback": nil, "type": string(code)}})
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client is gone if this fails
}

// decode reads a body, which is an object in each request.
func decode(r *http.Request, out any) error { return jsonbody.Object(r, MaxBody, out) }

func versions(w http.ResponseWriter, r *http.Request) {
	reply(w, http.StatusMultipleChoices, map[string]any{"versions": []any{map[string]any{
		"id": "v1.0", "status": "CURRENT", "links": []any{map[string]any{"rel": "self", "href": baseurl.Of(r) + "/v1/"}}}}})
}

var _ Service = (*stack.Service)(nil)
