package openapi

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
)

// expander writes out what the files say short.
type expander struct {
	sets, parameters, responses, schemas object
	headers, created                     object // of all answers, and of 201
}

// expand changes doc into what OpenAPI has words for.
func expand(doc object) error {
	components := member(doc, "components")
	x := &expander{sets: member(doc, "parameterSets"), parameters: member(components, "parameters"),
		responses: member(components, "responses"), schemas: member(components, "schemas")}
	x.headers, x.created = headerRefs(member(doc, "answerHeaders")), headerRefs(member(doc, "createdHeaders"))
	for _, ours := range []string{"parameterSets", "answerHeaders", "createdHeaders"} {
		delete(doc, ours)
	}
	for _, name := range slices.Sorted(maps.Keys(x.responses)) {
		if r, ok := x.responses[name].(object); ok && name != "Unauthorized" { // that one comes from before the API
			addHeaders(r, x.headers)
		}
	}
	paths := member(doc, "paths")
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		item, ok := paths[path].(object)
		if !ok {
			return fmt.Errorf("%s is not an object; expected one", path)
		}
		if err := x.item(item); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// member is an object within another; a missing one is empty.
func member(o object, name string) object {
	if m, ok := o[name].(object); ok {
		return m
	}
	return object{}
}

func ref(kind, name string) object { return object{"$ref": "#/components/" + kind + "/" + name} }

// Methods are the words for operations in the item of a path.
func Methods() []string { return []string{"get", "put", "post", "delete", "patch"} }

func (x *expander) item(item object) error {
	list, err := x.list(item["parameters"])
	if err != nil {
		return err
	}
	item["parameters"] = append(list, ref("parameters", "ApiVersion"))
	for _, method := range Methods() {
		op, ok := item[method].(object)
		if !ok {
			continue
		}
		if err := x.operation(op); err != nil {
			return fmt.Errorf("%s: %w", method, err)
		}
	}
	return nil
}

func (x *expander) operation(op object) error {
	list, err := x.list(op["parameters"])
	if err != nil {
		return err
	}
	if list != nil {
		op["parameters"] = list
	}
	if name, short := op["requestBody"].(string); short {
		if _, known := x.schemas[name]; !known {
			return fmt.Errorf("requestBody: there is no schema %q", name)
		}
		op["requestBody"] = object{"required": true, "content": jsonOf(name)}
	}
	return x.answers(op)
}

func jsonOf(schema string) object {
	return object{"application/json": object{"schema": ref("schemas", schema)}}
}

// list writes out the names in a list of parameters.
func (x *expander) list(v any) ([]any, error) {
	var out []any
	items, _ := v.([]any)
	for _, item := range items {
		name, short := item.(string)
		set, isSet := x.sets[name].([]any)
		switch {
		case !short:
			out = append(out, item)
		case isSet:
			members, err := x.list(set)
			if err != nil {
				return nil, fmt.Errorf("set %s: %w", name, err)
			}
			out = append(out, members...)
		case x.parameters[name] != nil:
			out = append(out, ref("parameters", name))
		default:
			return nil, fmt.Errorf("parameters: %q is neither a set nor a parameter", name)
		}
	}
	return out, nil
}

// answers writes out the responses of an operation and adds what all have.
func (x *expander) answers(op object) error {
	out := object{}
	for status, v := range member(op, "responses") {
		if name, short := v.(string); short {
			answer, err := x.answer(status, name)
			if err != nil {
				return err
			}
			v = answer
		}
		r, ok := v.(object)
		if !ok {
			return fmt.Errorf("answer %s is neither a name nor an object", status)
		}
		if r["$ref"] == nil {
			r = maps.Clone(r) // the files may use one in several places
			addHeaders(r, x.headers)
			if status == "201" {
				addHeaders(r, x.created)
			}
		}
		out[status] = r
	}
	if len(out) == 0 {
		return fmt.Errorf("there is no answer; expected one at least")
	}
	if open, given := op["security"].([]any); !given || len(open) > 0 {
		out["401"] = ref("responses", "Unauthorized")
	}
	out["default"] = ref("responses", "Error")
	op["responses"] = out
	return nil
}

func (x *expander) answer(status, name string) (object, error) {
	if x.responses[name] != nil {
		return ref("responses", name), nil
	}
	code, err := strconv.Atoi(status)
	if x.schemas[name] == nil || err != nil {
		return nil, fmt.Errorf("answer %s: %q is neither a response nor a schema", status, name)
	}
	return object{"description": http.StatusText(code) + ".", "content": jsonOf(name)}, nil
}

// headerRefs turns the names of components.headers into references to them.
func headerRefs(names object) object {
	out := object{}
	for header, name := range names {
		out[header] = ref("headers", fmt.Sprint(name))
	}
	return out
}

// addHeaders gives an answer headers beside those it has.
func addHeaders(response, headers object) {
	all := maps.Clone(member(response, "headers"))
	maps.Copy(all, headers)
	response["headers"] = all
}
