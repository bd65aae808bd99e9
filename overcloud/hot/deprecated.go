package hot

import (
	"strings"

	"trefoil/internal/yaml"
)

// deprecate marks the parameters that are on their way out: TripleO lists them in
// a group with the label deprecated, or says DEPRECATED in their description.
func (t *Template) deprecate(groups *yaml.Node) {
	for _, d := range t.Parameters {
		d.Deprecated = strings.Contains(d.Description, "DEPRECATED")
	}
	if isNull(groups) {
		return
	}
	for _, g := range groups.Content {
		var names *yaml.Node
		label := ""
		for _, f := range pairs(g) {
			switch f.key.Value {
			case "label":
				label = f.val.Value
			case "parameters":
				names = f.val
			}
		}
		if !strings.EqualFold(label, "deprecated") || isNull(names) {
			continue
		}
		for _, n := range names.Content {
			if d := t.Parameter(deref(n).Value); d != nil {
				d.Deprecated = true
			}
		}
	}
}
