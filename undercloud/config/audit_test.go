package config

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func TestAuditIsOnUnlessTheFileSaysOtherwise(t *testing.T) {
	const off = "[audit]\nenabled = false\nignore_req_list = get,POST\n"
	for text, want := range map[string]Audit{"": {}, "[audit]\nenabled = true\n": {}, off: {Off: true, Ignore: []string{"GET", "POST"}}} {
		s, _, err := loadText(t, text)
		if err != nil {
			t.Fatal(err)
		}
		c, err := Parse("undercloud.conf", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		for _, got := range []Audit{s.Audit, c.Audit} {
			if got.Off != want.Off || !slices.Equal(got.Ignore, want.Ignore) {
				t.Errorf("%q: %+v", text, got)
			}
		}
		data, err := json.Marshal(c) // the installed service reads it back
		var again Config
		if err != nil || json.Unmarshal(data, &again) != nil || again.Audit.Off != want.Off || !slices.Equal(again.Audit.Ignore, want.Ignore) {
			t.Errorf("%q comes back as %+v, %v", text, again.Audit, err)
		}
	}
}

func TestWrongAuditOptionsAreNamedWithTheirLine(t *testing.T) {
	const text = "[audit]\nenabled = perhaps\nignore_req_list = LOOK\nenable = true\n"
	_, path, err := loadText(t, text)
	_, err2 := Parse("undercloud.conf", []byte(text))
	for name, err := range map[string]error{path: err, "undercloud.conf": err2} {
		if err == nil {
			t.Fatalf("%s: no error", name)
		}
		for _, want := range []string{":2: enabled: expected true or false", ":3: ignore_req_list: expected some of the methods GET, POST, PUT, PATCH, DELETE",
			`:4: unknown option enable in [audit]; did you mean enabled?`} {
			if !strings.Contains(err.Error(), name+want) {
				t.Errorf("no %q in:\n%v", name+want, err)
			}
		}
	}
}
