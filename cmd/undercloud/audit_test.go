package main

import (
	"encoding/base64"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

// audited are the lines of the audit log.
func audited(t *testing.T, log string) []map[string]any {
	t.Helper()
	var out []map[string]any
	for _, line := range strings.Split(log, "\n") {
		var m map[string]any
		if json.Unmarshal([]byte(line), &m) == nil && m["msg"] == "audit" {
			out = append(out, m)
		}
	}
	return out
}

func TestStandaloneLogsWhoChangesWhat(t *testing.T) {
	dir := t.TempDir()
	login := withPassword(t, dir, "carol")
	begun := func(state, more string) *aService {
		return begin(t, conf(t, filepath.Join(dir, state), login+more))
	}
	right := "Basic " + base64.StdEncoding.EncodeToString([]byte("carol:secret"))
	s := begun("one", "")
	if code, body := s.ask("POST", "/v1/nodes", `{"name":"n1","driver":"fake-hardware","owner":"somebody","driver_info":{"ipmi_password":"hunter2"}}`, "Authorization", right); code != 201 {
		t.Fatalf("%d %s", code, body)
	}
	s.ask("GET", "/v1/nodes", "", "Authorization", right)
	if code, body := s.ask("DELETE", "/v1/nodes/n1", ""); code != 401 {
		t.Fatalf("%d %s", code, body)
	}
	s.stop()
	lines := audited(t, s.log())
	if len(lines) != 2 || lines[0]["user"] != "carol" || lines[0]["outcome"] != "success" || lines[0]["address"] != "127.0.0.1" ||
		lines[1]["user"] != "" || lines[1]["status"] != 401.0 || lines[1]["path"] != "/v1/nodes/n1" {
		t.Errorf("%v", lines)
	}
	if log := s.log(); strings.Contains(log, "hunter2") || strings.Contains(log, "secret") {
		t.Error("the log has a secret")
	}
	quiet := begun("two", "[audit]\nenabled = false\n")
	quiet.ask("DELETE", "/v1/nodes/n1", "", "Authorization", right)
	quiet.stop()
	if lines := audited(t, quiet.log()); len(lines) != 0 {
		t.Errorf("it is off, and there are %v", lines)
	}
}
