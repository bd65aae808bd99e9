package fsm

import (
	"fmt"
	"strings"
)

// Markdown renders the whole table for docs/provision-states.md: the diagram,
// the states, the verbs and the transitions.
func Markdown() string {
	var b strings.Builder
	b.WriteString("# Provision states\n\n")
	b.WriteString("Generated from `ironic/fsm`; do not edit. `go test ./ironic/fsm -update` writes it anew.\n\n")
	b.WriteString("```mermaid\n" + Mermaid() + "```\n\n")
	b.WriteString("| state | kind | target_provision_state |\n|---|---|---|\n")
	for _, i := range states() {
		t := string(i.target)
		if t == "" {
			t = "null"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", i.state, i.kind, t)
	}
	b.WriteString("\n| verb | event | since API |\n|---|---|---|\n")
	for _, v := range Verbs() {
		fmt.Fprintf(&b, "| %s | %s | 1.%d |\n", v.Name, v.Event, v.Since)
	}
	b.WriteString("\nAborting a deployment (`wait call-back`) needs 1.110.\n")
	b.WriteString("\n| from | event | to |\n|---|---|---|\n")
	for _, t := range Transitions() {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", t.From, t.Event, t.To)
	}
	return b.String()
}

// Mermaid renders the transitions as a state diagram.
func Mermaid() string {
	var b strings.Builder
	b.WriteString("stateDiagram-v2\n")
	for _, i := range states() {
		fmt.Fprintf(&b, "    state \"%s\" as %s\n", i.state, ident(i.state))
	}
	fmt.Fprintf(&b, "    [*] --> %s\n", ident(Enroll))
	for _, t := range Transitions() {
		fmt.Fprintf(&b, "    %s --> %s: %s\n", ident(t.From), ident(t.To), t.Event)
	}
	return b.String()
}

func ident(s State) string {
	return strings.NewReplacer(" ", "_", "-", "_").Replace(string(s))
}
