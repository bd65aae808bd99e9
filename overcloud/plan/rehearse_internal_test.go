package plan

import (
	"fmt"
	"testing"
)

// More machines are rehearsed than a /24 has addresses.
func TestRehearsalOfManyRoles(t *testing.T) {
	p := &Plan{Stack: "overcloud", CloudDomain: "localdomain"}
	for i := range 300 {
		p.Roles = append(p.Roles, Role{Name: fmt.Sprintf("Role%d", i), Count: 2})
	}
	if err := p.rehearse(); err != nil {
		t.Error(err)
	}
}
