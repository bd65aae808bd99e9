package session

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"

	"github.com/gophercloud/gophercloud/v2/openstack/config/clouds"

	"trefoil/internal/errs"
	"trefoil/internal/yaml"
)

// entry is a cloud of clouds.yaml, with what secure.yaml beside it adds: as much of it as gophercloud does not read.
type entry struct {
	name, file string
	keys       map[string]any
	auth       map[string]any // its section auth
}

// readEntry finds a cloud where gophercloud looks for it. Nil is one that is nowhere: gophercloud says where it was
// looked for. No error shows a value.
func readEntry(name string) (*entry, error) {
	for _, file := range cloudFiles() {
		data, err := os.ReadFile(file)
		if err != nil {
			continue // as gophercloud does
		}
		all, err := cloudsOf(file, data)
		if err != nil || all[name] == nil {
			return nil, err
		}
		secure := filepath.Join(filepath.Dir(file), "secure.yaml")
		if data, err := os.ReadFile(secure); err == nil {
			more, err := cloudsOf(secure, data)
			if err != nil {
				return nil, err
			}
			all[name] = merged(all[name], more[name])
		}
		e := &entry{name: name, file: file, keys: all[name]}
		if auth, given := e.keys["auth"]; given && auth != nil {
			var ok bool
			if e.auth, ok = auth.(map[string]any); !ok {
				return nil, e.wrong("auth: expected a section with lines of key: value")
			}
		}
		return e, nil
	}
	return nil, nil
}

func cloudFiles() []string {
	if file := os.Getenv("OS_CLIENT_CONFIG_FILE"); file != "" {
		return []string{file}
	}
	user := os.Getenv("XDG_CONFIG_HOME")
	if home, err := os.UserHomeDir(); user == "" && err == nil {
		user = filepath.Join(home, ".config")
	}
	return []string{"clouds.yaml", filepath.Join(user, "openstack", "clouds.yaml"), "/etc/openstack/clouds.yaml"}
}

func cloudsOf(file string, data []byte) (map[string]map[string]any, error) {
	root, err := yaml.Parse(file, data)
	if err != nil || root == nil {
		return nil, err
	}
	var doc struct{ Clouds map[string]map[string]any }
	if root.Decode(&doc) != nil { // its error shows the value
		return nil, errs.New(errs.Invalid, "%s: expected clouds: with a section for each cloud in it", file)
	}
	return doc.Clouds, nil
}

// merged is base with what more says beside or instead of it.
func merged(base, more map[string]any) map[string]any {
	out := maps.Clone(base)
	for key, v := range more {
		below, ok := v.(map[string]any)
		if own, both := base[key].(map[string]any); ok && both {
			v = merged(own, below)
		}
		out[key] = v
	}
	return out
}

func (e *entry) wrong(format string, args ...any) *errs.Error {
	return errs.New(errs.Invalid, "cloud %q of %s: %s", e.name, e.file, fmt.Sprintf(format, args...))
}

// text is a key of the cloud's section auth or, as openstacksdk has it, of the cloud itself. Numbers count as their digits.
func (e *entry) text(key string) (string, error) {
	v, ok := e.auth[key]
	if !ok {
		v = e.keys[key]
	}
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case int, int64, uint64:
		return fmt.Sprint(v), nil
	}
	return "", e.wrong("%s: expected a text; put quotes around it", key)
}

// kind is the auth_type of a service that stands alone; "" is a cloud with Keystone. null is none to openstacksdk.
func (e *entry) kind() string {
	v, given := e.keys["auth_type"]
	switch {
	case !given:
		return ""
	case v == nil, v == "", v == "None", v == authNone, v == "noauth":
		return authNone
	case v == authHTTPBasic:
		return authHTTPBasic
	}
	return ""
}

// overrides are URLs of services that are not where the catalog or auth's endpoint says.
func (e *entry) overrides() (map[string]string, error) {
	out := map[string]string{}
	for service, keys := range map[string][]string{
		baremetalService:     {"baremetal_endpoint_override", "bare_metal_endpoint_override", "baremetal_endpoint"},
		introspectionService: {"baremetal_introspection_endpoint_override", "baremetal_introspection_endpoint"},
	} {
		for _, key := range keys {
			v, err := e.text(key)
			if err != nil {
				return nil, err
			}
			if v != "" && !isURL(v) {
				return nil, e.wrong("%s: expected an http or https URL, such as http://127.0.0.1:6385", key)
			}
			if v != "" {
				out[service] = root(v)
				break
			}
		}
	}
	return out, nil
}

// standing is a cloud without Keystone; user, password and authority of the options count more.
func (e *entry) standing(kind string, o Options) (standing, error) {
	urls, err := e.overrides()
	if err != nil {
		return standing{}, err
	}
	endpoint, err1 := e.text("endpoint")
	user, err2 := e.text("username")
	password, err3 := e.text("password")
	trust, err4 := e.trust(o)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return standing{}, err
	}
	if user == "" {
		user, err = e.text("user_name") // keystoneauth's old name of it
	}
	if endpoint != "" && !isURL(endpoint) {
		return standing{}, e.wrong("endpoint: expected an http or https URL, such as http://127.0.0.1:6385")
	}
	if endpoint == "" && len(urls) == 0 {
		return standing{}, e.wrong("The Bare Metal API endpoint cannot be detected and was not provided explicitly").
			WithHint("auth_type %s needs endpoint in the section auth, or baremetal_endpoint_override, such as http://127.0.0.1:6385", kind)
	}
	s := standing{endpoint: endpoint, urls: urls, user: first(o.Username, user), password: first(o.Password, password), trust: trust}
	if kind == authHTTPBasic && (s.user == "" || s.password == "") {
		return standing{}, errs.New(errs.Unauthorized, "cloud %q of %s: auth_type http_basic needs username and password", e.name, e.file).
			WithHint("they stand in the section auth, a password better in that of secure.yaml beside it")
	}
	return s, err
}

// trust is what the cloud and the environment say of certificates; nil where they say nothing.
func (e *entry) trust(o Options) (*tls.Config, error) {
	if o.CACert != "" {
		return authority(o)
	}
	own := map[string]any{"auth": map[string]any{}} // without one gophercloud panics
	for _, key := range []string{"cacert", "cert", "key", "verify"} {
		if v, given := e.keys[key]; given {
			own[key] = v
		}
	}
	if insecure, _ := e.keys["insecure"].(bool); insecure {
		own["verify"] = false
	}
	if v, given := own["verify"]; given {
		if _, ok := v.(bool); !ok {
			return nil, e.wrong("verify: expected true or false")
		}
	}
	data, err := yaml.Marshal(map[string]any{"clouds": map[string]any{e.name: own}})
	if err != nil {
		return nil, fmt.Errorf("write down cloud %q: %w", e.name, err)
	}
	_, _, trust, err := clouds.Parse(clouds.WithCloudName(e.name), clouds.WithCloudsYAML(bytes.NewReader(data)))
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "cloud %q of %s", e.name, e.file)
	}
	return trust, nil
}
