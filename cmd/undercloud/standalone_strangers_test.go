package main

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// Who sends an inventory that nobody can go by is told what is wrong with it, and so is
// the log, in one line.
func TestInventoriesWithoutAnAddressAreExplained(t *testing.T) {
	s := begin(t, conf(t, filepath.Join(t.TempDir(), "state"), ""))
	warned := 0
	for body, words := range map[string]string{
		`{"inventory":{}}`: "inventory.interfaces has no entry",
		`{"inventory":{"interfaces":[{"mac_address":"zz"}]}}`:                "inventory.interfaces[0].mac_address is",
		`{"inventory":{"interfaces":[{"mac_address":"52:54:00:00:00:01"}]}}`: "",
	} {
		for _, url := range []string{s.url + "/v1/continue_inspection", s.introspection + "/v1/continue"} {
			resp, err := http.Post(url, "application/json", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			var text strings.Builder
			if err := resp.Write(&text); err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			want := http.StatusBadRequest
			if words == "" {
				want = http.StatusNotFound
			}
			if resp.StatusCode != want || !strings.Contains(text.String(), words) {
				t.Errorf("%s: %s", body, text.String())
			}
			warned++
			if log := s.log(); strings.Count(log, `"level":"WARN"`) != warned || !strings.Contains(log, words) {
				t.Errorf("%s: expected %d warnings: %s", body, warned, log)
			}
		}
	}
}
