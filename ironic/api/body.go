package api

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/jsonbody"
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
func checkJSON(data []byte) error { return refused(jsonbody.Check(data, maxDepth)) }

// refused makes the API's refusal of an error that a check of a body found.
func refused(err error) error {
	if err == nil {
		return nil
	}
	return badRequest("%s", err).hinting("%s", errs.HintOf(err))
}

// exactBody is body for what is kept: numbers that would change on the way are refused.
func (c *call) exactBody(limit int64) ([]byte, error) {
	data, err := c.body(limit)
	if err != nil {
		return nil, err
	}
	return data, refused(jsonbody.Whole(data))
}

// objectBody reads a body that must be a JSON object.
func (c *call) objectBody(limit int64) (map[string]any, error) {
	data, err := c.exactBody(limit)
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
	return badRequest("Schema error for %s: Additional properties are not allowed ('%s' was unexpected)", resource, clipped(name)).choosing(name, known)
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

// maxEchoed is how many bytes of what a client sent are said to it again.
const maxEchoed = 1000

// clipped is the beginning of what a refusal repeats.
func clipped(s string) string {
	if len(s) <= maxEchoed {
		return s
	}
	return strings.ToValidUTF8(s[:maxEchoed], "") + "…"
}
