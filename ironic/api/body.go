package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"unicode/utf8"
)

// Limits of request bodies, in bytes. Config drives are at most 64 MiB before
// base64; inventories carry the ramdisk's logs.
const (
	bodyLimit      = 4 << 20
	provisionLimit = 96 << 20
	payloadLimit   = 32 << 20
	heartbeatLimit = 256 << 10
	maxDepth       = 64
)

// body reads the request whole and refuses what is too long, too deep or not JSON.
func (c *call) body(limit int64) ([]byte, error) {
	data, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, limit))
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &tooLong):
		return nil, clientError(http.StatusRequestEntityTooLarge, "Request body is longer than %d bytes.", limit)
	case err != nil:
		return nil, badRequest("Request body could not be read.")
	}
	return data, checkJSON(data)
}

// checkJSON refuses what encoding/json would take too kindly or explain badly.
func checkJSON(data []byte) error {
	if !utf8.Valid(data) {
		return badRequest("Malformed request body: it is not valid UTF-8.")
	}
	if depth(data) > maxDepth {
		return badRequest("Malformed request body: nested deeper than %d levels.", maxDepth)
	}
	var syntax *json.SyntaxError
	var whole json.RawMessage
	err := json.Unmarshal(data, &whole)
	if errors.As(err, &syntax) {
		line := 1 + bytes.Count(data[:min(int(syntax.Offset), len(data))], []byte("\n"))
		return badRequest("Malformed request body: %s at line %d, byte %d.", syntax.Error(), line, syntax.Offset)
	}
	if err != nil {
		return badRequest("Malformed request body: %s.", err)
	}
	return nil
}

// depth counts how deep brackets go, outside of strings.
func depth(data []byte) int {
	level, deepest, inString := 0, 0, false
	for i := 0; i < len(data); i++ {
		switch b := data[i]; {
		case inString && b == '\\':
			i++
		case b == '"':
			inString = !inString
		case inString:
		case b == '{' || b == '[':
			level++
			deepest = max(deepest, level)
		case b == '}' || b == ']':
			level--
		}
	}
	return deepest
}

// objectBody reads a body that must be a JSON object.
func (c *call) objectBody(limit int64) (map[string]any, error) {
	data, err := c.body(limit)
	if err != nil {
		return nil, err
	}
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil || m == nil {
		return nil, badRequest("Invalid request body: expected a JSON object.")
	}
	return m, nil
}

// only refuses members of a body that are not expected.
func only(resource string, body map[string]any, names ...string) error {
	for key := range body {
		if !slices.Contains(names, key) {
			return unexpected(resource, key, slices.Sorted(slices.Values(names)))
		}
	}
	return nil
}

// unexpected refuses a member; known are those that there are.
func unexpected(resource, name string, known []string) *apiError {
	return badRequest("Schema error for %s: Additional properties are not allowed ('%s' was unexpected)", resource, name).choosing(name, known)
}

// text takes a required string from a body.
func text(resource string, body map[string]any, name string) (string, error) {
	v, ok := body[name]
	if !ok {
		return "", badRequest("Schema error for %s: '%s' is a required property", resource, name)
	}
	s, ok := v.(string)
	if !ok || s == "" {
		return "", schemaError(resource, name, v, "'string'")
	}
	return s, nil
}
