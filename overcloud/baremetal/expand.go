package baremetal

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"trefoil/internal/schema"
)

// Options of an expansion. The zero value gives tripleo-ansible's defaults.
type Options struct {
	Stack     string         // default overcloud
	Image     map[string]any // of instances that name none; default {href: overcloud-full}
	UserName  string         // default: none is set
	SSHKeys   string         // public keys of that user; default: none
	NoNetwork bool           // do not add ctlplane to the networks of defaults
}

// Deployment is what a file comes to for one stack. It is immutable.
type Deployment struct {
	Instances []Instance // those to be provisioned, in the order of the file
	Absent    []Instance // those with provisioned: false
	Roles     []Role
}

// Role is what the file says of one role.
type Role struct {
	Name           string
	HostnameFormat string
	Count          int      // instances to be provisioned
	Removed        []int    // indexes of those with provisioned: false
	Networks       []string // of its provisioned instances, sorted
}

// Instance is one machine that is asked for, or asked to be given back.
type Instance struct {
	Role          string
	Index         int    // within its role
	GeneratedName string // what the hostname format gives for Index: the key in HostnameMap
	Hostname      string
	Line          int // in the file; of the role for instances that it does not list
	fields        map[string]any
}

// Expand works out the instances of a file. The error is an errs.Invalid that
// lists every problem.
func (f *File) Expand(o Options) (*Deployment, error) {
	if o.Stack == "" {
		o.Stack = "overcloud"
	}
	if o.Image == nil {
		o.Image = map[string]any{"href": "overcloud-full"}
	}
	x := &expansion{Options: o, p: schema.New(f.name), names: map[string]string{}, d: &Deployment{}}
	for _, r := range f.roles {
		x.role(r)
	}
	x.check(x.d.Instances)
	x.check(x.d.Absent)
	if err := x.p.Err(); err != nil {
		return nil, err
	}
	return x.d, nil
}

type expansion struct {
	Options
	p     *schema.Problems
	names map[string]string // HostnameMap of all roles: generated name → hostname
	d     *Deployment
}

// defaults completes a role's defaults.
func (x *expansion) defaults(r role) map[string]any {
	d := clone(r.defaults).(map[string]any)
	set := func(key string, v any) {
		if _, has := d[key]; !has {
			d[key] = v
		}
	}
	set("image", clone(x.Image))
	if x.SSHKeys != "" {
		set("ssh_public_keys", x.SSHKeys)
	}
	if x.UserName != "" {
		set("user_name", x.UserName)
	}
	if !x.NoNetwork {
		own := map[string]any{"network": ControlPlane, "vif": true}
		list, _ := d["networks"].([]any)
		if !slices.ContainsFunc(list, func(n any) bool { return maps.Equal(n.(map[string]any), own) }) {
			list = append(list, own)
		}
		d["networks"] = list
	}
	if profile, has := d["profile"]; has {
		set("capabilities", map[string]any{})
		caps := d["capabilities"].(map[string]any)
		if _, has := caps["profile"]; !has {
			caps["profile"] = profile
		}
		delete(d, "profile")
	}
	set("config_drive", map[string]any{})
	drive := d["config_drive"].(map[string]any)
	meta, _ := drive["meta_data"].(map[string]any)
	if meta == nil {
		meta = map[string]any{}
	}
	meta["instance-type"] = r.name
	drive["meta_data"] = meta
	return d
}

// inherit completes one listed instance by its role's defaults: config_drive,
// networks and network_config key by key, all else as a whole.
func inherit(fields, defaults map[string]any) map[string]any {
	out := clone(fields).(map[string]any)
	out["config_drive"] = mergeDrives(asMap(defaults["config_drive"]), asMap(out["config_drive"]))
	if nets := mergeNetworks(asList(defaults["networks"]), asList(out["networks"])); len(nets) > 0 {
		out["networks"] = nets
	}
	if own, has := out["network_config"].(map[string]any); has {
		for k, v := range asMap(defaults["network_config"]) {
			if _, has := own[k]; !has {
				own[k] = clone(v)
			}
		}
	}
	for k, v := range defaults {
		if _, has := out[k]; !has && k != "config_drive" {
			out[k] = clone(v)
		}
	}
	if _, has := out["hostname"]; !has && out["name"] != nil {
		out["hostname"] = out["name"]
	}
	return out
}

func asMap(v any) map[string]any { m, _ := v.(map[string]any); return m }
func asList(v any) []any         { l, _ := v.([]any); return l }

func mergeDrives(defaults, own map[string]any) map[string]any {
	out := map[string]any{}
	for _, key := range []string{"cloud_config", "meta_data"} {
		both := map[string]any{}
		maps.Copy(both, asMap(clone(defaults[key])))
		maps.Copy(both, asMap(own[key]))
		if len(both) > 0 {
			out[key] = both
		}
	}
	return out
}

func mergeNetworks(defaults, own []any) []any {
	out := slices.Clone(own)
	have := map[any]int{}
	for i, n := range own {
		have[asMap(n)["network"]] = i
	}
	for _, n := range defaults {
		name := asMap(n)["network"]
		switch i, has := have[name]; {
		case !has:
			have[name] = len(out)
			out = append(out, clone(n))
		case i >= len(own): // named twice in the defaults: the later one counts
			out[i] = clone(n)
		}
	}
	return out
}

// role expands one role: its listed instances first, then as many more as its count wants.
func (x *expansion) role(r role) {
	format := r.format
	if format == "" {
		lower := strings.ToLower(r.name)
		if r.name == "Compute" {
			lower = "novacompute"
		}
		format = "%stackname%-" + lower + "-%index%"
	}
	defaults := x.defaults(r)
	var list []entry
	provisioned := 0
	for _, e := range r.instances {
		e.fields = inherit(e.fields, defaults)
		list = append(list, e)
		if flag(e.fields, "provisioned", true) {
			provisioned++
		}
	}
	for ; provisioned < r.count; provisioned++ {
		list = append(list, entry{clone(defaults).(map[string]any), r.line})
	}
	if len(list) > 1 && !strings.Contains(format, "%index%") {
		x.p.Add(r.line, "role %s: hostname_format %q has no %%index%%: %d machines would have the same name", r.name, format, len(list))
		return
	}
	x.name(r, format, list)
}

// name gives each instance of a role its hostname and index, and files it.
func (x *expansion) name(r role, format string, list []entry) {
	out := Role{Name: r.name, HostnameFormat: format}
	generate := func(i int) string {
		return strings.NewReplacer("%index%", strconv.Itoa(i), "%stackname%", x.Stack).Replace(format)
	}
	indexOf := map[string]int{}
	for i := range r.count + len(r.instances) {
		indexOf[generate(i)] = i
	}
	for _, e := range list { // a hostname that could be generated is taken first
		if h, _ := e.fields["hostname"].(string); h != "" {
			if _, could := indexOf[h]; could {
				x.names[h] = h
			}
		}
	}
	next := 0
	for _, e := range list {
		in := Instance{Role: r.name, Line: e.line, fields: e.fields}
		in.Hostname, _ = e.fields["hostname"].(string)
		if i, own := indexOf[in.Hostname]; own && x.names[in.Hostname] != "" {
			in.GeneratedName, in.Index = in.Hostname, i
		} else {
			for in.GeneratedName == "" || x.names[in.GeneratedName] != "" {
				if in.GeneratedName == generate(next) { // no index in it: it will never be another
					x.p.Add(r.line, "role %s: hostname_format %q gives the name %s, which another machine has", r.name, format, in.GeneratedName)
					return
				}
				in.GeneratedName, in.Index = generate(next), next
				next++
			}
			if in.Hostname == "" {
				in.Hostname = in.GeneratedName
			}
			in.fields["hostname"] = in.Hostname
			x.names[in.GeneratedName] = in.Hostname
		}
		x.file(in, &out)
	}
	slices.Sort(out.Networks)
	out.Networks = slices.Compact(out.Networks)
	x.d.Roles = append(x.d.Roles, out)
}

// file settles an instance's last fields and puts it where it belongs.
func (x *expansion) file(in Instance, out *Role) {
	var vifs []any
	for _, n := range asList(in.fields["networks"]) {
		if m := asMap(n); m["vif"] == true {
			m = maps.Clone(m)
			delete(m, "vif")
			vifs = append(vifs, m)
		}
	}
	if _, has := in.fields["nics"]; !has && vifs != nil {
		in.fields["nics"] = vifs
	}
	if profile, has := in.fields["profile"]; has {
		if in.fields["capabilities"] == nil {
			in.fields["capabilities"] = map[string]any{}
		}
		asMap(in.fields["capabilities"])["profile"] = profile
		delete(in.fields, "profile")
	}
	provisioned := flag(in.fields, "provisioned", true)
	delete(in.fields, "provisioned")
	if !provisioned {
		out.Removed = append(out.Removed, in.Index)
		x.d.Absent = append(x.d.Absent, in)
		return
	}
	out.Count++
	for _, n := range asList(in.fields["networks"]) {
		out.Networks = append(out.Networks, asMap(n)["network"].(string))
	}
	x.d.Instances = append(x.d.Instances, in)
}
