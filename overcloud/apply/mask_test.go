package apply

import (
	"strings"
	"testing"
	"unicode/utf8"

	"trefoil/overcloud/resource"
)

// A secret that stands where a long line is cut is hidden all the same: the mask comes first.
func TestASecretAtTheCutOfALongLineIsHidden(t *testing.T) {
	n := newNode(t)
	n.sys.codes["tool"], n.sys.output = 1, "it fails\n"+strings.Repeat("x", longLine-5)+"Tr0ub4dor&3 behind\n"
	tool := resource.Exec{Name: "tool", Command: []string{"tool"}, Creates: "/never", Env: map[string]string{"WORD": "Tr0ub4dor&3"}}
	if _, err := n.apply(resource.Resource{Type: "exec", Exec: &tool}); err == nil {
		t.Fatal("no error")
	}
	tail := n.events[len(n.events)-1].Tail
	if len(tail) != 2 || strings.Contains(tail[1], "Tr0") || !strings.HasSuffix(tail[1], "x*****…") {
		t.Errorf("tail %q", tail)
	}

	n.sys.units["api.service"], n.sys.journal = "active", strings.Repeat("x", longLine-20)+"mysql://nova:Tr0ub4dor&3@db/nova\n"
	got, err := n.Health(t.Context(), []resource.Check{{Units: []string{"api"}, Explain: true}})
	if err != nil || len(got[0].Tail) != 1 || strings.Contains(got[0].Tail[0], "Tr0") || !strings.HasSuffix(got[0].Tail[0], "…") {
		t.Errorf("%+v, error %v", got, err)
	}
}

func TestALongLineIsCutBetweenTwoCharacters(t *testing.T) {
	got := mask{}.tail([]string{strings.Repeat("x", longLine-1) + "é!", strings.Repeat("x", longLine)})
	if !utf8.ValidString(got[0]) || got[0] != strings.Repeat("x", longLine-1)+"…" || len(got[1]) != longLine {
		t.Errorf("%q", got)
	}
}
