package main

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/yaml"
	"trefoil/overcloud/stack/client"
)

// writeFile replaces a file as a whole: a reader, or a crash, never sees half of it.
func writeFile(name string, data []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	defer os.Remove(f.Name()) // gone already when all went well
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// shell quotes a value for sh.
func shell(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// access is how a deployed cloud's administrator logs in.
type access struct {
	name, url, region, password string
	direct                      string // hosts that are not proxied, comma separated; the cloud's own come on top
	nodes                       []client.Node
}

// accessOf is the access to a deployed stack; without one to its password where it
// has no identity service.
func accessOf(ctx context.Context, h *client.Client, s *client.Stack, direct string) (access, error) {
	a := access{name: s.Name, direct: direct}
	a.url, _ = s.OutputMap()["KeystoneURL"].(string)
	region, _ := s.OutputMap()["KeystoneRegion"].(string)
	if a.region = cmp.Or(region, "regionOne"); a.url == "" {
		return a, nil
	}
	secret, err := h.Output(ctx, s.ID, "AdminPassword")
	if err == nil {
		a.password, _ = secret.(string)
		a.nodes, err = h.Nodes(ctx, s.ID)
	}
	return a, err
}

// writeRC writes the file that a user sources to work with the overcloud, with
// the variables of TripleO's Queens overcloudrc.
func writeRC(file string, a access) error {
	noProxy := []string{}
	if a.direct != "" {
		noProxy = strings.Split(a.direct, ",")
	}
	for _, n := range a.nodes {
		noProxy = append(noProxy, n.Address)
	}
	if u, err := url.Parse(a.url); err == nil && u.Hostname() != "" && !slices.Contains(noProxy, u.Hostname()) {
		noProxy = append(noProxy, u.Hostname()) // a virtual address is no machine's
	}
	sort.Strings(noProxy)
	vars := [][2]string{
		{"NOVA_VERSION", "1.1"}, {"COMPUTE_API_VERSION", "1.1"}, {"OS_USERNAME", "admin"}, {"OS_PROJECT_NAME", "admin"},
		{"OS_USER_DOMAIN_NAME", "Default"}, {"OS_PROJECT_DOMAIN_NAME", "Default"}, {"OS_NO_CACHE", "True"}, {"OS_CLOUDNAME", a.name},
		{"no_proxy", strings.Join(noProxy, ",")}, {"PYTHONWARNINGS", "ignore:Certificate has no, ignore:A true SSLContext object is not available"},
		{"OS_AUTH_TYPE", "password"}, {"OS_PASSWORD", a.password}, {"OS_AUTH_URL", a.url + "v3"}, {"OS_IDENTITY_API_VERSION", "3"},
		{"OS_IMAGE_API_VERSION", "2"}, {"OS_VOLUME_API_VERSION", "3"}, {"OS_REGION_NAME", a.region},
	}
	var b strings.Builder
	b.WriteString("# Clear any old environment that may conflict.\nfor key in $( set | awk -F= '/^OS_/ {print $1}' ); do unset \"${key}\" ; done\n")
	for _, v := range vars {
		fmt.Fprintf(&b, "export %s=%s\n", v[0], shell(v[1]))
	}
	fmt.Fprintf(&b, `
# Add OS_CLOUDNAME to PS1
if [ -z "${CLOUDPROMPT_ENABLED:-}" ]; then
    export PS1=${PS1:-""}
    export PS1=\${OS_CLOUDNAME:+"(\$OS_CLOUDNAME)"}\ $PS1
    export CLOUDPROMPT_ENABLED=1
fi
`)
	return writeFile(file, []byte(b.String()), 0o600)
}

// addCloud puts the overcloud into clouds.yaml beside whatever is there.
func addCloud(home string, a access) error {
	file := filepath.Join(home, ".config", "openstack", "clouds.yaml")
	doc := map[string]any{}
	data, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("read %s: %w", file, err)
	}
	if err := yaml.Unmarshal(file, data, &doc); err != nil {
		return errs.Wrap(errs.Invalid, err, "add cloud %s", a.name)
	}
	clouds, ok := doc["clouds"].(map[string]any)
	if !ok {
		clouds = map[string]any{}
	}
	clouds[a.name] = map[string]any{
		"auth": map[string]any{"auth_url": a.url + "v3", "username": "admin", "password": a.password, "project_name": "admin",
			"user_domain_name": "Default", "project_domain_name": "Default"},
		"region_name": a.region, "identity_api_version": "3",
	}
	doc["clouds"] = clouds
	out, err := yaml.Marshal(doc)
	if err != nil {
		return err
	}
	return writeFile(file, out, 0o600)
}
