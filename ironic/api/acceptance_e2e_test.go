//go:build e2e

package api_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

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

func basic(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, ok := r.BasicAuth(); !ok || user != "admin" || password != "secret" {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("WWW-Authenticate", `Basic realm="Baremetal API"`)
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"error":{"message":"Incorrect username or password","code":401}}`)
			return
		}
		next.ServeHTTP(w, r)
	})
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
			"OS_DOMAIN_ID=default", "OS_REGION_NAME=regionOne", "OS_IMAGE_ID=x", "OS_FLAVOR_ID=x", "OS_BRANCH=stable/2023.1"}
	}
}

// TestGophercloudAcceptance runs gophercloud's own acceptance tests, unmodified,
// from the module's source.
func TestGophercloudAcceptance(t *testing.T) {
	tokens, keystoneEnv := keystone(t)
	simple := func(api string) []string {
		return []string{"IRONIC_ENDPOINT=" + api + "/v1", "OS_USERNAME=admin", "OS_PASSWORD=secret", "OS_BRANCH=stable/2023.1"}
	}
	for _, suite := range []struct {
		name  string
		auth  func(http.Handler) http.Handler
		env   func(api string) []string
		tests int
	}{{"noauth", nil, simple, 6}, {"httpbasic", basic, simple, 7}, {"v1", tokens, keystoneEnv, 14}} {
		t.Run(suite.name, func(t *testing.T) {
			out := runAcceptance(t, suite.name, suite.env(realService(t, suite.auth)))
			results := verdict.FindAllStringSubmatch(out, -1)
			if len(results) < suite.tests {
				t.Fatalf("only %d tests ran:\n%s", len(results), out)
			}
			for _, m := range results {
				t.Logf("%s %s", m[1], m[2])
				if m[1] == "FAIL" {
					t.Errorf("%s failed:\n%s", m[2], out)
				}
			}
		})
	}
}

func runAcceptance(t *testing.T, suite string, env []string) string {
	t.Helper()
	where, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/gophercloud/gophercloud/v2").Output()
	if err != nil {
		t.Fatalf("find gophercloud's source: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-v", "-tags", "fixtures acceptance",
		"./internal/acceptance/openstack/baremetal/"+suite)
	cmd.Dir = strings.TrimSpace(string(where))
	cmd.Env = append(os.Environ(), env...)
	out, _ := cmd.CombinedOutput() // the verdicts are read, not the exit code
	return string(out)
}
