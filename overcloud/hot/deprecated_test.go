package hot_test

import (
	"slices"
	"testing"

	"trefoil/overcloud/hot"
)

func TestDeprecatedParameters(t *testing.T) {
	tmpl, err := hot.ParseTemplate("a.yaml", []byte(`heat_template_version: queens
parameter_groups:
- label: deprecated
  parameters: [Grouped]
- label: other
  parameters: [Kept]
- label: Deprecated
  parameters: []
parameters:
  Grouped: {type: string, default: ''}
  Told: {type: string, default: '', description: (DEPRECATED) use Kept}
  Kept: {type: string, default: '', description: what was deprecated stands here}
resources:
  x: {type: OS::Heat::None}
`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range tmpl.Parameters {
		if p.Deprecated {
			got = append(got, p.Name)
		}
	}
	if !slices.Equal(got, []string{"Grouped", "Told"}) {
		t.Errorf("deprecated are %v", got)
	}
}
