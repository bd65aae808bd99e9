package policy

import (
	"fmt"
	"math/bits"
	"strings"
)

// Markdown renders the table for docs/roles.md. A role stands for those that imply
// it, too: where a reader may, a member may.
func Markdown() string {
	var b strings.Builder
	b.WriteString("| policy | for the whole system | for the owner | for the lessee | whatever the token is for |\n|---|---|---|---|---|\n")
	for _, r := range table() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", r.name, words(r.who, systemAdmin), words(r.who, ownerAdmin),
			words(r.who, lesseeAdmin), words(r.who, anyAdmin))
	}
	return b.String()
}

// words names the roles of one relation; admin is that relation's first bit.
func words(w, admin who) string {
	first := bits.TrailingZeros32(uint32(admin))
	var out []string
	for i, role := range roles() {
		if w&(1<<(first+i)) != 0 {
			out = append(out, role)
		}
	}
	return strings.Join(out, ", ")
}
