package jsonbody_test

import (
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/internal/jsonbody"
)

func TestBodiesAreChecked(t *testing.T) {
	for body, want := range map[string]string{
		`{"a":["}",{"b":"\""}]}`: "", strings.Repeat("[", 64) + strings.Repeat("]", 64): "", "7": "",
		strings.Repeat("[", 65) + strings.Repeat("]", 65): "nested deeper than 64 levels", "{\"a\":\"\xff\"}": "not valid UTF-8",
		"{\"a\":\n}": "at line 2", "": "unexpected end",
	} {
		if err := jsonbody.Check([]byte(body), 64); (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || !errs.Is(err, errs.Invalid)) {
			t.Errorf("%q: %v, want %q", body, err, want)
		}
	}
}

func TestWholeNumbersThatWouldChangeAreRefused(t *testing.T) {
	for body, ok := range map[string]bool{
		`{"a":9007199254740992,"b":-9007199254740992,"c":"12345678901234567890"}`: true, `[1.5e300,12345678901234567890.5,0]`: true, `7`: true,
		`{"a\"":"\\","b":1}`: true, `{"a":9007199254740993}`: false, `[ 12345678901234567890 ]`: false, `{"a":{"b":[-9007199254740993]}}`: false, `12345678901234567890`: false,
	} {
		err := jsonbody.Whole([]byte(body))
		if (err == nil) != ok || err != nil && (strings.Contains(err.Error(), "0993") || strings.Contains(err.Error(), "567890") || errs.HintOf(err) == "") {
			t.Errorf("%s: %v", body, err)
		}
	}
}
