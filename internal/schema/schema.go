// Package schema takes YAML apart by closed schemas. Whatever is wrong is
// gathered with its file and line, so that a person mends it all at once; an
// unknown key comes with the nearest known one. It understands anchors and
// merge keys, and it is bounded against files that expand without end.
package schema

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/yaml"
)

const (
	maxShown = 50      // problems that an error lists
	maxNodes = 200_000 // values that are read of a file, aliases followed
)

// Problems gathers what is wrong with one file. It is not for concurrent use.
type Problems struct {
	file  string
	list  []problem
	spent int // values read
}

type problem struct {
	line int
	text string
}

// New starts the gathering for a file.
func New(file string) *Problems { return &Problems{file: file} }

// Add notes a problem of a line.
func (p *Problems) Add(line int, format string, args ...any) {
	p.list = append(p.list, problem{line, fmt.Sprintf(format, args...)})
}

// Len is the number of problems so far.
func (p *Problems) Len() int { return len(p.list) }

// spend counts values that are read; false says that the file has had its share.
func (p *Problems) spend(n *yaml.Node) bool {
	before := p.spent
	if p.spent += 1 + len(n.Content); p.spent <= maxNodes {
		return true
	}
	if before <= maxNodes {
		p.Add(n.Line, "too large once its anchors are followed: more than %d values", maxNodes)
	}
	p.spent = max(p.spent, maxNodes+1)
	return false
}

// Err is nil when all is well, else an errs.Invalid with one line a problem, in
// the order of the file, each "file:line: what is wrong".
func (p *Problems) Err() error {
	if len(p.list) == 0 {
		return nil
	}
	slices.SortStableFunc(p.list, func(a, b problem) int { return cmp.Compare(a.line, b.line) })
	var lines []string
	for _, pr := range slices.Compact(p.list) {
		if len(lines) == maxShown {
			lines = append(lines, fmt.Sprintf("%s: … and %d more", p.file, len(p.list)-maxShown))
			break
		}
		lines = append(lines, fmt.Sprintf("%s:%d: %s", p.file, pr.line, pr.text))
	}
	return errs.New(errs.Invalid, "%s", strings.Join(lines, "\n"))
}

// List returns the items of a file's top-level list, or nil with a problem
// noted. A root that is nil or null (an empty file) is an empty list.
func (p *Problems) List(root *yaml.Node, what string) []*yaml.Node {
	if root = follow(root); root == nil || root.Kind == yaml.ScalarNode && tag(root) == "!!null" {
		return nil
	}
	if root.Kind != yaml.SequenceNode {
		p.Add(root.Line, "expected %s, got %s", what, describe(root))
		return nil
	}
	return p.items(root)
}

// items are what a list holds, aliases followed, none when the file is too large.
func (p *Problems) items(n *yaml.Node) []*yaml.Node {
	if !p.spend(n) {
		return nil
	}
	out := make([]*yaml.Node, len(n.Content))
	for i, e := range n.Content {
		out[i] = follow(e)
	}
	return out
}

// follow returns what an alias stands for.
func follow(n *yaml.Node) *yaml.Node {
	for i := 0; n != nil && n.Kind == yaml.AliasNode && i < 10; i++ {
		n = n.Alias
	}
	return n
}

// describe says in words what a value is, with its text where it is short.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a map"
	case yaml.SequenceNode:
		return "a list"
	}
	text := n.Value
	if len(text) > 40 {
		text = text[:40] + "…"
	}
	switch tag(n) {
	case "!!null":
		return "nothing"
	case "!!bool":
		return "true or false (" + text + ")"
	case "!!int", "!!float":
		return "the number " + text
	}
	return fmt.Sprintf("%q", text)
}

// tag is a scalar's type; yes, no, on and off are booleans, as yaml.Scalar says.
func tag(n *yaml.Node) string {
	if _, is := yaml.Scalar(n).(bool); is {
		return "!!bool"
	}
	return n.ShortTag()
}
