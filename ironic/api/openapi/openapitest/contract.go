// Package openapitest holds exchanges with the bare-metal API and with the introspection
// API to their OpenAPI documents. It is for tests: our own answers and recorded ones of
// Ironic are checked by it.
package openapitest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"trefoil/ironic/api/openapi"
)

type object = map[string]any

// where the document is said to be; nothing is fetched from there.
const home = "http://localhost/openapi.json"

// Contract is the document, ready to check by. It is safe for concurrent use.
//
// It is stricter than the document in one thing: an answer may have no member
// that its schema does not name, unless the schema has additionalProperties.
type Contract struct {
	doc       object
	templates []template

	mu       sync.Mutex // guards what follows
	whole    *jsonschema.Compiler
	partial  *jsonschema.Compiler // of the document in which no member is required
	compiled map[string]*jsonschema.Schema
}

// Load reads the document of the bare-metal API. Its schemas are held against
// JSON Schema 2020-12 when they are first needed; Schemas does it for all.
func Load() (*Contract, error) { return load(openapi.Load) }

// LoadIntrospection is Load for the introspection API.
func LoadIntrospection() (*Contract, error) { return load(openapi.LoadIntrospection) }

func load(document func() (openapi.Document, error)) (*Contract, error) {
	d, err := document()
	if err != nil {
		return nil, err
	}
	return parse(d.JSON)
}

func parse(data []byte) (*Contract, error) {
	c := &Contract{compiled: map[string]*jsonschema.Schema{}}
	if err := json.Unmarshal(data, &c.doc); err != nil {
		return nil, fmt.Errorf("read the document: %w", err)
	}
	for path := range member(c.doc, "paths") {
		c.templates = append(c.templates, newTemplate(path))
	}
	// Words before parameters: /v1/nodes/detail is no node.
	slices.SortFunc(c.templates, func(a, b template) int { return strings.Compare(a.order, b.order) })
	var err error
	if c.whole, err = compiler(data, true); err != nil {
		return nil, err
	}
	c.partial, err = compiler(data, false)
	return c, err
}

// compiler makes one for the document with closed schemas.
func compiler(data []byte, required bool) (*jsonschema.Compiler, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("read the document: %w", err)
	}
	if root, ok := doc.(object); ok {
		tighten(root["components"], required)
	}
	out := jsonschema.NewCompiler()
	out.AssertFormat()
	out.AssertContent()
	if err := out.AddResource(home, doc); err != nil {
		return nil, fmt.Errorf("read the document: %w", err)
	}
	return out, nil
}

// tighten closes every schema that names members and says nothing of others.
func tighten(v any, required bool) {
	switch x := v.(type) {
	case object:
		_, open := x["additionalProperties"]
		_, members := x["properties"].(object)
		if x["type"] == "object" && members && !open { // a member may be called type or properties, too
			x["additionalProperties"] = false
		}
		if _, list := x["required"].([]any); list && !required {
			delete(x, "required")
		}
		for _, m := range x {
			tighten(m, required)
		}
	case []any:
		for _, m := range x {
			tighten(m, required)
		}
	}
}

// Schemas compiles every schema of components; an error names the one that is
// no JSON Schema, or refers to what is not there.
func (c *Contract) Schemas() error {
	var all error
	for _, name := range slices.Sorted(maps.Keys(member(member(c.doc, "components"), "schemas"))) {
		_, err := c.schema("/components/schemas/"+name, false)
		all = errors.Join(all, err)
	}
	return all
}

// schema compiles what stands at a pointer, once.
func (c *Contract) schema(pointer string, partial bool) (*jsonschema.Schema, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := strconv.FormatBool(partial) + pointer
	if s := c.compiled[key]; s != nil {
		return s, nil
	}
	from := c.whole
	if partial {
		from = c.partial
	}
	at := url.URL{Fragment: pointer}
	s, err := from.Compile(home + at.String())
	if err != nil {
		return nil, fmt.Errorf("compile %s: %w", pointer, err)
	}
	c.compiled[key] = s
	return s, nil
}

// Validate holds a JSON text to a schema of components.
func (c *Contract) Validate(schema, text string) error {
	return c.validate("/components/schemas/"+schema, text, false)
}

func (c *Contract) validate(pointer, text string, partial bool) error {
	s, err := c.schema(pointer, partial)
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return fmt.Errorf("not JSON: %w", err)
	}
	return s.Validate(v)
}

// part is a piece of the document and where it stands.
type part struct {
	pointer string
	value   object
}

// at is the piece a pointer leads to, or that it refers to.
func (c *Contract) at(pointer string) part {
	var v any = c.doc
	for _, token := range strings.Split(pointer, "/")[1:] {
		token = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
		switch x := v.(type) {
		case object:
			v = x[token]
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i >= len(x) {
				return part{pointer: pointer}
			}
			v = x[i]
		default:
			return part{pointer: pointer}
		}
	}
	o, _ := v.(object)
	if to, ok := o["$ref"].(string); ok && len(o) == 1 {
		return c.at(strings.TrimPrefix(to, "#"))
	}
	return part{pointer, o}
}

// under is the piece below p with these tokens.
func (c *Contract) under(p part, tokens ...string) part {
	for _, token := range tokens {
		p = c.at(p.pointer + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(token))
	}
	return p
}

// member is an object within another; a missing one is empty.
func member(o object, name string) object {
	m, _ := o[name].(object)
	return m
}

// template is a path of the document.
type template struct {
	path     string
	segments []string
	order    string // sorts the more special paths to the front
}

func newTemplate(path string) template {
	t := template{path: path, segments: strings.Split(path, "/")}
	for _, s := range t.segments {
		if strings.HasPrefix(s, "{") {
			t.order += "1"
		} else {
			t.order += "0"
		}
	}
	return t
}

func (t template) fits(path string) bool {
	segments := strings.Split(path, "/")
	if len(segments) != len(t.segments) {
		return false
	}
	for i, s := range t.segments {
		if !strings.HasPrefix(s, "{") && s != segments[i] {
			return false
		}
	}
	return true
}

// path finds the item of a request's path.
func (c *Contract) path(path string) (part, bool) {
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/") // the API forgives it
	}
	for _, t := range c.templates {
		if t.fits(path) {
			return c.under(part{pointer: "/paths"}, t.path), true
		}
	}
	return part{}, false
}
