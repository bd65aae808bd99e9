package stack

import (
	"crypto/sha1"
	"encoding/base32"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Types of resources, as Heat and TripleO name them.
const (
	TypeStack           = "OS::Heat::Stack"
	TypeGroup           = "OS::Heat::ResourceGroup"
	TypeDeployment      = "OS::Heat::StructuredDeployment"
	TypeDeploymentGroup = "OS::Heat::StructuredDeploymentGroup"
	TypeDeploySteps     = "OS::TripleO::PostDeploySteps"
	TypePhase           = "Trefoil::Phase" // a phase of an action that failed before any resource did
)

// DeploySteps is the resource below which the steps of all roles lie.
const DeploySteps = "AllNodesDeploySteps"

// ResourceType is the type of the resource at a dotted path below its stack:
// Compute is a group, Compute.0 a machine of it, Compute.0.NovaCompute its server.
func ResourceType(path string) string {
	parts := strings.Split(path, ".")
	switch {
	case path == "":
		return TypeStack
	case parts[0] == DeploySteps && len(parts) <= 3:
		return []string{TypeDeploySteps, TypeDeploymentGroup, TypeDeployment}[len(parts)-1]
	case len(parts) == 1:
		return TypeGroup
	case len(parts) == 2 && number(parts[1]):
		return "OS::TripleO::" + parts[0]
	case len(parts) == 3 && number(parts[1]):
		return "OS::TripleO::" + parts[0] + "Server"
	}
	return "OS::TripleO::" + parts[len(parts)-1]
}

// StepPath is the resource of one step on one machine of a role.
func StepPath(role, step string, index int) string {
	return StepGroup(role, step) + "." + strconv.Itoa(index)
}

// StepGroup is the resource of one step on all machines of a role.
func StepGroup(role, step string) string { return DeploySteps + "." + role + "Deployment_Step" + step }

func number(s string) bool { _, err := strconv.Atoi(s); return err == nil }

// Nests tells whether a resource at path stands for a stack of its own though
// nothing of it is known yet.
func Nests(path string) bool {
	parts := strings.Split(path, ".")
	if parts[0] == DeploySteps {
		return len(parts) <= 2
	}
	return len(parts) == 1 || len(parts) == 2 && number(parts[1])
}

// ResourceID is the identifier of the stack, or of the software deployment, that
// the resource at path stands for. It is the same at every call.
func ResourceID(stackID, path string) string {
	if path == "" {
		return stackID
	}
	h := sha1.Sum([]byte(stackID + "/" + path))
	u := h[:16]
	u[6], u[8] = u[6]&0x0f|0x50, u[8]&0x3f|0x80 // RFC 9562, version 5
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// PhysicalID is what the resource at path is physically, as long as nothing else
// is known of it: the stack or the deployment it stands for, or "".
func PhysicalID(stackID, path string) string {
	if Nests(path) || ResourceType(path) == TypeDeployment {
		return ResourceID(stackID, path)
	}
	return ""
}

// NestedName is what Heat calls the stack that the resource at path stands for:
// the parent's name, the resource's, and twelve characters.
func NestedName(s *Stack, path string) string {
	if path == "" {
		return s.Name
	}
	up, name := Split(path)
	h := sha1.Sum([]byte(s.ID + "/" + path))
	return NestedName(s, up) + "-" + name + "-" + strings.ToLower(base32.StdEncoding.EncodeToString(h[:]))[:12]
}

// Split takes the last part off a dotted path.
func Split(path string) (parent, name string) {
	i := strings.LastIndexByte(path, '.')
	if i < 0 {
		return "", path
	}
	return path[:i], path[i+1:]
}

// Level is one stack of a tree: the stack itself, or one that a resource stands for.
type Level struct {
	ID, Name string
	Path     string // dotted, below the root; "" is the root
	Parent   *Level // nil: the root
	Status   string
	Reason   string
	Updated  time.Time
	Rows     []*Row // by name, numbers in order
}

// Resource is the name of the resource in Parent; "" for the root.
func (l *Level) Resource() string { _, name := Split(l.Path); return name }

// Depth is how far below the root the level lies.
func (l *Level) Depth() int {
	if l.Path == "" {
		return 0
	}
	return strings.Count(l.Path, ".") + 1
}

// Row is a resource of one level. Its Name is the last part of Path; its
// PhysicalID, where it nests, is that of the level below.
type Row struct {
	Resource
	Path   string
	Level  *Level // that it belongs to
	Nested *Level // nil: nothing below
}

// Tree is a stack's resources nested as Heat nests them. It is immutable.
type Tree struct {
	Root   *Level
	levels []*Level
}

// NewTree nests the rows of a stack. Resources that are not recorded but have
// others below them are there too, with the worst status of those. Where an
// action failed before any resource did, the phase that failed is a resource.
func NewTree(s *Stack, rows []Resource) *Tree {
	b := treeBuilder{s: s, rows: map[string]Resource{}, below: map[string][]string{}}
	for _, r := range rows {
		b.rows[r.Name] = r
	}
	if s.State == Failed && !slices.ContainsFunc(rows, func(r Resource) bool { return strings.HasSuffix(r.Status, "_"+Failed) }) {
		b.phases()
	}
	for path := range b.rows {
		b.link(path)
	}
	updated := s.StartedAt
	if s.UpdatedAt != nil {
		updated = *s.UpdatedAt
	}
	t := &Tree{Root: &Level{ID: s.ID, Name: s.Name, Status: s.Status(), Reason: s.Reason, Updated: updated}}
	b.fill(t, t.Root)
	return t
}

type treeBuilder struct {
	s     *Stack
	rows  map[string]Resource // by path
	below map[string][]string // path → paths one level below
}

// phases makes a resource of each phase that failed.
func (b *treeBuilder) phases() {
	for _, f := range b.s.Failures {
		var name strings.Builder
		for _, w := range strings.Fields(f.Phase) {
			name.WriteString(strings.ToUpper(w[:1]) + w[1:])
		}
		if b.rows[name.String()].Name == "" {
			b.rows[name.String()] = Resource{Name: name.String(), Type: TypePhase, Status: b.s.Action + "_" + Failed, Reason: f.Text(), UpdatedAt: b.s.StartedAt}
		}
	}
}

// link enters a path below its parent, and the parent below its own.
func (b *treeBuilder) link(path string) {
	for path != "" {
		up, _ := Split(path)
		if slices.Contains(b.below[up], path) {
			return
		}
		b.below[up] = append(b.below[up], path)
		path = up
	}
}

func (b *treeBuilder) fill(t *Tree, l *Level) {
	t.levels = append(t.levels, l)
	paths := b.below[l.Path]
	sort.Slice(paths, func(i, j int) bool { return lessPath(paths[i], paths[j]) })
	for _, path := range paths {
		r, ok := b.rows[path]
		row := &Row{Resource: r, Path: path, Level: l}
		if len(b.below[path]) > 0 || Nests(path) && r.Type != TypePhase {
			row.Nested = &Level{ID: ResourceID(b.s.ID, path), Name: NestedName(b.s, path), Path: path, Parent: l}
			b.fill(t, row.Nested)
		}
		if !ok {
			row.Resource = worst(row.Nested.Rows)
		}
		if row.Type == "" {
			row.Type = ResourceType(path)
		}
		_, row.Name = Split(path)
		if row.Nested != nil {
			row.PhysicalID = row.Nested.ID
			row.Nested.Status, row.Nested.Reason, row.Nested.Updated = row.Status, row.Reason, row.UpdatedAt
		} else if row.PhysicalID == "" {
			row.PhysicalID = PhysicalID(b.s.ID, path)
		}
		l.Rows = append(l.Rows, row)
	}
}

// worst sums rows up: failed before in progress before complete.
func worst(rows []*Row) Resource {
	rank := func(status string) int {
		switch {
		case strings.HasSuffix(status, "_"+Failed):
			return 2
		case strings.HasSuffix(status, "_"+InProgress):
			return 1
		}
		return 0
	}
	out := Resource{Status: rows[0].Status, Reason: rows[0].Reason, UpdatedAt: rows[0].UpdatedAt}
	for _, r := range rows {
		if rank(r.Status) > rank(out.Status) {
			out.Status, out.Reason = r.Status, r.Reason
		}
		if r.UpdatedAt.After(out.UpdatedAt) {
			out.UpdatedAt = r.UpdatedAt
		}
	}
	return out
}

// lessPath puts 2 before 10.
func lessPath(a, b string) bool {
	_, x := Split(a)
	_, y := Split(b)
	i, ierr := strconv.Atoi(x)
	j, jerr := strconv.Atoi(y)
	if ierr == nil && jerr == nil {
		return i < j
	}
	return x < y
}

// Level finds a stack of the tree by name or id; nil if there is none.
func (t *Tree) Level(ident string) *Level {
	i := slices.IndexFunc(t.levels, func(l *Level) bool { return l.ID == ident || l.Name == ident })
	if i < 0 {
		return nil
	}
	return t.levels[i]
}

// Levels are all stacks of the tree, each before those below it.
func (t *Tree) Levels() []*Level { return slices.Clone(t.levels) }

// Deep is the resources below l, as deep as depth; 0 is only its own.
func (l *Level) Deep(depth int) []*Row {
	var out []*Row
	for _, r := range l.Rows {
		out = append(out, r)
		if depth > 0 && r.Nested != nil {
			out = append(out, r.Nested.Deep(depth-1)...)
		}
	}
	return out
}

// Row finds a resource by its name in the level, or by its dotted path below it;
// nil if there is none.
func (l *Level) Row(name string) *Row {
	head, rest, deeper := strings.Cut(name, ".")
	i := slices.IndexFunc(l.Rows, func(r *Row) bool { return r.Name == head })
	switch {
	case i < 0:
		return nil
	case !deeper:
		return l.Rows[i]
	case l.Rows[i].Nested == nil:
		return nil
	}
	return l.Rows[i].Nested.Row(rest)
}
