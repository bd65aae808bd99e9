//go:build e2e

package api_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"trefoil/ironic/api"
	"trefoil/ironic/conductor"
	"trefoil/ironic/driver"
	"trefoil/ironic/driver/fake"
	"trefoil/undercloud/identity"
	"trefoil/undercloud/jobs/durable"
	"trefoil/undercloud/secret"
	"trefoil/undercloud/store/sqlite"
)

// realService is the API over the real conductor, durable jobs and SQLite. The
// machines are the fake driver's, also under the name ipmi: gophercloud's tests
// never reach a BMC. Whatever clients ask of it is held to the OpenAPI document.
func realService(t *testing.T, auth func(http.Handler) http.Handler) string {
	t.Helper()
	ctx := context.Background()
	dir := t.TempDir()
	db, err := sqlite.Open(ctx, filepath.Join(dir, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	runner := durable.New(durable.Config{Path: filepath.Join(dir, "jobs.db")})
	machines := &fake.Driver{}
	cond := conductor.New(conductor.Config{Store: db, Jobs: runner, Host: "localhost", SyncInterval: -1,
		Drivers: map[string]driver.Driver{fake.Name: machines, "ipmi": machines}})
	if err := runner.Start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		runner.Stop(stop)
	})
	if err := cond.Start(ctx); err != nil {
		t.Fatal(err)
	}
	return serve(t, api.New(api.Config{Store: db, Conductor: cond, Auth: auth}))
}

// basic lets in the user admin of an htpasswd file, with the password secret.
func basic(t *testing.T) func(http.Handler) http.Handler {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "htpasswd")
	if err := os.WriteFile(file, append([]byte("admin:"), hash...), 0o600); err != nil {
		t.Fatal(err)
	}
	users, err := identity.NewBasic(identity.BasicConfig{File: file})
	if err != nil {
		t.Fatal(err)
	}
	return users.Middleware
}

var verdict = regexp.MustCompile(`(?m)^--- (PASS|FAIL|SKIP): (\S+)`)

// keystone is the built-in identity service with the bare-metal API in its catalog.
func keystone(t *testing.T) (auth func(http.Handler) http.Handler, env func(api string) []string) {
	t.Helper()
	var service *identity.Service
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { service.Handler().ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	key, err := secret.LoadKey(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	build := func(api string) *identity.Service {
		return identity.New(identity.Config{Key: key, AuthURL: server.URL,
			Catalog: []identity.Endpoint{{Type: "baremetal", Name: "ironic", URL: api}},
			Users:   []identity.User{{Name: "admin", Password: "secret", Projects: []string{"admin"}}}})
	}
	service = build("")
	auth = func(next http.Handler) http.Handler { return service.Middleware(next) }
	return auth, func(api string) []string {
		service = build(api) // the same key: tokens and ids do not change
		return []string{"OS_AUTH_URL=" + server.URL + "/v3", "OS_USERNAME=admin", "OS_PASSWORD=secret", "OS_PROJECT_NAME=admin",
			"OS_DOMAIN_ID=default", "OS_REGION_NAME=regionOne", "OS_IMAGE_ID=x", "OS_FLAVOR_ID=x"}
	}
}

// TestGophercloudAcceptance runs gophercloud's own acceptance tests, unmodified,
// from the module's source, as for the newest Ironic: none may be left out.
func TestGophercloudAcceptance(t *testing.T) {
	tokens, keystoneEnv := keystone(t)
	simple := func(api string) []string {
		return []string{"IRONIC_ENDPOINT=" + api + "/v1", "OS_USERNAME=admin", "OS_PASSWORD=secret"}
	}
	bin, src := buildAcceptance(t, "noauth", "httpbasic", "v1")
	for _, suite := range []struct {
		name  string
		auth  func(http.Handler) http.Handler
		env   func(api string) []string
		tests int
	}{{"noauth", nil, simple, 6}, {"httpbasic", basic(t), simple, 7}, {"v1", tokens, keystoneEnv, 14}} {
		t.Run(suite.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, filepath.Join(bin, suite.name+".test"), "-test.v")
			cmd.Dir = filepath.Join(src, suite.name)
			cmd.Env = append(os.Environ(), append(suite.env(realService(t, suite.auth)), "OS_BRANCH=master")...)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("%s: %v", suite.name, err)
			}
			results := verdict.FindAllSubmatch(out, -1)
			if len(results) != suite.tests {
				t.Errorf("%d tests ran, not %d", len(results), suite.tests)
			}
			for _, m := range results {
				t.Logf("%s %s", m[1], m[2])
				if string(m[1]) != "PASS" {
					t.Errorf("%s: %s", m[2], m[1])
				}
			}
			if t.Failed() {
				t.Logf("%s", out)
			}
		})
	}
}

// buildAcceptance compiles suites of gophercloud's tests; it returns where they are and
// where their sources are.
func buildAcceptance(t *testing.T, suites ...string) (bin, src string) {
	t.Helper()
	where, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/gophercloud/gophercloud/v2").Output()
	if err != nil {
		t.Fatalf("find gophercloud's source: %v", err)
	}
	const dir = "internal/acceptance/openstack/baremetal"
	bin = t.TempDir()
	args := []string{"test", "-c", "-tags", "fixtures acceptance", "-o", bin + "/"}
	for _, s := range suites {
		args = append(args, "./"+dir+"/"+s)
	}
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = strings.TrimSpace(string(where))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("compile gophercloud's tests: %v\n%s", err, out)
	}
	return bin, filepath.Join(cmd.Dir, dir)
}
