// Package openapi has the OpenAPI 3.1 documents of the bare-metal API and of the
// introspection API: what each serves as /openapi.json, and what its tests hold
// every answer to.
//
// They are written by hand: document/ has a file for each resource of the bare-metal
// API, with its paths and their schemas, introspection/ those of the other one, and
// Load and LoadIntrospection put them together. So that they stay readable,
// some things are written short:
//
//	parameters: [page, Node, {name: …}]  a word names a set of parameterSets or a
//	                                     parameter of components
//	requestBody: NodeCreate              a JSON body of that schema, which must be there
//	'200': Node                          a JSON answer of that schema
//	'204': NoContent                     an answer out of components.responses
//	answerHeaders: {X-Name: Name}        a header of all answers, out of components.headers
//	createdHeaders: {Location: Location} one of all answers 201
//
// and what all operations share is written once and added to each: the header
// that names a version (the parameter ApiVersion), those headers, the answers 401
// and default (a refusal).
//
// Keys of our own: x-ironic-min-version, the microversion that brought a path, an
// operation, a parameter or a member; x-ironic-min-versions, the same of the
// values of an enum; x-ironic-patchable, PATCH may change this member;
// x-ironic-lenient, the operation is answered whatever version is asked for.
package openapi

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

//go:embed document/*.yaml introspection/*.yaml
var files embed.FS

// Path is where a service has its document.
const Path = "/openapi.json"

// Link is the header Link with which the discovery document of a service at base, its URL
// without a slash, names the OpenAPI document (RFC 8631).
func Link(base string) string {
	return "<" + base + Path + `>; rel="service-desc"; type="application/json"`
}

// Document is the whole, ready to be sent.
type Document struct {
	JSON []byte
	ETag string // changes with the document, in quotes as HTTP wants it
}

// Serve answers with the document. Clients keep it and ask with If-None-Match.
func (d Document) Serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("ETag", d.ETag)
	h.Set("Cache-Control", "no-cache") // keep it, but ask each time whether it is still the same
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(d.JSON))
}

// Load puts the bare-metal API's document together; it takes some milliseconds. An
// error names the file or the path that is wrong.
func Load() (Document, error) { return load("document") }

// LoadIntrospection is Load for the introspection API.
func LoadIntrospection() (Document, error) { return load("introspection") }

func load(dir string) (Document, error) {
	doc, err := assemble(files, dir)
	if err != nil {
		return Document{}, fmt.Errorf("assemble the OpenAPI document: %w", err)
	}
	if err := expand(doc); err != nil {
		return Document{}, fmt.Errorf("expand the OpenAPI document: %w", err)
	}
	data, err := json.Marshal(doc)
	if err != nil {
		return Document{}, fmt.Errorf("encode the OpenAPI document: %w", err)
	}
	sum := sha256.Sum256(data)
	return Document{JSON: data, ETag: `"` + hex.EncodeToString(sum[:8]) + `"`}, nil
}
