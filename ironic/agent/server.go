package agent

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"

	"trefoil/internal/errs"
	"trefoil/ironic/agentapi"
)

// maxBody bounds a command: a config drive of 64 MiB in base64 and some room.
const maxBody = 100 << 20

// Handler is the agent's HTTP API.
func (a *Agent) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{"name": "OpenStack Ironic Python Agent API", "versions": []any{map[string]any{"id": "v1"}}, "default_version": map[string]any{"id": "v1"}})
	})
	mux.HandleFunc("GET /v1/{$}", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{"id": "v1", "commands": []any{}, "status": []any{}})
	})
	for _, p := range []string{"GET /v1/status", "GET /v1/status/{$}"} {
		mux.HandleFunc(p, func(w http.ResponseWriter, _ *http.Request) {
			answer(w, http.StatusOK, map[string]any{"version": Version, "mode": "", "started_at": nil})
		})
	}
	for _, p := range []string{"/v1/commands", "/v1/commands/{$}"} {
		mux.HandleFunc("POST "+p, a.postCommand)
		mux.HandleFunc("GET "+p, a.listCommands)
	}
	mux.HandleFunc("GET /v1/commands/{id}", a.showCommand)
	return mux
}

func (a *Agent) postCommand(w http.ResponseWriter, r *http.Request) {
	if !a.allowed(r, true) {
		fault(w, http.StatusUnauthorized, "the agent token is missing or wrong")
		return
	}
	var cmd agentapi.Command
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&cmd); err != nil || cmd.Name == "" {
		fault(w, http.StatusBadRequest, `the body must be {"name": "extension.command", "params": {…}}`)
		return
	}
	e, err := a.cmds.start(cmd)
	if errors.Is(err, errBusy) {
		fault(w, http.StatusConflict, err.Error())
		return
	}
	if err != nil {
		fault(w, errs.HTTPStatus(errs.CodeOf(err)), err.Error())
		return
	}
	if r.URL.Query().Get("wait") == "true" {
		select {
		case <-e.done:
		case <-r.Context().Done():
			return
		}
	}
	answer(w, http.StatusOK, a.cmds.status(e.status.ID)[0])
}

func (a *Agent) listCommands(w http.ResponseWriter, r *http.Request) {
	if !a.allowed(r, false) {
		fault(w, http.StatusUnauthorized, "the agent token is wrong")
		return
	}
	answer(w, http.StatusOK, agentapi.Commands{Commands: a.cmds.status("")})
}

func (a *Agent) showCommand(w http.ResponseWriter, r *http.Request) {
	if !a.allowed(r, false) {
		fault(w, http.StatusUnauthorized, "the agent token is wrong")
		return
	}
	found := a.cmds.status(r.PathValue("id"))
	if len(found) == 0 {
		fault(w, http.StatusNotFound, "no command has the id "+r.PathValue("id"))
		return
	}
	if r.URL.Query().Get("wait") == "true" {
		a.cmds.wait(r.Context(), found[0].ID)
		found = a.cmds.status(found[0].ID)
	}
	answer(w, http.StatusOK, found[0])
}

// allowed checks the token. Reading may go without one, as Ironic before 2024
// reads; a wrong one never passes.
func (a *Agent) allowed(r *http.Request, must bool) bool {
	got := r.URL.Query().Get("agent_token")
	if a.token == "" || (got == "" && !must) {
		return true
	}
	return subtle.ConstantTimeCompare([]byte(got), []byte(a.token)) == 1
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body)
}

func fault(w http.ResponseWriter, code int, msg string) {
	side := "Client"
	if code >= 500 {
		side = "Server"
	}
	answer(w, code, map[string]any{"faultcode": side, "faultstring": msg, "code": code, "message": msg, "type": "RESTError", "details": ""})
}
