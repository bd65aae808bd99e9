package apply

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestWhatIsRepeatedDoesNotPushOutWhy: a web server that writes the same line each second.
func TestWhatIsRepeatedDoesNotPushOutWhy(t *testing.T) {
	var log strings.Builder
	log.WriteString("cannot reach the database\n\n")
	for i := range 100 {
		fmt.Fprintf(&log, "08:59:%02d - listen queue full (%d/100)  \n", i%60, i)
	}
	log.WriteString("spawned worker 1\nspawned worker 2\nready\n")
	got := tailLines(log.String())
	want := []string{"cannot reach the database", "08:59:39 - listen queue full (99/100) (the last of 100 such lines)",
		"spawned worker 2 (the last of 2 such lines)", "ready"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got := tailLines(strings.Repeat("a\nb\n", 20)); len(got) != 15 || got[14] != "b" {
		t.Errorf("%q", got)
	}
}
