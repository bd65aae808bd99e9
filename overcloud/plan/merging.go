package plan

import "trefoil/overcloud/hot"

// parameterTypes tells the types of parameters to the merging of environments:
// "a" and "b" of a comma_delimited_list come to "a,b", of a string to "ab". As in
// Heat the root template says it, else another that the registry names.
func (b *builder) parameterTypes() func(name string) string {
	parsed := map[string]map[string]string{}
	return func(name string) string {
		for _, file := range append([]string{rootTemplate}, b.registered()...) {
			if parsed[file] == nil {
				parsed[file] = b.declared(file)
			}
			if typ := parsed[file][name]; typ != "" {
				return typ
			}
		}
		return ""
	}
}

// registered are the templates that the registry names, in the order of its types.
func (b *builder) registered() []string {
	var out []string
	for _, t := range b.env.Types() {
		if file, _, _ := b.env.Resolve(t); hot.IsFile(file) {
			out = append(out, file)
		}
	}
	return out
}

// declared are the parameters of a template with their types. What is wrong with
// the template is told when it is evaluated, with all that belongs to it.
func (b *builder) declared(file string) map[string]string {
	out := map[string]string{}
	data, err := b.read(file)
	if err != nil {
		return out
	}
	t, err := hot.ParseTemplate(file, data)
	if err != nil {
		return out
	}
	for _, p := range t.Parameters {
		out[p.Name] = p.Type
	}
	return out
}
