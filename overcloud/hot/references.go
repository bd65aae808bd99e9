package hot

import (
	"path"

	"trefoil/internal/yaml"
)

// References returns the files that a template names literally: by get_file and
// by resource types that are files. Relative names are resolved against the template's.
func (t *Template) References() []string {
	var out []string
	add := func(name string) {
		if !path.IsAbs(name) {
			name = path.Join(path.Dir(t.File), name)
		}
		out = append(out, name)
	}
	for _, r := range t.Resources {
		if isFile(r.Type) {
			add(r.Type)
		}
		getFiles(r.Properties, add)
	}
	for _, o := range t.Outputs {
		getFiles(o.Value, add)
	}
	return out
}

func getFiles(n *yaml.Node, add func(string)) {
	if n == nil || n.Kind == yaml.AliasNode {
		return
	}
	if n.Kind == yaml.MappingNode && len(n.Content) == 2 && n.Content[0].Value == "get_file" && n.Content[1].Kind == yaml.ScalarNode {
		add(n.Content[1].Value)
		return
	}
	for _, c := range n.Content {
		getFiles(c, add)
	}
}
