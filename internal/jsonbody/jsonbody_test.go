package jsonbody_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/internal/jsonbody"
)

func TestBodies(t *testing.T) {
	type thing struct {
		Name string `json:"name"`
	}
	for body, want := range map[string]errs.Code{
		`{"name":"n"}`: "", " \r\n\t{\"name\":\"n\"}\n": "",
		"": errs.Invalid, "null": errs.Invalid, " null": errs.Invalid, "[]": errs.Invalid, `"x"`: errs.Invalid, "7": errs.Invalid, "true": errs.Invalid,
		`{"name":7}`: errs.Invalid, `{"name":"n"} {}`: errs.Invalid, `{"name":`: errs.Invalid, "\ufeff{}": errs.Invalid,
		`{"name":"` + strings.Repeat("n", 90) + `"}`: errs.TooLarge,
	} {
		var got thing
		err := jsonbody.Object(httptest.NewRequest("POST", "/", strings.NewReader(body)), 64, &got)
		if errs.CodeOf(err) != want || want == "" && got.Name != "n" {
			t.Errorf("%q: %v, %+v", body, err, got)
		}
	}
	for body, want := range map[string]errs.Code{`[{"name":"n"}]`: "", "[]": "", "null": errs.Invalid, "{}": errs.Invalid, "[7]": errs.Invalid} {
		var got []thing
		if err := jsonbody.List(httptest.NewRequest("PATCH", "/", strings.NewReader(body)), 64, &got); errs.CodeOf(err) != want {
			t.Errorf("%q: %v, %+v", body, err, got)
		}
	}
}
