package inspectapi

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"trefoil/internal/errs"
	"trefoil/internal/jsonbody"
	"trefoil/ironic"
	"trefoil/ironic/inspect/rules"
)

// ruleLimit bounds the body of a rule, in bytes.
const ruleLimit = 1 << 20

// createdSince is the minor version from which a new rule is answered with 201; before it was 200.
const createdSince = 6

// rule is an introspection rule as the API shows it.
type rule struct {
	UUID        string  `json:"uuid"`
	Description *string `json:"description"`
	Scope       *string `json:"scope"`
	Links       []link  `json:"links"`
}

// wholeRule is the same with all that it holds, but for secrets.
type wholeRule struct {
	rule
	Conditions []map[string]any `json:"conditions"`
	Actions    []map[string]any `json:"actions"`
}

func brief(r *ironic.InspectionRule) rule {
	null := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	return rule{UUID: r.UUID, Description: null(r.Description), Scope: null(r.Scope), Links: []link{{"self", "/v1/rules/" + r.UUID}}}
}

func whole(r *ironic.InspectionRule) wholeRule {
	w := wholeRule{rule: brief(r), Conditions: r.Conditions, Actions: rules.Shown(r.Actions)}
	if w.Conditions == nil {
		w.Conditions = []map[string]any{}
	}
	return w
}

func (s *server) listRules(w http.ResponseWriter, r *http.Request) error {
	all, err := s.Store.InspectionRules(r.Context(), ironic.RuleInspector)
	if err != nil {
		return err
	}
	out := []rule{}
	for _, one := range all {
		out = append(out, brief(one))
	}
	return send(w, http.StatusOK, map[string]any{"rules": out})
}

// rule finds the one of the path. Those of the bare-metal API are not seen here.
func (s *server) rule(r *http.Request) (*ironic.InspectionRule, error) {
	id := strings.ToLower(r.PathValue("rule"))
	one, err := s.Store.InspectionRule(r.Context(), id)
	if errs.Is(err, errs.NotFound) || err == nil && one.Dialect != ironic.RuleInspector {
		return nil, errs.New(errs.NotFound, "Rule %s was not found", r.PathValue("rule"))
	}
	return one, err
}

func (s *server) showRule(w http.ResponseWriter, r *http.Request) error {
	one, err := s.rule(r)
	if err != nil {
		return err
	}
	return send(w, http.StatusOK, whole(one))
}

func (s *server) deleteRule(w http.ResponseWriter, r *http.Request) error {
	one, err := s.rule(r)
	if err != nil {
		return err
	}
	if err := s.Store.DeleteInspectionRule(r.Context(), one.UUID); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *server) deleteRules(w http.ResponseWriter, r *http.Request) error {
	if err := s.Store.DeleteInspectionRules(r.Context(), ironic.RuleInspector); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *server) createRule(w http.ResponseWriter, r *http.Request) error {
	data, err := jsonbody.Bytes(r, ruleLimit)
	if err != nil {
		return err
	}
	one, err := readRule(data)
	if err != nil {
		return err
	}
	if _, err := rules.Compile(one); err != nil {
		return err
	}
	if err := rules.CheckStars(one); err != nil {
		return err
	}
	for _, c := range one.Conditions { // shown with what holds where they are not given
		for name, v := range map[string]any{"multiple": "any", "invert": false} {
			if _, given := c[name]; !given {
				c[name] = v
			}
		}
	}
	err = s.Store.CreateInspectionRule(r.Context(), one)
	if errs.Is(err, errs.Conflict) {
		return errs.New(errs.Conflict, "Rule with UUID %s already exists", one.UUID)
	}
	if err != nil {
		return err
	}
	status := http.StatusCreated
	if minor, ok := askedMinor(r.Header); ok && minor < createdSince {
		status = http.StatusOK
	}
	return send(w, status, whole(one))
}

// askedMinor is the minor version that a request names, false for the newest.
func askedMinor(h http.Header) (int, bool) {
	_, text, _ := strings.Cut(h.Get("X-OpenStack-Ironic-Inspector-API-Version"), ".")
	minor, err := strconv.Atoi(text)
	return minor, err == nil
}

// readRule reads the body of a new rule; members that are not known are passed over, as
// inspector does.
func readRule(data []byte) (*ironic.InspectionRule, error) {
	var body map[string]any
	if err := jsonbody.Check(data, maxDepth); err != nil {
		return nil, err
	}
	if err := jsonbody.Whole(data); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &body); err != nil {
		return nil, errs.New(errs.Invalid, "Invalid data: expected a JSON object")
	}
	if body == nil {
		return nil, errs.New(errs.Invalid, "Invalid data: expected a JSON object")
	}
	out := &ironic.InspectionRule{Dialect: ironic.RuleInspector}
	for name, at := range map[string]*string{"uuid": &out.UUID, "description": &out.Description, "scope": &out.Scope} {
		v, given := body[name]
		text, ok := v.(string)
		if given && v != nil && !ok {
			return nil, errs.New(errs.Invalid, "%s must be a text or null", name)
		}
		*at = text
	}
	if out.UUID = strings.ToLower(out.UUID); out.UUID == "" {
		out.UUID = uuid.NewString()
	}
	if !ironic.IsUUID(out.UUID) {
		return nil, errs.New(errs.Invalid, "Invalid UUID value")
	}
	if len([]rune(out.Scope)) > 255 {
		return nil, errs.New(errs.Invalid, "Invalid scope: the length of the scope should be within 255 characters")
	}
	var err error
	if out.Conditions, err = objects(body, "conditions"); err != nil {
		return nil, err
	}
	out.Actions, err = objects(body, "actions")
	return out, err
}

func objects(body map[string]any, name string) ([]map[string]any, error) {
	v, given := body[name]
	if !given {
		return nil, nil
	}
	list, ok := v.([]any)
	if !ok {
		return nil, errs.New(errs.Invalid, "Validation failed for %s: it is not of type 'array'", name)
	}
	out := make([]map[string]any, len(list))
	for i, item := range list {
		if out[i], ok = item.(map[string]any); !ok {
			return nil, errs.New(errs.Invalid, "Validation failed for %s: item %d is not of type 'object'", name, i+1)
		}
	}
	return out, nil
}
