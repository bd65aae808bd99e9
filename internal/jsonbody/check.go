package jsonbody

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"unicode/utf8"

	"trefoil/internal/errs"
)

// Check refuses what encoding/json would take too kindly or explain badly: what is not UTF-8, nested deeper
// than levels, or no JSON. Errors are Invalid.
func Check(data []byte, levels int) error {
	if !utf8.Valid(data) {
		return errs.New(errs.Invalid, "Malformed request body: it is not valid UTF-8.")
	}
	if Depth(data) > levels {
		return errs.New(errs.Invalid, "Malformed request body: nested deeper than %d levels.", levels)
	}
	var syntax *json.SyntaxError
	var whole json.RawMessage
	err := json.Unmarshal(data, &whole)
	if errors.As(err, &syntax) {
		at := min(int(syntax.Offset), len(data))
		return errs.New(errs.Invalid, "Malformed request body: %s at line %d, byte %d.", syntax.Error(), line(data, at), at)
	}
	if err != nil {
		return errs.New(errs.Invalid, "Malformed request body: %s.", err)
	}
	return nil
}

func line(data []byte, at int) int { return 1 + bytes.Count(data[:at], []byte("\n")) }

// Depth counts how deep brackets go, outside of strings.
func Depth(data []byte) int {
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

// maxWhole is the greatest whole number up to which float64 holds all of them, as others read JSON, too.
const maxWhole = 1 << 53

// Whole refuses whole numbers that encoding/json would make others of: a password of twenty digits is not
// to be sent to a machine as one that ends in zeros. data is valid JSON. The error, which is Invalid, does not show
// the number: it may be a secret.
func Whole(data []byte) error {
	inString := false
	for i := 0; i < len(data); i++ {
		switch b := data[i]; {
		case inString && b == '\\':
			i++
		case b == '"':
			inString = !inString
		case !inString && (b == '-' || b >= '0' && b <= '9'):
			n := bytes.IndexAny(data[i:], ",]} \t\r\n")
			if n < 0 {
				n = len(data) - i
			}
			number := data[i : i+n]
			if v, err := strconv.ParseInt(string(number), 10, 64); !bytes.ContainsAny(number, ".eE") && (err != nil || v > maxWhole || v < -maxWhole) {
				return errs.New(errs.Invalid, "Malformed request body: the number at line %d, byte %d is beyond ±%d and would not be kept as it is.", line(data, i), i+1, maxWhole).
					WithHint(`write it as a text, in quotes; with the command line: --driver-info 'ipmi_password="…"'`)
			}
			i += n - 1
		}
	}
	return nil
}
