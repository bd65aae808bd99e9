package openapi

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"trefoil/internal/yaml"
)

type object = map[string]any

// assemble reads all files of a folder and makes one object of them.
func assemble(fsys fs.FS, dir string) (object, error) {
	names, err := fs.Glob(fsys, dir+"/*.yaml") // sorted
	if err != nil {
		return nil, err
	}
	out := object{}
	for _, name := range names {
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, err
		}
		var part object
		if err := yaml.Unmarshal(name, data, &part); err != nil {
			return nil, err
		}
		if err := merge(out, part, ""); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return out, nil
}

// merged are the objects whose members may come from several files.
func merged(at string) bool {
	return slices.Contains([]string{"/paths", "/components", "/parameterSets"}, at) ||
		strings.HasPrefix(at, "/components/") && strings.Count(at, "/") == 2
}

// merge adds the members of part, which stands at a place of the document, to whole.
func merge(whole, part object, at string) error {
	for _, key := range slices.Sorted(maps.Keys(part)) {
		here, v := at+"/"+key, part[key]
		old, there := whole[key]
		switch {
		case !there:
			whole[key] = v
		case merged(here):
			a, ok1 := old.(object)
			b, ok2 := v.(object)
			if !ok1 || !ok2 {
				return fmt.Errorf("%s is not an object; expected one", here)
			}
			if err := merge(a, b, here); err != nil {
				return err
			}
		case here == "/tags":
			a, ok1 := old.([]any)
			b, ok2 := v.([]any)
			if !ok1 || !ok2 {
				return fmt.Errorf("%s is not a list; expected one", here)
			}
			whole[key] = append(a, b...)
		default:
			return fmt.Errorf("%s is in another file already; one of them must go", here)
		}
	}
	return nil
}
