package hot

import "path"

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
		if IsFile(r.Type) {
			add(r.Type)
		}
	}
	for _, f := range t.files {
		add(f)
	}
	return out
}
