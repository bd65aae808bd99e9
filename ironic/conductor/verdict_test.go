package conductor

import (
	"encoding/json"
	"testing"
)

// A job that was under way when the service was replaced remembers whether a step ended its list.
func TestAVerdictReadsWhatOlderJobsRemember(t *testing.T) {
	for text, want := range map[string]verdict{"true": endHere, "false": goOn, `"list anew"`: listAnew, `""`: goOn} {
		var v verdict
		if err := json.Unmarshal([]byte(text), &v); err != nil || v != want {
			t.Errorf("%s: %q %v", text, v, err)
		}
	}
}
