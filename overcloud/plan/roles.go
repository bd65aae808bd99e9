package plan

import (
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/nearest"
	"trefoil/internal/yaml"
	"trefoil/overcloud/hot"
	"trefoil/overcloud/jinja"
	"trefoil/overcloud/network"
)

// File is a named text; the name is used in errors and for relative paths.
type File struct {
	Name string
	Data []byte
}

// roleFile is roles_data: the roles as templates see them and as we need them.
type roleFile struct {
	name  string
	value *jinja.List
	roles []roleDef
}

type roleDef struct {
	Name           string
	Line           int
	Tags           []string
	Networks       []located
	Routes         []located // default_route_networks
	Services       []located
	ServerResource string // deprecated_server_resource_name, else the role's name
	UpdateSerial   int    // 1 where the role does not say, as TripleO has it
	value          *jinja.Dict
}

// located is a text with the line that it stands in.
type located struct {
	Text string
	Line int
}

// roleKeys are the keys of a role in TripleO's roles_data, Queens and Wallaby.
var roleKeys = strings.Fields(`name description CountDefault HostnameFormatDefault ImageDefault FlavorDefault
	RoleParametersDefault ServicesDefault networks networks_skip_config default_route_networks tags update_serial
	upgrade_batch_size disable_constraints disable_upgrade_deployment uses_deprecated_params
	deprecated_param_extraconfig deprecated_param_flavor deprecated_param_image deprecated_param_metadata
	deprecated_param_scheduler_hints deprecated_param_ips deprecated_server_resource_name
	deprecated_nic_config_name rhsm_enforce ansible_group_vars`)

// problems collects what is wrong, each with its place.
type problems []string

// add notes one; line 0 is none, as of the command line.
func (p *problems) add(file string, line int, format string, args ...any) {
	*p = append(*p, hot.Origin{File: file, Line: line}.String()+": "+fmt.Sprintf(format, args...))
}

func (p problems) err() error {
	if len(p) == 0 {
		return nil
	}
	return errs.New(errs.Invalid, "%s", strings.Join(p, "\n"))
}

// parseRoles reads a roles_data file.
func parseRoles(f File) (*roleFile, error) {
	root, err := yaml.Parse(f.Name, f.Data)
	if err != nil {
		return nil, err
	}
	var p problems
	if root == nil || root.Kind != yaml.SequenceNode {
		p.add(f.Name, 1, "a roles file is a list of roles, each with a name")
		return nil, p.err()
	}
	v, err := jinja.FromYAML(f.Name, root)
	if err != nil {
		return nil, err
	}
	rf := &roleFile{name: f.Name, value: v.(*jinja.List)}
	seen := map[string]int{}
	for i, n := range root.Content {
		d, ok := rf.value.Items[i].(*jinja.Dict)
		if !ok {
			p.add(f.Name, n.Line, "a role is a map with a name")
			continue
		}
		r := parseRole(&p, f.Name, aliased(n), d)
		if line, dup := seen[r.Name]; dup && r.Name != "" {
			p.add(f.Name, n.Line, "role %s is given twice, first in line %d", r.Name, line)
		}
		seen[r.Name] = n.Line
		rf.roles = append(rf.roles, r)
	}
	if len(rf.roles) == 0 {
		p.add(f.Name, 1, "no roles")
	}
	return rf, p.err()
}

// RoleNames are those of the roles file that a plan would be made with.
func RoleNames(tree fs.FS, o Options) ([]string, error) {
	f, err := (&builder{tree: tree, o: o}).file(o.Roles, "roles_data.yaml")
	if err != nil {
		return nil, err
	}
	rf, err := parseRoles(f)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, r := range rf.roles {
		out = append(out, r.Name)
	}
	return out, nil
}

// countDefault is the key of a role with how many machines it has where nobody says.
const countDefault = "CountDefault"

// roleLists are the keys of a role that hold lists.
var roleLists = []string{"tags", "networks", "default_route_networks", "ServicesDefault"}

var roleName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,62}$`)

func parseRole(p *problems, file string, n *yaml.Node, d *jinja.Dict) roleDef {
	r := roleDef{Line: n.Line, value: d, UpdateSerial: 1}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, line, v := n.Content[i], n.Content[i+1].Line, aliased(n.Content[i+1])
		for j := 0; j < i; j += 2 {
			if n.Content[j].Value == k.Value {
				p.add(file, k.Line, "key %q stands twice in a role: line %d has it too", k.Value, n.Content[j].Line)
			}
		}
		if slices.Contains(roleLists, k.Value) && v.Kind == yaml.ScalarNode {
			if v.Tag != "!!null" {
				p.add(file, line, "%s is %q; expected a list", k.Value, v.Value)
			}
			d.Delete(k.Value) // none: templates go by their defaults, as where it is not written
			continue
		}
		switch k.Value {
		case "name":
			r.Name = v.Value
		case "tags":
			r.Tags = texts(placed(v))
		case "networks":
			r.Networks = placed(v)
		case "default_route_networks":
			r.Routes = placed(v)
		case "deprecated_server_resource_name":
			r.ServerResource = v.Value
		case "update_serial":
			serial, err := strconv.Atoi(v.Value)
			if err != nil || serial < 1 {
				p.add(file, line, "update_serial is %q; expected how many machines are updated at a time, 1 or more", v.Value)
			}
			r.UpdateSerial = serial
		case "ServicesDefault":
			for _, s := range v.Content {
				r.Services = append(r.Services, located{aliased(s).Value, s.Line})
			}
		default:
			if !slices.Contains(roleKeys, k.Value) {
				p.add(file, k.Line, "unknown key %q in a role%s", k.Value, nearest.Hint(k.Value, roleKeys))
			}
		}
	}
	count, _ := d.Get(countDefault)
	if whole, ok := wholeNumber(count); ok {
		d.Set(countDefault, int64(whole)) // templates have it as a default, 2.0 too
	}
	if r.Name == "" {
		p.add(file, n.Line, "a role without a name")
	} else if !roleName.MatchString(r.Name) {
		p.add(file, n.Line, "role %q: a name is letters, digits, - and _, and begins with a letter: parameters and files are named after it", r.Name)
	}
	if r.ServerResource == "" {
		r.ServerResource = r.Name
	}
	return r
}

// placed is a list of strings, or the keys of a map (networks in Wallaby's form).
func placed(n *yaml.Node) []located {
	var out []located
	step := 1
	if n.Kind == yaml.MappingNode {
		step = 2
	}
	for i := 0; i < len(n.Content); i += step {
		out = append(out, located{aliased(n.Content[i]).Value, n.Content[i].Line})
	}
	return out
}

// aliased is what an alias stands for, and any other node itself.
func aliased(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// texts are the strings alone.
func texts(list []located) []string {
	var out []string
	for _, l := range list {
		out = append(out, l.Text)
	}
	return out
}

// isEnabled tells whether a network is rendered: all are but those that say
// enabled: false.
func isEnabled(net *jinja.Dict) bool {
	on, _ := net.Get("enabled")
	return on != false
}

// parseNetworks reads a network_data file and completes it as TripleO's
// process-templates does: each network has its number, and one that is not disabled
// its name_lower.
func parseNetworks(f File) (*jinja.List, error) {
	root, err := yaml.Parse(f.Name, f.Data)
	if err != nil {
		return nil, err
	}
	if root == nil {
		return jinja.NewList(), nil
	}
	v, err := jinja.FromYAML(f.Name, root)
	if err != nil {
		return nil, err
	}
	if _, err := network.Parse(f.Name, f.Data); err != nil {
		return nil, err
	}
	list := v.(*jinja.List) // as network.Parse has seen
	for i, it := range list.Items {
		d := it.(*jinja.Dict)
		d.Set("idx", int64(i))
		name, _ := d.Get("name")
		if lower, _ := d.Get("name_lower"); isEnabled(d) && !jinja.Truth(lower) {
			d.Set("name_lower", strings.ToLower(jinja.Str(name)))
		}
	}
	return list, nil
}
