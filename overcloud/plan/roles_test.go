package plan_test

import (
	"context"
	"strings"
	"testing"

	"trefoil/overcloud/plan"
)

// Of a key that a role has twice, YAML readers take one or the other silently.
func TestKeyTwiceInARole(t *testing.T) {
	o := article(t)
	o.Roles = plan.File{Name: "my_roles.yaml", Data: []byte("- name: Controller\n  CountDefault: 1\n  CountDefault: 2\n")}
	_, err := plan.Build(context.Background(), overlay(t, nil), o)
	if err == nil || !strings.Contains(err.Error(), `my_roles.yaml:3: key "CountDefault" stands twice in a role: line 2 has it too`) {
		t.Fatalf("got %v", err)
	}
}
