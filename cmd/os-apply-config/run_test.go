package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"trefoil/overcloud/resource"
)

func call(t *testing.T, stdin string, args ...string) (int, string, string) {
	t.Helper()
	var out, errs bytes.Buffer
	code := run(t.Context(), args, strings.NewReader(stdin), &out, &errs)
	return code, out.String(), errs.String()
}

func TestWrongUseIsExitCodeTwoAndShowsTheCommands(t *testing.T) {
	for _, args := range [][]string{nil, {"aply"}, {"apply", "x"}} {
		if code, _, msg := call(t, "", args...); code != 2 || !strings.Contains(msg, "first-boot") {
			t.Errorf("%q: code %d, %s", args, code, msg)
		}
	}
}

func TestBadDocumentIsAFailedEventAndExitCodeOne(t *testing.T) {
	for _, doc := range []string{"", "{", `{"step":7}`, `{"step":1,"resources":[{"type":"file","file":{"path":"x"}}]}`} {
		code, out, msg := call(t, doc, "apply")
		var e resource.Event
		if err := json.Unmarshal([]byte(out), &e); err != nil || e.Event != "failed" || e.Error == "" || code != 1 || msg == "" {
			t.Errorf("%q: code %d, event %s, error %v", doc, code, out, err)
		}
	}
}

func TestVersionIsTheHashOfTheProgram(t *testing.T) {
	code, out, _ := call(t, "", "version")
	_, again, _ := call(t, "", "version")
	if code != 0 || len(strings.TrimSpace(out)) != 64 || out != again {
		t.Errorf("code %d, %q", code, out)
	}
}
