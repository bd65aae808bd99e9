package client_test

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/overcloud/configdownload"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/stack"
	"trefoil/overcloud/stack/api"
	"trefoil/templates"
)

// The configuration of a stack is that of its machines, where they really are.
func TestConfigOfAStack(t *testing.T) {
	w := newWorld(t)
	if _, err := w.c.Config(t.Context(), w.id, nil); !errs.Is(err, errs.NotFound) {
		t.Errorf("a service without plans: %v", err)
	}
	w.ServeStacks(func(o *api.Config) {
		o.Plan = func(ctx context.Context, s *stack.Stack, there ...plan.Node) (*plan.Plan, error) {
			if s.Input.Only != "" || s.Input.Unprovision != nil {
				t.Errorf("asked for a plan of %q only", s.Input.Only)
			}
			passwords, err := plan.GeneratePasswords(s.Passwords, strings.NewReader(strings.Repeat("0123456789abcdef", 4096)))
			if err != nil {
				return nil, err
			}
			return plan.Build(ctx, templates.FS, plan.Options{Stack: s.Name, Passwords: passwords, Counts: map[string]int{"Controller": len(there), "Compute": 0}})
		}
	})
	node := stack.Node{Node: plan.Node{Name: "overcloud-controller-0", Role: "Controller", Address: "192.168.255.15", UUID: "n1"}}
	if err := w.DB.PutStackNode(t.Context(), w.id, node); err != nil {
		t.Fatal(err)
	}
	// Also while an action leaves most of it alone.
	if _, err := w.DB.UpdateStack(t.Context(), w.id, func(s *stack.Stack) error {
		s.Input.Only, s.Input.Unprovision = stack.OnlyUnprovision, []string{"x"}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	files, err := w.c.Config(t.Context(), w.id, url.Values{"config_type": {"step_config"}, "auth_url": {"http://192.168.255.1:5000/v3"}})
	if err != nil {
		t.Fatal(err)
	}
	text := string(files[configdownload.InventoryFile])
	if !strings.Contains(text, "ansible_host: 192.168.255.15") || !strings.Contains(text, "deploy_server_id: ") || !strings.Contains(text, "auth_url: http://192.168.255.1:5000/v3") {
		t.Errorf("inventory:\n%s", text)
	}
	if files["Controller/step_config.yaml"] == nil || files["Controller/packages.yaml"] != nil || files["Controller/overcloud-controller-0/step_5.yaml"] == nil {
		t.Errorf("%d files, not those that were asked for", len(files))
	}
	if _, err := w.c.Config(t.Context(), w.id, url.Values{"config_type": {"nothing"}}); err == nil || !strings.Contains(err.Error(), "Invalid key: nothing") {
		t.Errorf("an unknown type: %v", err)
	}
}
