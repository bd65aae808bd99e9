package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"sort"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/nearest"
	"trefoil/overcloud/hot"
	"trefoil/overcloud/stack"
)

// release is a version of the template language.
type release struct{ date, name string }

// releases of Heat from its first to Wallaby; a later one has what an earlier one has.
func releases() []release {
	return []release{{"2013-05-23", ""}, {"2014-10-16", ""}, {"2015-04-30", ""}, {"2015-10-15", ""}, {"2016-04-08", ""}, {"2016-10-14", "newton"},
		{"2017-02-24", "ocata"}, {"2017-09-01", "pike"}, {"2018-03-02", "queens"}, {"2018-08-31", "rocky"}, {"2021-04-16", "wallaby"}}
}

const versionPrefix = "heat_template_version."

func templateVersions(w http.ResponseWriter, _ *http.Request) error {
	out := []any{}
	for _, r := range releases() {
		aliases := []any{}
		if r.name != "" {
			aliases = append(aliases, versionPrefix+r.name)
		}
		out = append(out, map[string]any{"version": versionPrefix + r.date, "type": "hot", "aliases": aliases})
	}
	reply(w, http.StatusOK, map[string]any{"template_versions": out})
	return nil
}

// function is a function of the template language: since when, and whether it is
// one of conditions. Source: the class of each version in Heat.
type function struct {
	name, since string
	condition   bool
	description string
}

func functions() []function {
	return []function{
		{"get_attr", "2013-05-23", false, "An attribute of a resource."},
		{"get_file", "2013-05-23", false, "The content of a file."},
		{"get_param", "2013-05-23", false, "The value of a parameter."},
		{"get_resource", "2013-05-23", false, "The identifier of a resource."},
		{"list_join", "2013-05-23", false, "Lists of text joined by a delimiter."},
		{"resource_facade", "2013-05-23", false, "Data of the resource that a template stands for."},
		{"str_replace", "2013-05-23", false, "Text with names replaced by values."},
		{"digest", "2015-04-30", false, "The hash of a text."},
		{"repeat", "2015-04-30", false, "A template once for each item of a list."},
		{"str_split", "2015-10-15", false, "Text split at a delimiter."},
		{"map_merge", "2016-04-08", false, "Maps laid over one another."},
		{"if", "2016-10-14", false, "One of two values, as a condition says."},
		{"map_replace", "2016-10-14", false, "A map with keys and values replaced."},
		{"yaql", "2016-10-14", false, "The value of a YAQL expression."},
		{"filter", "2017-02-24", false, "A list without certain values."},
		{"str_replace_strict", "2017-02-24", false, "str_replace that wants every name to be there."},
		{"contains", "2017-09-01", false, "Whether a list or text holds a value."},
		{"list_concat", "2017-09-01", false, "Lists one after another."},
		{"list_concat_unique", "2017-09-01", false, "Lists one after another, every value once."},
		{"make_url", "2017-09-01", false, "A URL made of its parts."},
		{"str_replace_vstrict", "2017-09-01", false, "str_replace that wants every name to be there with a value."},
		{"and", "2016-10-14", true, "Whether all conditions are true."},
		{"equals", "2016-10-14", true, "Whether two values are equal."},
		{"not", "2016-10-14", true, "The opposite of a condition."},
		{"or", "2016-10-14", true, "Whether any condition is true."},
	}
}

func templateFunctions(w http.ResponseWriter, r *http.Request) error {
	asked := strings.TrimPrefix(r.PathValue("v"), versionPrefix)
	all := releases()
	i := slices.IndexFunc(all, func(x release) bool { return asked == x.date || asked == x.name && asked != "" })
	if i < 0 {
		var known []string
		for _, x := range all {
			known = append(known, versionPrefix+x.date, versionPrefix+x.name)
		}
		return errs.New(errs.NotFound, "Template with version %s not found%s", r.PathValue("v"), nearest.Hint(r.PathValue("v"), known))
	}
	conditions := truth(r.URL.Query().Get("with_condition_func"))
	out := []map[string]any{}
	for _, f := range functions() {
		if f.since <= all[i].date && (!f.condition || conditions) {
			out = append(out, map[string]any{"functions": f.name, "description": f.description})
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i]["functions"].(string) < out[j]["functions"].(string) })
	reply(w, http.StatusOK, map[string]any{"template_functions": out})
	return nil
}

// validate reads one template, by itself, and tells its parameters.
func validate(w http.ResponseWriter, r *http.Request) error {
	var req struct {
		Template    json.RawMessage `json:"template"`
		Parameters  map[string]any  `json:"parameters"`
		Environment struct {
			Parameters map[string]any `json:"parameters"`
			Defaults   map[string]any `json:"parameter_defaults"`
		} `json:"environment"`
	}
	if err := decode(r, &req); err != nil {
		return err
	}
	if len(req.Template) == 0 || string(req.Template) == "null" {
		return errs.New(errs.Invalid, "No Template provided.")
	}
	const file = "template"
	t, err := hot.ParseTemplate(file, req.Template)
	if err != nil { // the client sends JSON in one line: the line says nothing
		return errs.New(errs.Invalid, "%s", strings.ReplaceAll(err.Error(), file+":1: ", ""))
	}
	given := map[string]any{}
	for _, m := range []map[string]any{req.Environment.Defaults, req.Environment.Parameters, req.Parameters} {
		for k, v := range m {
			given[k] = v
		}
	}
	params, wrong := map[string]any{}, []string{}
	for _, p := range t.Parameters {
		params[p.Name] = parameterBody(p, given)
		if v, ok := given[p.Name]; ok {
			if _, problem := p.Check(v); problem != "" {
				wrong = append(wrong, "parameter "+p.Name+": "+problem)
			}
		}
	}
	if len(wrong) > 0 {
		return errs.New(errs.Invalid, "%s", strings.Join(wrong, "\n"))
	}
	reply(w, http.StatusOK, map[string]any{"Description": t.Description, "Parameters": params, "Environment": map[string]any{
		"parameters": map[string]any{}, "parameter_defaults": map[string]any{}, "resource_registry": map[string]any{}, "encrypted_param_names": []any{}, "event_sinks": []any{}}})
	return nil
}

// parameterBody describes a parameter with the names that Heat took from CloudFormation.
func parameterBody(p *hot.Parameter, given map[string]any) map[string]any {
	types := map[string]string{"string": "String", "number": "Number", "boolean": "Boolean", "json": "Json", "comma_delimited_list": "CommaDelimitedList"}
	b := map[string]any{"Type": types[p.Type], "Description": p.Description, "NoEcho": "false", "Label": p.Name}
	show := func(v any) any {
		if p.Hidden {
			return stack.Hidden
		}
		return v
	}
	if p.Hidden {
		b["NoEcho"] = "true"
	}
	if p.HasDefault {
		b["Default"] = show(p.Default)
	}
	if v, ok := given[p.Name]; ok {
		b["Value"] = show(v)
	}
	if len(p.Tags) > 0 {
		b["Tags"] = p.Tags
	}
	return b
}
