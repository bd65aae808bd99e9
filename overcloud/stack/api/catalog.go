package api

import (
	"net/http"
	"os"
	"regexp"
	"sort"
	"strconv"
	"time"

	"trefoil/internal/errs"
	"trefoil/internal/nearest"
)

// typesOf are the resource types that a plan can evaluate, with what each is.
func typesOf() map[string]string {
	return map[string]string{
		"OS::Heat::Value":                     "A value that other resources read.",
		"OS::Heat::None":                      "Nothing; stands for what is left out.",
		"OS::Heat::ResourceGroup":             "Members that differ in their index only.",
		"OS::Heat::ResourceChain":             "One member for each type of a list.",
		"OS::Heat::SoftwareConfig":            "A configuration to be applied on machines.",
		"OS::Heat::StructuredConfig":          "A configuration that is a map.",
		"OS::Heat::SoftwareDeployment":        "A configuration on one machine.",
		"OS::Heat::SoftwareDeploymentGroup":   "A configuration on several machines.",
		"OS::Heat::SoftwareDeployments":       "The older name of OS::Heat::SoftwareDeploymentGroup.",
		"OS::Heat::StructuredDeployment":      "A structured configuration on one machine.",
		"OS::Heat::StructuredDeploymentGroup": "A structured configuration on several machines.",
		"OS::Heat::StructuredDeployments":     "The older name of OS::Heat::StructuredDeploymentGroup.",
		"OS::Heat::MultipartMime":             "Several parts of user data as one.",
		"OS::Heat::CloudConfig":               "User data for first boot.",
		"OS::Heat::RandomString":              "Random text, made once.",
		"OS::Heat::DeployedServer":            "A machine that was installed by somebody else.",
		"OS::Nova::Server":                    "A machine with an image and a name.",
		"OS::Nova::KeyPair":                   "A public SSH key.",
		"OS::Neutron::Net":                    "A network.",
		"OS::Neutron::Subnet":                 "A range of addresses of a network.",
		"OS::Neutron::Port":                   "An address on a network.",
	}
}

func typeNames() []string {
	var out []string
	for t := range typesOf() {
		out = append(out, t)
	}
	sort.Strings(out)
	return out
}

func resourceTypes(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	match, err := regexp.Compile(q.Get("name"))
	if err != nil {
		return errs.New(errs.Invalid, "filter name=%q is not a regular expression: %v", q.Get("name"), err)
	}
	known, out := typesOf(), []any{}
	for _, t := range typeNames() {
		switch s := q.Get("support_status"); {
		case !match.MatchString(t) || s != "" && s != "SUPPORTED":
		case truth(q.Get("with_description")):
			out = append(out, map[string]any{"resource_type": t, "description": known[t]})
		default:
			out = append(out, t)
		}
	}
	reply(w, http.StatusOK, map[string]any{"resource_types": out})
	return nil
}

// resourceType shows one type. Which properties it has is not written down here:
// a plan tells what it does not know.
func resourceType(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("type")
	description, ok := typesOf()[name]
	if !ok {
		return errs.New(errs.NotFound, "The Resource Type (%s) could not be found%s", name, nearest.Hint(name, typeNames()))
	}
	body := map[string]any{"resource_type": name, "properties": map[string]any{}, "attributes": map[string]any{},
		"support_status": map[string]any{"status": "SUPPORTED", "message": nil, "version": nil, "previous_status": nil}}
	if truth(r.URL.Query().Get("with_description")) {
		body["description"] = description
	}
	reply(w, http.StatusOK, body)
	return nil
}

func (a *api) buildInfo(w http.ResponseWriter, _ *http.Request) error {
	revision := map[string]any{"revision": a.Version}
	reply(w, http.StatusOK, map[string]any{"api": revision, "engine": revision})
	return nil
}

// services tells of the one engine there is: this process.
func (a *api) services(w http.ResponseWriter, _ *http.Request) error {
	now := time.Now()
	reply(w, http.StatusOK, map[string]any{"services": []any{map[string]any{
		"id": a.Host, "hostname": a.Host, "binary": "undercloud", "engine_id": strconv.Itoa(os.Getpid()), "host": a.Host, "topic": "engine",
		"created_at": stamp(now), "updated_at": stamp(now), "deleted_at": nil, "report_interval": 60, "status": "up"}}})
	return nil
}
