package resource

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"trefoil/internal/errs"
)

// MaxDocument is the largest document that is read, in bytes.
const MaxDocument = 16 << 20

// Decode reads exactly one document and validates it. A field that this
// program does not know is refused: it would be left undone without a word.
func Decode(r io.Reader) (*Document, error) {
	b, err := io.ReadAll(io.LimitReader(r, MaxDocument+1))
	if err != nil {
		return nil, fmt.Errorf("read document: %w", err)
	}
	if len(b) > MaxDocument {
		return nil, errs.New(errs.Invalid, "document is larger than %d bytes", MaxDocument)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	var doc Document
	if err := d.Decode(&doc); err != nil {
		return nil, invalidJSON(b, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errs.New(errs.Invalid, "document: more text after the first JSON object; expected one document")
	}
	if err := Validate(&doc); err != nil {
		return nil, err
	}
	return &doc, nil
}

// DecodeLines reads documents, each on a line of its own.
func DecodeLines(r io.Reader) ([]*Document, error) {
	var docs []*Document
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, MaxDocument)
	for lines.Scan() {
		doc, err := Decode(bytes.NewReader(lines.Bytes()))
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", len(docs)+1, err)
		}
		docs = append(docs, doc)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read document %d: %w", len(docs)+1, err)
	}
	return docs, nil
}

// invalidJSON puts line and column to what encoding/json says, and never
// quotes the document, which may hold secrets.
func invalidJSON(b []byte, err error) error {
	offset := int64(-1)
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &kind):
		offset = kind.Offset
		err = fmt.Errorf("%s: expected %s, got %s", kind.Field, kind.Type, kind.Value)
	}
	if offset < 0 || offset > int64(len(b)) {
		return errs.New(errs.Invalid, "document: %v", err).
			WithHint("an unknown field means that this os-apply-config is older than the deployer; overcloud deploy gives nodes the one beside undercloud")
	}
	line := 1 + bytes.Count(b[:offset], []byte("\n"))
	column := int(offset) - bytes.LastIndexByte(b[:offset], '\n') - 1
	return errs.New(errs.Invalid, "document: line %d column %d: %v", line, max(column, 1), err)
}

// Sum is the hash of the resources: equal sums mean that there is nothing new to do.
func Sum(resources []Resource) string {
	b, err := json.Marshal(resources)
	if err != nil { // strings, numbers and maps of strings cannot fail to encode
		return ""
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}
