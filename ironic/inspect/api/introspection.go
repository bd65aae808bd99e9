package inspectapi

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/ironic/audit"
	"trefoil/ironic/fsm"
)

// States of an introspection, of those that the inspector has.
const (
	starting = "starting"
	waiting  = "waiting"
	finished = "finished"
	failed   = "error"
)

// Status is one introspection as the API shows it.
type Status struct {
	UUID       string  `json:"uuid"`
	State      string  `json:"state"`
	Finished   bool    `json:"finished"`
	StartedAt  *string `json:"started_at"`
	FinishedAt *string `json:"finished_at"`
	Error      *string `json:"error"`
	Links      []link  `json:"links"`
}

// statusOf derives the last introspection of a node; ok is false where there was none.
func statusOf(n *ironic.Node) (st Status, ok bool) {
	st = Status{UUID: n.UUID, StartedAt: timeText(n.InspectionStartedAt)}
	switch state := fsm.State(n.ProvisionState); {
	case state == fsm.Inspecting, state == fsm.Verifying && n.DriverInternalInfo[api.KeyThenInspect] == true:
		st.State = starting
	case state == fsm.InspectWait:
		st.State = waiting
	case state == fsm.InspectFailed || abandoned(n):
		st.State, st.Finished = failed, true
		text := n.LastError
		if text == "" {
			text = "the introspection did not finish"
		}
		st.Error, st.FinishedAt = &text, failedAt(n)
	case n.InspectionFinishedAt != nil:
		st.State, st.Finished, st.FinishedAt = finished, true, timeText(n.InspectionFinishedAt)
	default:
		return st, false
	}
	return st, true
}

// abandoned is an introspection that began and never ended, on a node that has
// moved on (somebody called manage after a failure).
func abandoned(n *ironic.Node) bool {
	start, end := n.InspectionStartedAt, n.InspectionFinishedAt
	return start != nil && (end == nil || end.Before(*start))
}

// failedAt is when the node came to its failure.
func failedAt(n *ironic.Node) *string {
	if n.InspectionFinishedAt != nil && !abandoned(n) {
		return timeText(n.InspectionFinishedAt)
	}
	return timeText(n.ProvisionUpdatedAt)
}

// timeText is how the inspector writes times: UTC without a zone.
func timeText(t *time.Time) *string {
	if t == nil {
		return nil
	}
	text := t.UTC().Truncate(time.Second).Format("2006-01-02T15:04:05")
	return &text
}

func (s *server) node(r *http.Request) (*ironic.Node, error) {
	ident := r.PathValue("node")
	n, err := s.Store.Node(r.Context(), ident)
	if errs.Is(err, errs.NotFound) {
		return nil, errs.New(errs.NotFound, "Node %s was not found", ident)
	}
	if err != nil {
		return nil, fmt.Errorf("read node: %w", err)
	}
	audit.Note(r.Context(), func(t *audit.Trail) { t.Node = n.UUID })
	return n, nil
}

// introspected is a node that has an introspection to speak of.
func (s *server) introspected(r *http.Request) (*ironic.Node, Status, error) {
	n, err := s.node(r)
	if err != nil {
		return nil, Status{}, err
	}
	st, ok := statusOf(n)
	if !ok {
		return nil, st, errs.New(errs.NotFound, "Could not find introspection of node %s: it was never introspected", n.UUID)
	}
	st.Links = []link{{"self", s.base(r) + "/v1/introspection/" + n.UUID}}
	return n, st, nil
}

func (s *server) status(w http.ResponseWriter, r *http.Request) error {
	_, st, err := s.introspected(r)
	if err != nil {
		return err
	}
	return send(w, http.StatusOK, st)
}

// start asks the conductor for the transition behind verb inspect. A node in enroll is taken
// to manageable first, for which its BMC is looked at.
func (s *server) start(w http.ResponseWriter, r *http.Request) error {
	others := false
	if v := r.URL.Query().Get("manage_boot"); v != "" {
		switch strings.ToLower(v) {
		case "1", "true", "yes", "on", "t", "y":
		case "0", "false", "no", "off", "f", "n":
			others = true
		default:
			return errs.New(errs.Invalid, "Invalid boolean value for manage_boot: %s", v)
		}
	}
	n, err := s.node(r)
	if err != nil {
		return err
	}
	req := api.ProvisionRequest{Target: "inspect", BootedByOthers: others}
	if n.ProvisionState == string(fsm.Enroll) {
		req = api.ProvisionRequest{Target: "manage", ThenInspect: true, BootedByOthers: others}
	}
	if err := s.Conductor.Provision(r.Context(), n.UUID, req); err != nil {
		return err
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// abort stops an introspection under way, and nothing else: the verb abort also
// fits nodes that are being cleaned.
func (s *server) abort(w http.ResponseWriter, r *http.Request) error {
	n, _, err := s.introspected(r)
	if err != nil {
		return err
	}
	if state := fsm.State(n.ProvisionState); state != fsm.Inspecting && state != fsm.InspectWait {
		return errs.New(errs.Conflict, "Node %s is not being introspected: it is in state %s", n.UUID, n.ProvisionState)
	}
	if err := s.Conductor.Provision(r.Context(), n.UUID, api.ProvisionRequest{Target: "abort"}); err != nil {
		return err
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// list shows introspections, the latest first. The nodes of the page are read, and no others but those that
// a filter by state leaves out.
func (s *server) list(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	limit, err := pageLimit(q)
	if err != nil {
		return err
	}
	f := ironic.NodeFilter{Introspected: true, Page: ironic.Page{Limit: limit + 1, SortKey: "inspection_started_at", Desc: true}}
	if f.BegunBefore, err = s.begin(r, q); err != nil {
		return err
	}
	if q.Get("state") != "" {
		f.Limit = max(f.Limit, searched)
	}
	all, places := []Status{}, []*ironic.Begun{}
	for len(all) <= limit {
		nodes, err := s.Store.Nodes(r.Context(), f)
		if err != nil {
			return fmt.Errorf("list nodes: %w", err)
		}
		for _, n := range nodes {
			f.BegunBefore = &ironic.Begun{At: *n.InspectionStartedAt, ID: n.ID}
			if st, ok := statusOf(n); ok && matches(st.State, q.Get("state")) {
				st.Links = []link{{"self", s.base(r) + "/v1/introspection/" + n.UUID}}
				all, places = append(all, st), append(places, f.BegunBefore)
			}
		}
		if len(nodes) < f.Limit {
			break
		}
	}
	out := map[string]any{"introspection": all[:min(limit, len(all))]}
	if len(all) > limit {
		q.Set("marker", all[limit-1].UUID)
		q.Set(placeKey, placeText(places[limit-1]))
		out["introspection_links"] = []link{{"next", s.base(r) + "/v1/introspection?" + q.Encode()}}
	}
	return send(w, http.StatusOK, out)
}

const maxLimit = 1000

// searched is how many are read at a time where a filter may leave most of them out.
const searched = 500

func pageLimit(q url.Values) (int, error) {
	text := q.Get("limit")
	if text == "" {
		return maxLimit, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, errs.New(errs.Invalid, "Limit must be a number that is not negative, not %s", text)
	}
	if n == 0 || n > maxLimit {
		return maxLimit, nil
	}
	return n, nil
}

// matches reads a filter such as "error,waiting"; empty matches all.
func matches(state, filter string) bool {
	return filter == "" || slices.Contains(strings.Split(filter, ","), state)
}
