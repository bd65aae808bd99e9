package hot

import (
	"slices"
	"testing"
)

func TestImmutableIsToldToHaveNoEffect(t *testing.T) {
	tpl, err := ParseTemplate("t.yaml", []byte("heat_template_version: queens\nparameters:\n  A: {type: string, default: '', immutable: true}\n  B: {type: string, default: ''}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"t.yaml:3: parameter A: immutable has no effect here: an update may change its value"}; !slices.Equal(tpl.Warnings, want) {
		t.Errorf("got %q", tpl.Warnings)
	}
}
