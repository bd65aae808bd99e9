package ironic

import (
	"strings"
	"testing"
)

func TestWordsAreShortened(t *testing.T) {
	for in, want := range map[string]string{
		"":                              "",
		strings.Repeat("a", 4096):       strings.Repeat("a", 4096),
		strings.Repeat("a", 4097):       strings.Repeat("a", 4096) + "…",
		"a" + strings.Repeat("ä", 4096): "a" + strings.Repeat("ä", 2047) + "…",
	} {
		if got := Shortened(in); got != want {
			t.Errorf("%d bytes become %d: …%s", len(in), len(got), got[max(0, len(got)-8):])
		}
	}
}
