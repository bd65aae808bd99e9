package diff

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"trefoil/internal/format"
	"trefoil/overcloud/plan"
)

// shownLines is how many lines of one difference the text has; JSON has them all.
const shownLines = 40

// shownNodes is how many names of machines stand in one line.
const shownNodes = 5

// JSON writes the diff for programs.
func (d *Diff) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(d)
}

// Text writes the diff for people.
func (d *Diff) Text(w io.Writer) error {
	p := &printer{w: w}
	if d.Running != "" {
		p.line("%s is under way: what is deployed is what that action was asked for.\n", d.Running)
	}
	p.machines(d)
	p.roles(d)
	p.networks(d)
	p.parameters(d)
	p.registry(d)
	p.resources(d)
	p.deployments(d)
	p.tasks(d)
	p.notApplied(d)
	p.notes(d)
	if !d.Changes {
		p.line("Nothing would change.")
	}
	return p.err
}

// printer writes lines until the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

func sign(c Change) string { return map[Change]string{Added: "+", Removed: "-", Changed: "~"}[c] }

func (p *printer) machines(d *Diff) {
	table := func(ch Change) bool {
		var rows [][]any
		for _, n := range d.Nodes {
			if n.Change == ch {
				rows = append(rows, []any{n.Name, n.Role, n.Machine, n.MachineUUID, n.Flavor})
			}
		}
		if len(rows) > 0 && p.err == nil {
			p.err = format.Table(p.w, []string{"Server", "Role", "Node", "Node UUID", "Flavor"}, rows, format.Left)
		}
		return len(rows) > 0
	}
	if !table(Added) {
		p.line("No machine would be added.")
	}
	if slices.ContainsFunc(d.Nodes, func(n Node) bool { return n.Change == Removed }) {
		p.line("\nMachines that would be removed, and cleaned:")
		table(Removed)
	}
	p.line("")
}

func (p *printer) roles(d *Diff) {
	for _, r := range d.Roles {
		if d.Action == "create" {
			p.firstRole(r)
			continue
		}
		p.line("%s role %s", sign(r.Change), r.Name)
		for _, f := range r.Fields {
			switch {
			case r.Change == Added:
				p.line("    %s: %s", f.Name, value(f.New))
			case r.Change == Removed: // its values go with it
			case f.Name == "flavor" || f.Name == "image":
				p.line("    %s: %s → %s (of new machines; those that run stay as they are)", f.Name, value(f.Old), value(f.New))
			default:
				p.line("    %s: %s → %s", f.Name, value(f.Old), value(f.New))
			}
		}
		for _, group := range []struct {
			what string
			n    Names
		}{{"service", r.Services}, {"network", r.Networks}, {"package", r.Packages}} {
			for _, n := range group.n.Removed {
				p.line("    - %s %s", group.what, n)
			}
			for _, n := range group.n.Added {
				p.line("    + %s %s", group.what, n)
			}
		}
		p.line("")
	}
}

// firstRole is what a role will do where nothing is deployed.
func (p *printer) firstRole(r Role) {
	count := any(0)
	for _, f := range r.Fields {
		if f.Name == "count" {
			count = f.New
		}
	}
	if count == 0 || count == 0.0 {
		return
	}
	p.line("%s (%v):", r.Name, count)
	for _, s := range r.Summary {
		p.line("  %s", s)
	}
	p.line("")
}

func (p *printer) networks(d *Diff) {
	if len(d.Networks)+len(d.Addresses) > 0 {
		p.line("Networks")
	}
	for _, n := range d.Networks {
		note := ""
		if n.Change == Removed {
			note = " is DROPPED: the deployed plan has it, this one has not. Is a file missing (-e, -n)?"
		}
		p.line("  %s %s%s", sign(n.Change), n.Name, note)
		for _, s := range n.Subnets {
			p.line("      %s %s %s", sign(s.Change), s.Name, s.CIDR)
			p.fields(s.Fields, "          ")
		}
	}
	for _, a := range d.Addresses {
		p.line("  ~ address of %s on %s: %s → %s", a.Of, a.Network, or(a.Old, "none"), or(a.New, "none"))
	}
	if len(d.Networks)+len(d.Addresses) > 0 {
		p.line("")
	}
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func (p *printer) fields(list []Field, indent string) {
	for _, f := range list {
		switch {
		case f.Old == nil:
			p.line("%s%s: %s", indent, f.Name, value(f.New))
		default:
			p.line("%s%s: %s → %s", indent, f.Name, value(f.Old), value(f.New))
		}
	}
}

func (p *printer) parameters(d *Diff) {
	if len(d.Parameters) == 0 {
		return
	}
	p.line("Parameters")
	for _, x := range d.Parameters {
		old, isMap := x.Old.(map[string]any)
		now, both := x.New.(map[string]any)
		switch {
		case x.Hidden && x.Change == Changed:
			p.line("  ~ %s: another value (hidden)", x.Name)
		case x.Change == Added:
			p.line("  + %s: %s%s", x.Name, value(x.New), map[bool]string{true: " (not set before)"}[d.Action == "update"])
		case x.Change == Removed:
			p.line("  - %s: %s (not set any more)", x.Name, value(x.Old))
		case isMap && both:
			p.line("  ~ %s", x.Name)
			p.maps(old, now)
			for _, k := range x.Secret {
				p.line("      ~ %s: another value (secret)", k)
			}
		case same(x.Old, x.New):
			p.line("  ~ %s: another value (secret)", x.Name)
		default:
			p.line("  ~ %s: %s → %s", x.Name, value(x.Old), value(x.New))
		}
	}
	p.line("")
}

// maps tells the keys of a map that change.
func (p *printer) maps(old, now map[string]any) {
	for _, k := range union(old, now) {
		a, had := old[k]
		b, has := now[k]
		switch {
		case !had:
			p.line("      + %s: %s", k, value(b))
		case !has:
			p.line("      - %s: %s", k, value(a))
		case !same(a, b):
			p.line("      ~ %s: %s → %s", k, value(a), value(b))
		}
	}
}

// value is a value in one line.
func value(v any) string {
	if s, ok := v.(string); ok && s != "" && !strings.ContainsAny(s, "\n\"\\") && strings.TrimSpace(s) == s {
		return s
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Sprint(v)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func (p *printer) registry(d *Diff) {
	if len(d.Registry) == 0 {
		return
	}
	p.line("Resource registry")
	for _, m := range d.Registry {
		p.line("  %s %s: %s → %s", sign(m.Change), m.Type, or(m.Old, "nothing"), or(m.New, "nothing"))
	}
	p.line("")
}

func (p *printer) resources(d *Diff) {
	for step := 1; step <= plan.Steps; step++ {
		said := false
		for _, r := range d.Resources {
			if r.Step != step {
				continue
			}
			if !said {
				p.line("Step %d", step)
				said = true
			}
			p.resource(r)
		}
		if said {
			p.line("")
		}
	}
}

func (p *printer) resource(r Resource) {
	at := " on " + nodes(r.Nodes)
	if r.Service != "" {
		at = " (" + r.Service + ")" + at
	}
	if r.Key == "order" {
		p.line("  ~ the order of the resources%s", at)
		return
	}
	if r.Change == Removed {
		at += ": no longer asked for; what is on the machine stays"
	}
	p.line("  %s %s%s", sign(r.Change), r.Key, at)
	p.fields(r.Fields, "      ")
	if len(r.Secret) > 0 {
		verb := "differs"
		if r.Change == Added {
			verb = "is set"
		}
		p.line("      %s %s (secret)", strings.Join(r.Secret, ", "), verb)
	}
	p.lines(r.Diff)
}

// nodes is a list of names that fits a line.
func nodes(list []string) string {
	if len(list) <= shownNodes {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s … and %d more", strings.Join(list[:shownNodes-1], ", "), len(list)-shownNodes+1)
}

func (p *printer) lines(list []string) {
	for i, l := range list {
		if i == shownLines && len(list) > shownLines+1 {
			p.line("      … %d more lines, which -f json has", len(list)-shownLines)
			return
		}
		p.line("      %s", l)
	}
}

func (p *printer) deployments(d *Diff) {
	if len(d.Deployments) == 0 {
		return
	}
	p.line("Software configurations")
	for _, x := range d.Deployments {
		p.line("  %s %s (%s) on %s", sign(x.Change), strings.Join(x.Names, ", "), x.Group, nodes(x.Nodes))
		p.lines(x.Diff)
	}
	p.line("")
}

func (p *printer) tasks(d *Diff) {
	if len(d.Tasks) == 0 {
		return
	}
	p.line("Tasks and data of services")
	for _, t := range d.Tasks {
		p.line("  %s %s of %s in %s", sign(t.Change), t.Key, or(t.Service, "all services"), strings.Join(t.Roles, ", "))
		p.lines(t.Diff)
	}
	p.line("")
}

func (p *printer) notApplied(d *Diff) {
	if len(d.NotApplied) == 0 {
		return
	}
	p.line("Not applied yet, although the deployed plan says so")
	for _, n := range d.NotApplied {
		p.line("  step %d on %s: %s", n.Step, nodes(n.Nodes), n.Why)
	}
	p.line("")
}

func (p *printer) notes(d *Diff) {
	for _, f := range d.Findings {
		p.line("WARNING: %s", f)
	}
	for _, n := range d.Notes {
		p.line("NOTE: %s", n)
	}
	if len(d.Findings)+len(d.Notes) > 0 {
		p.line("")
	}
}
