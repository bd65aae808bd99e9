package check

import "strings"

// console is what a guest told on its console. Lines of others (the kernel, the
// firmware) stand between its own.
type console struct {
	facts    map[string]bool // what stands after "check ", once a line
	names    []string        // that the metadata service called it
	lastLine string
	tail     []string // the last lines that are not empty
	panicked string   // the kernel's last words
}

// tailLines is how much of a console is shown when something is missing.
const tailLines = 8

// parseConsole reads a console log: bytes of a guest, which may hold anything.
func parseConsole(text string) console {
	c := console{facts: map[string]bool{}}
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		c.tail = append(c.tail, line)
		if len(c.tail) > tailLines {
			c.tail = c.tail[1:]
		}
		c.lastLine = line
		if i := strings.Index(line, "Kernel panic"); i >= 0 {
			c.panicked = line[i:]
		}
		fact, ok := strings.CutPrefix(line, "check ")
		if !ok {
			continue
		}
		c.facts[fact] = true
		if name, ok := strings.CutPrefix(fact, "metadata "); ok {
			c.names = append(c.names, name)
		}
	}
	return c
}

// without returns the first of facts that is missing, or "".
func (c console) without(facts ...string) string {
	for _, f := range facts {
		if !c.facts[f] {
			return f
		}
	}
	return ""
}

// called tells whether the metadata service gave it this name, with any domain.
func (c console) called(name string) bool {
	for _, n := range c.names {
		if host, _, _ := strings.Cut(n, "."); host == name {
			return true
		}
	}
	return false
}
