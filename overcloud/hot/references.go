package hot

import "path"

// Reference is a file that a template names literally.
type Reference struct {
	Name string // resolved against the template's
	From Origin // where it is named
}

// References returns what the template names by get_file and by resource types that
// are files.
func (t *Template) References() []Reference {
	var out []Reference
	add := func(name string, line int) {
		if !path.IsAbs(name) {
			name = path.Join(path.Dir(t.File), name)
		}
		out = append(out, Reference{name, Origin{File: t.File, Line: line}})
	}
	for _, r := range t.Resources {
		if IsFile(r.Type) {
			add(r.Type, r.Line)
		}
	}
	for _, f := range t.files {
		add(f.Name, f.From.Line)
	}
	return out
}
