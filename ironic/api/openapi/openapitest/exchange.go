package openapitest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Exchange is a request with the answer to it.
type Exchange struct {
	Method, Target string // Target is the path with the query
	Body           string
	Status         int
	Header         http.Header // of the answer
	Answer         string
	// Partial says that a recorded answer was cut: members that are missing do not count.
	Partial bool
}

// Check says where an exchange departs from the document: a path, a method, a
// status, a header, a body or a parameter that is not as documented, or newer
// than the version of the answer. What is refused need not be documented; how
// it is refused must be.
func (c *Contract) Check(x Exchange) error {
	if err := c.check(x); err != nil {
		return fmt.Errorf("%s %s (status %d) is not as the OpenAPI document says: %w", x.Method, x.Target, x.Status, err)
	}
	return nil
}

func (c *Contract) check(x Exchange) error {
	target, err := url.ParseRequestURI(x.Target)
	if err != nil {
		return err
	}
	item, found := c.path(target.EscapedPath())
	method := strings.ToLower(x.Method)
	if x.Method == http.MethodHead {
		method = "get"
	}
	op := c.under(item, method)
	refused := x.Status >= 400
	switch {
	case !refused && !found:
		return fmt.Errorf("it has no such path")
	case !refused && op.value == nil:
		return fmt.Errorf("it has no such operation of this path")
	case op.value == nil && x.Method == http.MethodHead:
		return nil
	case op.value == nil:
		return c.unrouted(x)
	}
	if err := c.answer(x, op); err != nil || refused {
		return err
	}
	if err := c.age(x, item, op); err != nil {
		return err
	}
	if err := c.query(x, target.Query(), item, op); err != nil {
		return err
	}
	return c.request(x, op)
}

// unrouted checks the refusal of what the document has no operation for. Who sent it is asked
// before the path is looked at.
func (c *Contract) unrouted(x Exchange) error {
	name := "Error"
	if x.Status == http.StatusUnauthorized {
		name = "Unauthorized"
	}
	schema := c.under(part{pointer: "/components/responses"}, name, "content", "application/json", "schema")
	return c.validate(schema.pointer, x.Answer, false)
}

// answer checks status, headers and body.
func (c *Contract) answer(x Exchange, op part) error {
	r := c.under(op, "responses", strconv.Itoa(x.Status))
	if r.value == nil && x.Status >= 400 {
		r = c.under(op, "responses", "default")
	}
	if r.value == nil {
		return fmt.Errorf("it has no such status of this operation")
	}
	for name := range member(r.value, "headers") {
		if c.under(r, "headers", name).value["required"] == true && x.Header.Get(name) == "" {
			return fmt.Errorf("the answer has no header %s", name)
		}
	}
	if x.Method == http.MethodHead {
		return nil
	}
	if r.value["content"] == nil {
		if x.Answer != "" {
			return fmt.Errorf("the answer has a body; expected none")
		}
		return nil
	}
	if got, _, _ := strings.Cut(x.Header.Get("Content-Type"), ";"); member(r.value, "content")[got] == nil {
		return fmt.Errorf("the answer's Content-Type is %q", got)
	}
	schema := c.under(r, "content", "application/json", "schema")
	if err := c.validate(schema.pointer, x.Answer, x.Partial); err != nil {
		return fmt.Errorf("the answer: %w", err)
	}
	return reading{c, minorOf(x.Header), false}.young(schema, x.Answer)
}

// request checks the body of a request that was accepted.
func (c *Contract) request(x Exchange, op part) error {
	body := c.under(op, "requestBody")
	switch {
	case x.Body == "" && body.value["required"] == true:
		return fmt.Errorf("a request without a body was accepted")
	case x.Body == "":
		return nil
	case body.value == nil:
		return fmt.Errorf("a request with a body was accepted; it has none for this operation")
	}
	schema := c.under(body, "content", "application/json", "schema")
	if err := c.validate(schema.pointer, x.Body, false); err != nil {
		return fmt.Errorf("the request was accepted: %w", err)
	}
	if err := (reading{c, minorOf(x.Header), true}).young(schema, x.Body); err != nil {
		return fmt.Errorf("the request was accepted: %w", err)
	}
	return nil
}

// query checks the parameters of a request that was accepted.
func (c *Contract) query(x Exchange, given url.Values, item, op part) error {
	known := map[string]part{}
	for _, from := range []part{item, op} {
		list, _ := from.value["parameters"].([]any)
		for i := range list {
			p := c.under(c.inline(from, "parameters"), strconv.Itoa(i))
			if p.value["in"] == "query" {
				known[p.value["name"].(string)] = p
			}
		}
	}
	for name, values := range given {
		p, ok := known[name]
		if !ok {
			return fmt.Errorf("the query parameter %s was accepted; it has none of that name", name)
		}
		if since := since(p.value); since > minorOf(x.Header) {
			return fmt.Errorf("the query parameter %s, of 1.%d, was accepted", name, since)
		}
		schema := c.under(p, "schema")
		if err := c.validate(schema.pointer, asJSON(schema.value, strings.Join(values, ",")), false); err != nil {
			return fmt.Errorf("the query parameter %s was accepted: %w", name, err)
		}
	}
	return nil
}

// inline is a list below p, which part has no word for.
func (c *Contract) inline(p part, name string) part { return part{pointer: p.pointer + "/" + name} }

// asJSON writes the text of a parameter as its schema wants it.
func asJSON(schema object, text string) string {
	var v any = text
	switch schema["type"] {
	case "integer":
		if _, err := strconv.Atoi(text); err == nil {
			return text
		}
	case "array":
		v = strings.Split(text, ",")
	}
	out, _ := json.Marshal(v) // texts only: cannot fail
	return string(out)
}

// age refuses success of what is newer than the version.
func (c *Contract) age(x Exchange, item, op part) error {
	if newer := max(since(item.value), since(op.value)); newer > minorOf(x.Header) && op.value["x-ironic-lenient"] != true {
		return fmt.Errorf("it says that 1.%d brought this", newer)
	}
	return nil
}

// since is the minor version that brought something; 0 means that it was always there.
func since(o object) int { return minor(o["x-ironic-min-version"]) }

func minor(v any) int {
	text, _ := v.(string)
	n, _ := strconv.Atoi(strings.TrimPrefix(text, "1."))
	return n
}

// minorOf is the version of an answer.
func minorOf(h http.Header) int { return minor(h.Get("X-OpenStack-Ironic-API-Version")) }

// reading is a body on its way through its schema.
type reading struct {
	*Contract
	version int  // of the answer
	request bool // a newer member that is null says nothing and is taken
}

// young looks for members and values of enums that are newer than the version.
func (r reading) young(schema part, text string) error {
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return fmt.Errorf("not JSON: %w", err)
	}
	return r.walk(schema, v, "")
}

func (r reading) walk(schema part, v any, at string) error {
	if ref, ok := schema.value["$ref"].(string); ok { // with words beside it
		if err := r.walk(r.at(strings.TrimPrefix(ref, "#")), v, at); err != nil {
			return err
		}
	}
	switch x := v.(type) {
	case string:
		if since := minor(member(schema.value, "x-ironic-min-versions")[x]); since > r.version {
			return fmt.Errorf("%s is %q, which 1.%d brought; the version is 1.%d", at, x, since, r.version)
		}
	case []any:
		for i, item := range x {
			if err := r.walk(r.under(schema, "items"), item, at+"/"+strconv.Itoa(i)); err != nil {
				return err
			}
		}
	case object:
		for _, name := range slices.Sorted(maps.Keys(x)) {
			if err := r.named(schema, name, x[name], at+"/"+name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r reading) named(schema part, name string, v any, at string) error {
	said, known := member(schema.value, "properties")[name].(object)
	if !known {
		return r.walk(r.under(schema, "additionalProperties"), v, at)
	}
	if since := since(said); since > r.version && !(r.request && v == nil) {
		return fmt.Errorf("%s is there, which 1.%d brought; the version is 1.%d", at, since, r.version)
	}
	return r.walk(r.under(schema, "properties", name), v, at)
}
