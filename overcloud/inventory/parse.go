package inventory

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/yaml"
)

// MaxSize of a file, in bytes.
const MaxSize = 16 << 20

// Parse reads a file's entries; the extension of name decides how. It does not judge them.
func Parse(name string, data []byte) ([]map[string]any, error) {
	if len(data) > MaxSize {
		return nil, errs.New(errs.Invalid, "%s: %d bytes is more than the %d that are read", name, len(data), MaxSize)
	}
	var top any
	switch strings.ToLower(filepath.Ext(name)) {
	case ".json":
		if err := parseJSON(name, data, &top); err != nil {
			return nil, err
		}
	case ".yaml":
		if err := yaml.Unmarshal(name, data, &top); err != nil {
			return nil, err
		}
	case ".csv":
		return parseCSV(name, data)
	default:
		return nil, errs.New(errs.Invalid, "Invalid file extension for %s, must be json, yaml or csv", name)
	}
	if m, ok := top.(map[string]any); ok {
		if top, ok = m["nodes"]; !ok {
			return nil, errs.New(errs.Invalid, "%s: no \"nodes\" at the top level; expected a list of nodes or {\"nodes\": […]}", name)
		}
	}
	list, ok := top.([]any)
	if !ok {
		return nil, errs.New(errs.Invalid, "%s: expected a list of nodes, got %s", name, kind(top))
	}
	if len(list) == 0 {
		return nil, errs.New(errs.Invalid, "%s: the list of nodes is empty", name)
	}
	nodes := make([]map[string]any, len(list))
	for i, e := range list {
		if nodes[i], ok = e.(map[string]any); !ok {
			return nil, errs.New(errs.Invalid, "%s: node #%d: expected a map of fields, got %s", name, i, kind(e))
		}
	}
	return nodes, nil
}

func kind(v any) string {
	switch v.(type) {
	case nil:
		return "nothing"
	case map[string]any:
		return "a map"
	case []any:
		return "a list"
	case string:
		return "text"
	}
	return fmt.Sprintf("%v", v)
}

// parseJSON names the line and column of what is broken.
func parseJSON(name string, data []byte, out any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	err := d.Decode(out)
	off := d.InputOffset()
	if err == nil {
		rest := bytes.TrimLeft(data[off:], " \t\r\n")
		if len(rest) == 0 {
			return nil
		}
		off, err = int64(len(data)-len(rest)), errors.New("text after the end of the document")
	}
	var syn *json.SyntaxError
	if errors.As(err, &syn) {
		off = syn.Offset - 1 // of the offending byte
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		off, err = int64(len(data)), errors.New("the document ends too early")
	}
	off = min(max(off, 0), int64(len(data)))
	before := data[:off]
	line := bytes.Count(before, []byte("\n")) + 1
	col := int(off) - bytes.LastIndexByte(before, '\n')
	return errs.New(errs.Invalid, "%s:%d:%d: not valid JSON: %v", name, line, col, err)
}

func parseCSV(name string, data []byte) ([]map[string]any, error) {
	r := csv.NewReader(bytes.NewReader(data))
	r.FieldsPerRecord = -1
	r.TrimLeadingSpace = true
	var nodes []map[string]any
	cols := []string{"pm_type", "pm_addr", "pm_user", "pm_password", "mac", "pm_port"}
	for {
		rec, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, errs.New(errs.Invalid, "%s: %v", name, err)
		}
		line, _ := r.FieldPos(0)
		if len(rec) < 5 || len(rec) > 6 {
			return nil, errs.New(errs.Invalid, "%s:%d: %d columns; expected %s[,pm_port]", name, line, len(rec), strings.Join(cols[:5], ","))
		}
		n := map[string]any{}
		for i, v := range rec {
			n[cols[i]] = v
		}
		n["mac"] = []any{rec[4]}
		nodes = append(nodes, n)
	}
	if len(nodes) == 0 {
		return nil, errs.New(errs.Invalid, "%s: the list of nodes is empty", name)
	}
	return nodes, nil
}
