package api

import (
	"net/http"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/overcloud/stack"
)

// A software deployment is one step on one machine: what `stack failures list`
// prints the log of.

// deployments lists all of them, or those of one server.
func (a *api) deployments(w http.ResponseWriter, r *http.Request) error {
	out := []any{}
	err := a.eachDeployment(r, func(s *stack.Stack, row *stack.Row, n *stack.Node) bool {
		if server := r.URL.Query().Get("server_id"); server == "" || n != nil && n.InstanceUUID == server {
			out = append(out, deploymentBody(s, row, n))
		}
		return true
	})
	if err != nil {
		return err
	}
	reply(w, http.StatusOK, map[string]any{"software_deployments": out})
	return nil
}

func (a *api) deployment(w http.ResponseWriter, r *http.Request) error {
	var found map[string]any
	err := a.eachDeployment(r, func(s *stack.Stack, row *stack.Row, n *stack.Node) bool {
		if row.PhysicalID != r.PathValue("id") {
			return true
		}
		found = deploymentBody(s, row, n)
		return false
	})
	if err != nil {
		return err
	}
	if found == nil {
		return errs.New(errs.NotFound, "The Software Deployment (%s) could not be found.", r.PathValue("id"))
	}
	reply(w, http.StatusOK, map[string]any{"software_deployment": found})
	return nil
}

// eachDeployment calls f for every step on every machine until it returns false.
// The machine is nil when it is gone.
func (a *api) eachDeployment(r *http.Request, f func(*stack.Stack, *stack.Row, *stack.Node) bool) error {
	all, err := a.Store.Stacks(r.Context())
	if err != nil {
		return err
	}
	for _, s := range all {
		tree, err := a.tree(r.Context(), s)
		if err != nil {
			return err
		}
		nodes, err := a.Store.StackNodes(r.Context(), s.ID)
		if err != nil {
			return err
		}
		for _, l := range tree.Levels() {
			for _, row := range l.Rows {
				if row.Type == stack.TypeDeployment && !f(s, row, machineOf(row, nodes)) {
					return nil
				}
			}
		}
	}
	return nil
}

// machineOf finds the machine of AllNodesDeploySteps.ROLEDeployment_StepN.INDEX.
func machineOf(row *stack.Row, nodes []stack.Node) *stack.Node {
	role, _, _ := strings.Cut(row.Level.Resource(), "Deployment_Step")
	i := slices.IndexFunc(nodes, func(n stack.Node) bool {
		return n.Role == role && row.Path == stack.StepPath(role, stepOf(row), n.Index)
	})
	if i < 0 {
		return nil
	}
	return &nodes[i]
}

func stepOf(row *stack.Row) string {
	_, step, _ := strings.Cut(row.Level.Resource(), "Deployment_Step")
	return step
}

// deploymentBody is a deployment in Heat's form; what failed is told as its output.
func deploymentBody(s *stack.Stack, row *stack.Row, n *stack.Node) map[string]any {
	act, state, _ := strings.Cut(row.Status, "_")
	server, name := "", ""
	if n != nil {
		server, name = n.InstanceUUID, n.Name
	}
	outputs := map[string]any{}
	switch state {
	case stack.Complete:
		outputs = map[string]any{"deploy_stdout": "", "deploy_stderr": "", "deploy_status_code": 0}
	case stack.Failed:
		stdout, stderr := outputOf(s, row, name)
		outputs = map[string]any{"deploy_stdout": stdout, "deploy_stderr": stderr, "deploy_status_code": 1}
	}
	return map[string]any{"id": row.PhysicalID, "server_id": server, "config_id": row.Level.ID, "action": act, "status": state, "status_reason": row.Reason,
		"input_values": map[string]any{}, "output_values": outputs, "creation_time": stamp(s.CreatedAt), "updated_time": stamp(row.UpdatedAt)}
}

// outputOf is the log's end of what failed in that step on that machine, and the
// cause with what to do.
func outputOf(s *stack.Stack, row *stack.Row, machine string) (stdout, stderr string) {
	var log, cause []string
	for _, f := range s.Failures {
		if f.Node != machine || f.Phase != "step "+stepOf(row) {
			continue
		}
		log = append(log, f.Tail...)
		cause = append(cause, f.Line())
		if f.Hint != "" {
			cause = append(cause, "to try: "+f.Hint)
		}
	}
	if cause == nil {
		cause = []string{row.Reason}
	}
	return strings.Join(log, "\n"), strings.Join(cause, "\n")
}
