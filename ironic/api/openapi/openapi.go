// Package openapi has the OpenAPI 3.1 document of the bare-metal API: what is
// served as /openapi.json, and what the API's tests hold every answer to.
//
// It is written by hand: document/ has a file for each resource, with its paths
// and their schemas, and Load puts them together. So that they stay readable,
// some things are written short:
//
//	parameters: [page, Node, {name: …}]  a word names a set of parameterSets or a
//	                                     parameter of components
//	requestBody: NodeCreate              a JSON body of that schema, which must be there
//	'200': Node                          a JSON answer of that schema
//	'204': NoContent                     an answer out of components.responses
//
// and what all operations share is written once and added to each: the header
// that names a version, the headers of version negotiation, the answers 401 and
// default (a refusal), Location of 201.
//
// Keys of our own: x-ironic-min-version, the microversion that brought a path, an
// operation, a parameter or a member; x-ironic-min-versions, the same of the
// values of an enum; x-ironic-patchable, PATCH may change this member;
// x-ironic-lenient, the operation is answered whatever version is asked for.
package openapi

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

//go:embed document/*.yaml
var files embed.FS

// Document is the whole, ready to be sent.
type Document struct {
	JSON []byte
	ETag string // changes with the document, in quotes as HTTP wants it
}

// Load puts the document together; it takes some milliseconds. An error names
// the file or the path that is wrong.
func Load() (Document, error) {
	doc, err := assemble(files)
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
