//go:build e2e

package openstackclient_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"trefoil/internal/openstackclient"
)

// baremetal answers as a bare-metal service with one node does.
func baremetal(t *testing.T) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-OpenStack-Ironic-API-Minimum-Version", "1.1")
		w.Header().Set("X-OpenStack-Ironic-API-Maximum-Version", "1.82")
		w.Header().Set("X-OpenStack-Ironic-API-Version", "1.82")
		if r.URL.Path == "/v1/nodes/gone" {
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(`{"error_message":"{\"faultstring\":\"Node gone could not be found.\"}"}`))
			return
		}
		_, _ = w.Write([]byte(`{"nodes":[{"uuid":"4ab611e7-f466-4b9f-ba8d-dd57fbd60aa2","name":"knöchel","maintenance":false}]}`))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// TestCommandsAreThoseOfTheProgram types commands at the program and at the client
// of this package: both print the same, each to the same output, and end with the
// same exit code.
func TestCommandsAreThoseOfTheProgram(t *testing.T) {
	env := []string{"OS_AUTH_TYPE=none", "OS_ENDPOINT=" + baremetal(t)}
	c := openstackclient.Start(t)
	if err := os.MkdirAll(filepath.Join(c.Home, ".config/openstack"), 0o700); err != nil {
		t.Fatal(err)
	}
	clouds := []byte("clouds:\n  here:\n    auth_type: none\n    auth:\n      endpoint: " + env[1][len("OS_ENDPOINT="):] + "\n")
	if err := os.WriteFile(filepath.Join(c.Home, ".config/openstack/clouds.yaml"), clouds, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		command string
		env     []string
		exit    int
	}{
		{"--version", nil, 0},
		{"--os-cloud here baremetal node list -f json", nil, 0},
		{"baremetal node show gone", env, 1},
		{"baremetal node create --help", env, 0},
		{"baremetal node list --no-such-option", env, 2},
	} {
		var out, errs bytes.Buffer
		cmd := exec.CommandContext(t.Context(), openstackclient.Program, strings.Fields(row.command)...)
		cmd.Env = append([]string{"PATH=/usr/bin:/bin", "HOME=" + c.Home, "LC_ALL=C.UTF-8"}, row.env...)
		cmd.Dir, cmd.Stdout, cmd.Stderr = c.Home, &out, &errs
		if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
			t.Fatal(err)
		}
		stdout, stderr, exit := c.Run(t, row.env, strings.Fields(row.command)...)
		if exit != cmd.ProcessState.ExitCode() || exit != row.exit {
			t.Errorf("%s: exit code %d, the program's %d, expected %d", row.command, exit, cmd.ProcessState.ExitCode(), row.exit)
		}
		if stdout != out.String() {
			t.Errorf("%s: stdout\n%sthe program's\n%s", row.command, stdout, out.String())
		}
		if stderr != errs.String() {
			t.Errorf("%s: stderr\n%sthe program's\n%s", row.command, stderr, errs.String())
		}
	}
	if got, _ := c.Combined(t, env, "baremetal", "node", "show", "gone"); !strings.HasPrefix(got, "Node gone could not be found.") {
		t.Errorf("both outputs in one: %q", got)
	}
}
