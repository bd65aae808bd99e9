// Package jsonbody reads the bodies of requests that are one JSON object or one list. encoding/json takes
// null for any of both and leaves what it should fill as it was; a decoder stops at the first value.
package jsonbody

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"trefoil/internal/errs"
)

// Object decodes a body that must be a JSON object of at most limit bytes into what into points to.
// Errors: TooLarge; Invalid for anything else, whose cause encoding/json names by field and type.
func Object(r *http.Request, limit int64, into any) error { return read(r, limit, '{', "object", into) }

// List is Object for a body that must be a list.
func List(r *http.Request, limit int64, into any) error { return read(r, limit, '[', "list", into) }

func read(r *http.Request, limit int64, begin byte, kind string, into any) error {
	data, err := Bytes(r, limit)
	if err != nil {
		return err
	}
	var whole json.RawMessage
	if err := json.Unmarshal(data, &whole); err != nil {
		return errs.Wrap(errs.Invalid, err, "the request body is not valid JSON")
	}
	if bytes.TrimLeft(whole, " \t\r\n")[0] != begin {
		return errs.New(errs.Invalid, "the request body is not a JSON %s", kind)
	}
	if err := json.Unmarshal(whole, into); err != nil {
		return errs.Wrap(errs.Invalid, err, "the request body is not the JSON %s that was expected", kind)
	}
	return nil
}

// Bytes reads a body whole. Errors: TooLarge beyond limit bytes; Invalid: it ended too early.
func Bytes(r *http.Request, limit int64) ([]byte, error) {
	data, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, limit))
	if errors.As(err, new(*http.MaxBytesError)) {
		return nil, errs.New(errs.TooLarge, "the request body is longer than %d bytes", limit)
	}
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "the request body could not be read whole")
	}
	return data, nil
}
