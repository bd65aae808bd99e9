// Package yaml is the one door to the YAML library: strict decoding into
// structs, ordered nodes for templates, limits against hostile files. Every
// error names the file and the line.
package yaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"

	"trefoil/internal/errs"
)

// Node is a parsed value that keeps the order of maps and the line of everything.
type Node = yaml.Node

// Kinds of nodes.
const (
	DocumentNode = yaml.DocumentNode
	MappingNode  = yaml.MappingNode
	SequenceNode = yaml.SequenceNode
	ScalarNode   = yaml.ScalarNode
	AliasNode    = yaml.AliasNode
)

// MaxSize is the largest file that is parsed, in bytes.
const MaxSize = 16 << 20

// Decode parses exactly one document into out; unknown keys, duplicate keys and
// further documents are refused. name is the file's, for errors.
func Decode(name string, data []byte, out any) error {
	return decode(name, data, out, true)
}

// Unmarshal is Decode that lets unknown keys pass.
func Unmarshal(name string, data []byte, out any) error {
	return decode(name, data, out, false)
}

// Parse returns the root value of a document, or nil for an empty one.
func Parse(name string, data []byte) (*Node, error) {
	var doc Node
	if err := decode(name, data, &doc, false); err != nil {
		return nil, err
	}
	if doc.Kind == 0 || len(doc.Content) == 0 {
		return nil, nil
	}
	return doc.Content[0], nil
}

// Marshal writes v with an indent of two.
func Marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encode yaml: %w", err)
	}
	err := e.Close()
	return b.Bytes(), err
}

func decode(name string, data []byte, out any, strict bool) error {
	if len(data) > MaxSize {
		return errs.New(errs.Invalid, "%s: %d bytes is more than the %d that are read", name, len(data), MaxSize)
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(strict)
	if err := d.Decode(out); err != nil && !errors.Is(err, io.EOF) {
		return invalid(name, err)
	}
	var more Node
	if err := d.Decode(&more); err == nil {
		return errs.New(errs.Invalid, "%s:%d: a second YAML document; expected one", name, more.Line)
	} else if !errors.Is(err, io.EOF) {
		return invalid(name, err)
	}
	return nil
}

// The library speaks of Go's types, which whoever wrote the file does not know.
var (
	unread  = regexp.MustCompile("cannot unmarshal (!!\\w+)( `.*`)? into (.+)$")
	unasked = regexp.MustCompile(`field (.+) not found in type .+$`)
)

// plainly says "found a list; expected a map" for a match of unread.
func plainly(match string) string {
	m := unread.FindStringSubmatch(match)
	found, ok := map[string]string{"!!seq": "a list", "!!map": "a map", "!!str": "text", "!!int": "a number", "!!float": "a number",
		"!!bool": "true or false", "!!null": "nothing"}[m[1]]
	if !ok {
		found = m[1]
	}
	return "found " + found + m[2] + "; expected " + kindOf(m[3])
}

// kindOf says what a file has for a Go type.
func kindOf(goType string) string {
	switch t := strings.TrimPrefix(goType, "*"); {
	case strings.HasPrefix(t, "[]"):
		return "a list"
	case t == "string":
		return "text"
	case t == "bool":
		return "true or false"
	case strings.HasPrefix(t, "int"), strings.HasPrefix(t, "uint"):
		return "a whole number"
	case strings.HasPrefix(t, "float"):
		return "a number"
	}
	return "a map"
}

var lineOf = regexp.MustCompile(`line (\d+): `)

// invalid rewrites the library's "yaml: line 3: …" as "file:3: …".
func invalid(name string, err error) error {
	msg := strings.TrimPrefix(err.Error(), "yaml: ")
	var te *yaml.TypeError
	if errors.As(err, &te) {
		each := make([]string, len(te.Errors))
		for i, e := range te.Errors {
			each[i] = unasked.ReplaceAllString(unread.ReplaceAllStringFunc(e, plainly), "unknown key $1")
		}
		msg = strings.Join(each, "; ")
	}
	if strings.Contains(msg, "cannot start any token") { // of all characters it is the tab that people type
		msg = strings.Replace(msg, "found character that cannot start any token", "a character that cannot begin a value here, such as a tab, @ or `; YAML indents with spaces, and other texts want quotes", 1)
	}
	if m := lineOf.FindStringSubmatchIndex(msg); m != nil {
		return errs.New(errs.Invalid, "%s:%s: %s", name, msg[m[2]:m[3]], msg[:m[0]]+msg[m[1]:])
	}
	return errs.New(errs.Invalid, "%s: %s", name, msg)
}
